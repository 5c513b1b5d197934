"""The page of a study."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pullfactory.described import row_of
from pullfactory.files import read_json, read_text, short_name
from pullfactory.inference import ClosureVerdict, closure_of
from pullfactory.methods import method_kind
from pullfactory.report.figures import STUDY
from pullfactory.report.optimal import null_lines
from pullfactory.report.page.appendix import appendix
from pullfactory.report.page.charts import width_charts
from pullfactory.report.page.content import Block, Lead, Listing, Page, Section, Tags, Text
from pullfactory.report.page.failures import failure_blocks
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.tables import (
    calibration_rows,
    closure_rows,
    coverage_rows,
    noise_rows,
    pull_rows,
    status_rows,
    verdict_rows,
)
from pullfactory.report.palette import method_label
from pullfactory.report.table import closure_line
from pullfactory.report.verdict import Verdict, answer_of, rho_name, where_of
from pullfactory.workspaces.study import clipping_note

_REPAIRED = Text(
    text="Corrected errors come from the event-paired sandwich: the same fit, with the correlation "
    "of its observables put into its error."
)
_SCALED = Text(
    text="Corrected intervals are those of the likelihood ratio divided by λ, the ratio of the "
    "corrected to the claimed variance at the tested value."
)
_SIMULATED = Text(
    text=f"{_SCALED.text} A toy has too few events to tell λ, which comes from simulation."
)
_RHO = 0.3  # the rho of a scan nearest to it is shown first


def study_page(folder: Path, summary: Mapping[str, Any]) -> Page:
    """The page of a study.

    Args:
        folder: Holds `study.toml`, and `figures`.
        summary: Content of its `summary.json`.

    Raises:
        KeyError: If the summary lacks something.
        OSError: If the study cannot be read.
    """
    study = summary["study"]
    ensemble = study["ensemble"]
    matrix = " ρ = 1 is the study's own correlation matrix." if ensemble.get("correlation") else ""
    return Page(
        title=f"{study['name']}: pulls of correlated observables",
        question="May I fit these observables as if they were independent?",
        introduction=(
            f"Study {study['name']}: {ensemble['n_toys']} toys of {ensemble['n_events']} events at "
            f"each correlation ρ of the observables {_listed(study['observable'])} within an "
            f"event; fits of {_listed(study['parameter'])}.{matrix}"
        ),
        leads=_leads(summary),
        sections=tuple(section for section in _sections(folder, summary) if section.blocks),
        choices=_choices(summary),
    )


def _leads(summary: Mapping[str, Any]) -> tuple[Lead, ...]:
    """Answers by method and rho, the one to be shown first in front."""
    units = _units(summary)
    groups: dict[tuple[str, float], list[Verdict]] = {}
    for row in summary["pulls"]:
        verdict = Verdict.of(row, units[row["parameter"]], summary.get("remarks", ()))
        groups.setdefault((row["method"], row["rho"]), []).append(verdict)
    first = min(groups, key=lambda key: (not method_kind(key[0]).workspace, abs(key[1] - _RHO)))
    ordered = {first: groups[first], **groups}
    return tuple(
        _with_closure(
            Lead.of(
                answer_of(
                    verdicts,
                    where=where_of(method, rho),
                    independent=method_kind(method).independent,
                ),
                Tags(method=method, rho=rho_name(rho)),
            ),
            where_of(method, rho),
            [row for row in _verdicts(summary) if closure_of([row], method, row.parameter)],
        )
        for (method, rho), verdicts in ordered.items()
    )


def _with_closure(lead: Lead, where: str, closure: Sequence[ClosureVerdict]) -> Lead:
    """The answer, where the morphing is so far off that no factor makes the errors right."""
    hidden = [row.parameter for row in closure if not row.correctable]
    if not hidden:
        return lead
    answer = (
        f"No: {where}, the morphing does not close for {', '.join(hidden)}, and no factor makes "
        "the claimed error right."
    )
    return replace(lead, answer=answer, mood="bad")


def _sections(folder: Path, summary: Mapping[str, Any]) -> tuple[Section, ...]:
    rows, units = summary["pulls"], _units(summary)
    methods = tuple(dict.fromkeys(row["method"] for row in rows))
    observables = tuple(observable["name"] for observable in summary["study"]["observable"])
    names = {"observable": observables, "method": methods}
    shown = partial(pictures, folder, STUDY, names=names)
    return (
        Section(
            name="errors",
            heading="Claimed and actual errors",
            blocks=(verdict_rows(rows, units), *_not_closing(summary)),
        ),
        Section(
            name="width",
            heading="Pull width against the correlation",
            blocks=(width_charts(rows), *shown("width")),
        ),
        Section(
            name="distributions",
            heading="Pulls",
            blocks=(
                pull_rows(rows),
                *shown("distributions"),
            ),
        ),
        Section(
            name="repair",
            heading="Repair",
            blocks=(_REPAIRED, *_not_closing(summary), *shown("repair")),
        ),
        Section(
            name="intervals",
            heading="Intervals from the likelihood ratio",
            blocks=_intervals(summary, shown("intervals")),
        ),
        Section(
            name="calibration",
            heading="Calibration",
            blocks=(
                *shown("calibration"),
                calibration_rows(summary["calibration"], _units(summary, "observable")),
                *_noise(summary["calibration_noise"]),
            ),
        ),
        Section(
            name="templates",
            heading="Templates",
            blocks=(*shown("templates"), *_clipping(folder, summary)),
        ),
        Section(name="closure", heading="Closure", blocks=_closure(summary)),
        Section(
            name="fits",
            heading="How every fit ended",
            blocks=(
                status_rows(summary["status"]),
                *(Text(text=f"{line}.") for line in null_lines(summary.get("null", {}))),
                *failure_blocks(folder, "failures.csv", summary["status"], shown("failures")),
            ),
        ),
        Section(
            name="study",
            heading="The study",
            blocks=(
                Text(text="Save it as study.toml and run it again: pullfactory run study.toml"),
                Listing(text=read_text(folder / "study.toml")),
            ),
        ),
        *appendix(summary["provenance"]),
    )


def _intervals(summary: Mapping[str, Any], figures: Sequence[Block]) -> tuple[Block, ...]:
    """How often they have the true value, where that was asked for."""
    if not (rows := summary.get("intervals")):
        return ()
    sources = {row["scale_source"] for row in rows}
    return (_SIMULATED if "simulation" in sources else _SCALED, coverage_rows(rows), *figures)


def _not_closing(summary: Mapping[str, Any]) -> tuple[Text, ...]:
    """What is to be known of the corrected errors of the binned fit."""
    said = " ".join(row.reason for row in _verdicts(summary) if row.reason)
    return (Text(text=f"What the morphing does to the binned fit. {said}"),) if said else ()


def _verdicts(summary: Mapping[str, Any]) -> list[ClosureVerdict]:
    return [row_of(ClosureVerdict, row) for row in summary["closure"] or ()]


def _noise(rows: Sequence[Mapping[str, Any]]) -> tuple[Block, ...]:
    """What the noise of the calibration does, and what is not known of it, with the reason."""
    if not rows:
        return ()
    unknown = {
        (method_label(row["method"]), row["reason"]): None for row in rows if row.get("reason")
    }
    return (
        Text(text="What the noise of the calibration is expected to do to the pulls:"),
        noise_rows(rows),
        *(
            Text(text=f"The noise of the {method} fit is not known: {reason}.")
            for method, reason in unknown
        ),
    )


def _clipping(folder: Path, summary: Mapping[str, Any]) -> tuple[Text, ...]:
    """What another program would make of the workspace that lies in the folder."""
    file = Path("workspaces") / f"{short_name(summary['study']['name'])}.json"
    if not (folder / file).exists():
        return ()
    note = clipping_note(read_json(folder / file))
    return (Text(text=f"{file.as_posix()} is {note}"),) if note else ()


def _closure(summary: Mapping[str, Any]) -> tuple[Block, ...]:
    if not summary["closure"]:
        return ()
    line = closure_line(_verdicts(summary))
    known = not line.startswith("unknown")
    return (
        Text(text=f"What the morphing alone does to the binned fit. It {line}." if known else line),
        closure_rows(summary["closure"]),
    )


def _choices(summary: Mapping[str, Any]) -> dict[str, tuple[tuple[str, str], ...]]:
    rows = summary["pulls"]
    methods, scan, parameters = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("method", "rho", "parameter")
    )
    names = [rho_name(rho) for rho in sorted(scan)]
    return {
        "method": tuple((method, method_label(method)) for method in methods),
        "rho": tuple((name, name) for name in names),
        "parameter": tuple((name, name) for name in parameters),
    }


def _units(summary: Mapping[str, Any], kind: str = "parameter") -> dict[str, str]:
    return {one["name"]: one["unit"] for one in summary["study"][kind]}


def _listed(described: Sequence[Mapping[str, Any]]) -> str:
    *some, last = [one["name"] for one in described]
    return f"{', '.join(some)} and {last}" if some else last
