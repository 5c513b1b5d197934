"""Tables of a page: what the rows of a summary say."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pullfactory.numbers import ABSENT
from pullfactory.report import tabular
from pullfactory.report.page import content
from pullfactory.report.palette import method_label, with_minus
from pullfactory.report.table import response_table
from pullfactory.report.tabular import (
    Column,
    count,
    decimals,
    digits,
    fraction,
    measured,
    named,
    rough,
    text,
    value,
    yes_or_no,
)
from pullfactory.report.verdict import PullNumbers, Verdict, rho_name

Status = Mapping[str, Mapping[str, int]]

FIT = Column(key="method", heading="method", show=lambda r: method_label(r["method"]), words=True)
"""The method of a row as people call it."""
_RHO = value("rho", "ρ")


def paged(
    table: tabular.Table[Any],
    *,
    name: str,
    caption: str,
    headings: int = 1,
    tags: Sequence[str] = (),
) -> content.Table:
    """A table on a page.

    Args:
        table: What is shown.
        name: Identifies it on the page.
        caption: Above it.
        headings: How many of the first columns name the row.
        tags: Which of method, rho and parameter a row belongs to, so that it can be hidden.
    """
    return content.Table(
        name=name,
        caption=caption,
        columns=tuple(
            column.heading.replace("\n", " ").replace(" - ", " − ") for column in table.columns
        ),
        rows=tuple(
            content.Row(
                cells=tuple(_cell(column, row) for column in table.columns),
                tags=content.Tags(
                    method=row["method"] if "method" in tags else None,
                    rho=rho_name(row["rho"]) if "rho" in tags else None,
                    parameter=row["parameter"] if "parameter" in tags else None,
                ),
            )
            for row in table.to_dicts()
        ),
        headings=headings,
    )


def _cell(column: Column, row: Mapping[str, Any]) -> content.Cell:
    shown = column.shown(row).replace("\n", " ")
    if column.words:
        return content.Cell(shown, mood=column.mood(row) if column.mood else None)
    return content.Cell(shown if shown == ABSENT else with_minus(shown), row[column.key])


def verdict_rows(rows: Sequence[PullNumbers], units: Mapping[str, str]) -> content.Table:
    """Claimed and actual error, and by how much they differ.

    Args:
        rows: Of a summary.
        units: Of the parameters; "" is none.
    """
    keys = _keys(rows)
    with_rho = _RHO in keys
    found = []
    for row in rows:
        verdict = Verdict.of(row)
        numbers = {"spread": verdict.actual, "spread_error": verdict.actual_error}
        factor = {"factor": verdict.factor, "factor_error": verdict.factor_error}
        found.append({**row, **numbers, **factor})
    columns = (
        *(*keys, named("parameter", "parameter", units)),
        *(digits("claimed_error", "claimed error"), measured("spread", "actual error")),
        measured("factor", "inflate by"),
        *((decimals("predicted_width", "predicted", 3),) if with_rho else ()),
        *((digits("corrected_error", "corrected error"),) if with_rho else ()),
        count("n_toys", "toys"),
        *(() if with_rho else (count("n_at_bound", "at its bound"),)),
        count("n_failed", "without pull"),
    )
    return paged(
        tabular.Table(columns=columns, rows=tuple(found)),
        name="verdict",
        caption="“Inflate by” is actual / claimed: multiply the claimed error by it."
        + (" “Predicted” is that factor without toys." if with_rho else ""),
        headings=len(keys) + 1,
        tags=(*(column.key for column in keys), "parameter"),
    )


def coverage_rows(rows: Sequence[Mapping[str, Any]]) -> content.Table:
    """Coverage of intervals from the likelihood ratio.

    Args:
        rows: `intervals` of a summary.
    """
    columns = (
        *(FIT, _RHO, text("parameter", "parameter")),
        fraction("coverage_68", "68 % intervals [%]"),
        fraction("corrected_coverage_68", "corrected [%]"),
        fraction("coverage_95", "95 % intervals [%]"),
        fraction("corrected_coverage_95", "corrected [%]"),
        decimals("scale", "λ", 3),
        count("n_failed", "failed"),
    )
    return paged(
        tabular.Table(columns=columns, rows=tuple(rows)),
        name="intervals",
        caption="Part of the toys whose interval has the true value; nominal 68.27 and 95.45 %.",
        headings=3,
        tags=("method", "rho", "parameter"),
    )


def pull_rows(rows: Sequence[PullNumbers]) -> content.Table:
    """Mean, width and coverage of the pulls.

    Args:
        rows: Of a summary.
    """
    keys = _keys(rows)
    corrected = (
        decimals("predicted_width", "predicted width", 3),
        measured("corrected_width", "width with corrected errors"),
    )
    columns = (
        *(*keys, text("parameter", "parameter")),
        *(measured("mean", "mean"), measured("width", "width")),
        *(corrected if _RHO in keys else ()),
        fraction("coverage_68", "within ± 1 [%]"),
        fraction("coverage_95", "within ± 2 [%]"),
    )
    return paged(
        tabular.Table(columns=columns, rows=tuple(rows)),
        name="pulls",
        caption="Pulls, (estimate − truth) / claimed error: for right errors their mean is 0, "
        "their width 1, and 68.27 % and 95.45 % of them are within ± 1 and ± 2.",
        headings=len(keys) + 1,
        tags=(*(column.key for column in keys), "parameter"),
    )


def status_rows(status: Status) -> content.Table:
    """How the fits of each method ended.

    Args:
        status: Number of fits by method and status.
    """
    names = dict.fromkeys(name for counts in status.values() for name in counts)
    rows = tuple(
        {"status": name.replace("_", " "), **{m: status[m].get(name, 0) for m in status}}
        for name in names
    )
    columns = (text("status", "status"), *(count(m, method_label(m)) for m in status))
    return paged(
        tabular.Table(columns=columns, rows=rows), name="status", caption="Fits by how they ended."
    )


def calibration_rows(rows: Iterable[Mapping[str, Any]], units: Mapping[str, str]) -> content.Table:
    """Truth and result of every number of the response.

    Args:
        rows: Of `calibration` of a summary.
        units: Of the observables; "" is none.
    """
    return paged(
        response_table(rows, units),
        name="response",
        caption="The response as the calibration found it.",
        headings=2,
    )


def noise_rows(rows: Sequence[Mapping[str, Any]]) -> content.Table:
    """What the noise of the calibration is expected to do to the pulls.

    Args:
        rows: Of `calibration_noise` of a summary; earlier ones have no `rho`.
    """
    columns = (
        Column(key="method", heading="fit", show=FIT.show, words=True),
        *(_RHO, text("parameter", "parameter")),
        *(decimals("shift", "shift", 3), decimals("width", "pull width", 3)),
        count("events_per_point", "events a point for 10 %"),
    )
    return paged(
        tabular.Table(columns=columns, rows=tuple({"rho": 0.0, **row} for row in rows)),
        name="noise",
        caption="Shift of the mean pull over calibrations, and pull width within one.",
        headings=3,
    )


def closure_rows(rows: Iterable[Mapping[str, Any]]) -> content.Table:
    """What the morphing alone does to the fits.

    Args:
        rows: Of `closure` of a summary; the earliest ones lack some numbers.
    """
    widths = {"pull_mean": "pull mean", "pull_width": "pull width"}
    later = {"bias": None, "closing_width": None, "correctable": True}
    columns = (
        text("parameter", "parameter"),
        decimals("bias", "bias", 3),
        *(decimals(key, heading, 3) for key, heading in widths.items()),
        decimals("closing_width", "pull width of exact rates", 3),
        rough("biased_from", "events where the bias reaches 10 %"),
        yes_or_no("closes", "closes"),
        Column(
            key="correctable",
            heading="corrected errors",
            show=lambda row: "given" if row["correctable"] else "none",
            words=True,
        ),
    )
    return paged(
        tabular.Table(columns=columns, rows=tuple({**later, **row} for row in rows)),
        name="closure",
        caption="Bias, estimate − that of a fit with exact rates, as a root mean square over the "
        "truth and the fit error in units of the error, and pulls of the binned fit at ρ = 0.",
    )


def _keys(rows: Sequence[PullNumbers]) -> tuple[Column, ...]:
    """What tells the rows of one parameter apart, as columns."""
    if any(row["rho"] is not None for row in rows):
        return (FIT, _RHO)
    return (FIT,) if len({row["method"] for row in rows}) > 1 else ()
