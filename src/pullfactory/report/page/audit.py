"""The page of an audit of one's own events."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pullfactory.files import read_text
from pullfactory.numbers import plain, rounded
from pullfactory.report.audit_flow import SAID as SAID_FLOW
from pullfactory.report.audit_flow import flow_sentences, flow_table
from pullfactory.report.audit_table import CHANGE, has_answers, whole_columns, whole_rows
from pullfactory.report.audit_verdict import (
    BLINDED,
    NOT_CLOSED,
    UNANSWERED,
    audit_answer_of,
    described,
    error_sentence,
    pay_sentence,
    poi_first,
)
from pullfactory.report.figures import AUDIT
from pullfactory.report.goodness import is_refused
from pullfactory.report.optimal import SAID as SAID_OPTIMAL
from pullfactory.report.optimal import optimal_sentences, optimal_table
from pullfactory.report.page.appendix import appendix
from pullfactory.report.page.content import (
    Block,
    Lead,
    Listing,
    Page,
    Section,
    Tags,
    Text,
)
from pullfactory.report.page.curve import curve_section
from pullfactory.report.page.failures import failure_blocks
from pullfactory.report.page.fit import fit_section
from pullfactory.report.page.paper import impacts_section, paper_blocks
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.response import response_section
from pullfactory.report.page.tables import FIT, paged, pull_rows, status_rows
from pullfactory.report.palette import method_label
from pullfactory.report.paper import absolute, paper_lines
from pullfactory.report.ratio import SAID, ratio_table
from pullfactory.report.tabular import Column, Table, digits, measured, named, percent, text, value
from pullfactory.report.verdict import Answer, Verdict, remarks_on, shifts_of

Numbers = Mapping[str, Any]


def audit_page(folder: Path, summary: Numbers) -> Page:
    """The page of an audit.

    Args:
        folder: Holds `audit.toml` and `figures`.
        summary: Content of its `audit.json`.

    Raises:
        KeyError: If the numbers lack something.
        OSError: If the configuration cannot be read.
    """
    config = summary["config"]
    units = {p["name"]: p.get("unit", "") for p in config["parameter"]}
    names = [o["name"] for o in config["observable"]]
    rows = described(summary["errors"], config["parameter"], _simulated(summary))
    errors = (*pictures(folder, AUDIT, "errors"), *_error_rows(rows, config["poi"], units))
    dependence = (*pictures(folder, AUDIT, "dependence"), *_dependence_rows(summary))
    sections = (
        Section(name="gate", heading="What to act on first", blocks=_gate(summary)),
        fit_section(folder, summary),
        Section(name="result", heading="The result", blocks=_result(folder, summary, units)),
        Section(name="errors", heading="Are the errors right?", blocks=errors),
        curve_section(folder, summary, units),
        impacts_section(folder, summary),
        response_section(folder, summary),
        Section(
            name="dependence",
            heading="How the observables of an event depend on each other",
            blocks=dependence,
        ),
        Section(
            name="optimal",
            heading="The observables combined optimally",
            blocks=_optimal(folder, summary, units),
        ),
        Section(name="flow", heading="A joint density", blocks=_flow(folder, summary, units)),
        Section(name="sets", heading="Which observables pay", blocks=_sets(folder, summary)),
        *_appendix(folder, summary, units),
    )
    methods = list(dict.fromkeys(row["method"] for row in summary["errors"]))
    return Page(
        title=f"Audit {config['name']}{' (blinded)' if config.get('blind') else ''}",
        question=f"May I fit {_listed(names)} as if they were independent?",
        introduction=(
            f"Errors of a fit to {plain(round(summary['n_events'], 1))} expected events, predicted "
            "from the events themselves and checked with toys drawn from them."
            f"{f' {BLINDED}' if config.get('blind') else ''}"
        ),
        leads=tuple(_lead(summary, method, units) for method in methods),
        sections=tuple(section for section in sections if section.blocks),
        choices={
            "method": tuple(
                (method, method_label(method)) for method in (*methods, *_further(summary))
            ),
            "parameter": tuple((name, name) for name in dict.fromkeys(_parameters(summary))),
        },
    )


def _appendix(folder: Path, summary: Numbers, units: Mapping[str, str]) -> tuple[Section, ...]:
    """What is looked up: notes, toys, matrices, templates, samples, and what was run."""
    return (
        Section(name="notes", heading="For the record", blocks=_notes(summary)),
        Section(name="toys", heading="Toys drawn from the events", blocks=_toys(folder, summary)),
        Section(
            name="covariance",
            heading="Correlation of the parameters",
            blocks=pictures(folder, AUDIT, "covariance"),
        ),
        Section(
            name="templates",
            heading="Templates",
            blocks=pictures(folder, AUDIT, "templates", {"parameter": units}),
        ),
        Section(name="samples", heading="The samples", blocks=(_sample_rows(summary),)),
        Section(
            name="config",
            heading="The configuration",
            blocks=(Listing(text=read_text(folder / "audit.toml")),),
        ),
        *appendix(summary["provenance"]),
    )


def _gate(summary: Numbers) -> tuple[Text, ...]:
    """What makes a number wrong unless it is meant so, with its remedy."""
    return tuple(
        Text(text=f"{one['place']}: {' '.join(filter(None, (one['text'], one['remedy'])))}")
        for one in summary.get("gate", ())
        if one["level"] != "fine"
    )


def _simulated(summary: Numbers) -> int | None:
    """Events of the nominal signal sample."""
    selected = {row["role"]: row["selected"] for row in summary["samples"]}
    return selected.get("nominal")


def _parameters(summary: Numbers) -> list[str]:
    return [row["parameter"] for row in summary["errors"]]


def _lead(summary: Numbers, method: str, units: Mapping[str, str]) -> Lead:
    rows = _rows_of(summary, method)
    found = _answer(summary, method)
    answer, mood = found.text, found.mood
    pulls = [Verdict.of(row) for row in summary["pulls"] if row["method"] == method]
    if shifts := shifts_of(pulls):
        answer = f"{answer}; in toys {shifts}"
        mood = "open" if mood == "good" else mood
    said = summary.get("remarks", ())
    details = tuple(
        " ".join((error_sentence(row, units.get(row["parameter"], "")), *remarks_on(row, said)))
        for row in rows
    )
    paper = [row for row in summary.get("paper", ()) if row["method"] == method]
    lines = (f"{line}." for line in paper_lines(paper, units.get(summary["config"]["poi"], "")))
    first = tuple(line.replace("..", ".") for line in lines)
    return Lead(answer=f"{answer}.", mood=mood, details=first + details, tags=Tags(method=method))


def _rows_of(summary: Numbers, method: str) -> list[dict[str, Any]]:
    """Errors with one method, with what sentences name, the parameter of interest first."""
    rows = [row for row in summary["errors"] if row["method"] == method]
    told = described(rows, summary["config"]["parameter"], _simulated(summary))
    return poi_first(told, summary["config"]["poi"])


def _answer(summary: Numbers, method: str) -> Answer:
    rows = _rows_of(summary, method)
    where = f"with the {method_label(method)} fit"
    return audit_answer_of(
        rows,
        summary["config"]["poi"],
        where,
        withheld=summary.get("withheld"),
        doubts=summary.get("doubts", ()),
        refused=is_refused(summary.get("goodness")),
    )


def _error_rows(rows: Sequence[Numbers], poi: str, units: Mapping[str, str]) -> tuple[Block, ...]:
    """Both answers, and what the fit claims without the noise of the templates."""
    columns = (
        *(FIT, named("parameter", "parameter", units)),
        measured("claimed_error", "claimed error"),
        Column(key="actual_error", heading="actual error", show=_actual),
        measured("inflate_by", "inflate by"),
        percent("coverage_68", "within ± 1 [%]"),
        digits("joint_error", "error of the joint fit"),
        digits("template_noise", "template noise"),
    )
    answered = has_answers(rows)
    factor = "“Inflate by” is actual / claimed"
    toys = f"Without the noise of the templates, as toys of them see it. {factor}."
    check = paged(
        Table(columns=columns, rows=tuple(rows)),
        name="verdict",
        caption=toys
        if answered
        else f"{factor}: multiply the claimed error by it. Errors are those of the bootstrap.",
        headings=2,
        tags=("method", "parameter"),
    )
    return (_whole_rows(rows, poi, units), check) if answered else (check,)


def _whole_rows(rows: Sequence[Numbers], poi: str, units: Mapping[str, str]) -> Block:
    return paged(
        Table(columns=(FIT, *whole_columns(rows, units), CHANGE), rows=whole_rows(rows, poi)),
        name="whole",
        caption="Whole error: with correlation of the observables and noise of the templates. "
        "“As it stands”: whether the claimed error is right with this simulation; “correlation”: "
        "whether the correlation alone, with infinite simulation, makes it wrong. A slope, and the "
        "error of an estimate divided by it, stand where the slope may matter.",
        headings=2,
        tags=("method", "parameter"),
    )


def _actual(row: Numbers) -> str:
    """The actual error, and whether the workspace does not close."""
    shown = rounded(row["actual_error"], row["actual_error_error"])
    return f"{shown} does not close" if row.get("closes") is False else shown


def _notes(summary: Numbers) -> tuple[Text, ...]:
    return tuple(Text(text=note) for note in summary["notes"])


def _dependence_rows(summary: Numbers) -> tuple[Block, ...]:
    rows = summary["correlations"]
    if not rows:
        return ()
    columns = (
        *(text("first", "observable"), text("second", "and")),
        *(measured("pearson", "Pearson"), measured("spearman", "Spearman")),
        Column(
            key="overlap",
            heading="have both [%]",
            show=lambda row: f"{100 * row['overlap']:.3g}",
        ),
    )
    table = paged(
        Table(columns=columns, rows=tuple(rows)),
        name="correlations",
        caption="Correlation coefficients within one event, and the part of the events that "
        "have both observables.",
        headings=2,
    )
    return (table,)


def _sets(folder: Path, summary: Numbers) -> tuple[Block, ...]:
    """Which observables pay; nothing where there is only one."""
    if len(summary["config"]["observable"]) < 2:
        return ()
    known = all(row["actual_error"] is not None for row in summary["sets"])
    why = UNANSWERED if summary.get("withheld") else NOT_CLOSED
    idle, unsure = summary["do_not_pay"], summary.get("may_pay", ())
    said = pay_sentence(summary["config"]["poi"], idle, unsure, known=known, why=why)
    return (Text(text=said), *pictures(folder, AUDIT, "sets"), _set_rows(summary))


def _set_rows(summary: Numbers) -> Block:
    columns = (
        Column(
            key="observables",
            heading="observables",
            show=lambda row: ", ".join(row["observables"]),
            words=True,
        ),
        digits("claimed_error", "claimed error"),
        measured("actual_error", "actual error"),
        percent("difference", "above the best [%]"),
        digits("predicted_width", "inflate by"),
    )
    absent = dict.fromkeys(("actual_error_error", "difference", "difference_error"))
    return paged(
        Table(columns=columns, rows=tuple({**absent, **row} for row in summary["sets"])),
        name="sets",
        caption=f"Errors of {summary['config']['poi']} with sets of the observables; “above the "
        "best” has the error that the events of the samples leave, the same for all sets.",
    )


def _result(folder: Path, summary: Numbers, units: Mapping[str, str]) -> tuple[Block, ...]:
    if not summary["data"]:
        return ()
    heading = "estimate (blinded)" if summary["config"].get("blind") else "estimate"
    columns = (
        *(FIT, named("parameter", "parameter", units), digits("estimate", heading)),
        *(absolute(),) * any("value" in row for fit in summary["data"] for row in fit["estimates"]),
        digits("claimed_error", "claimed error"),
        digits("sandwich_error", "sandwich error"),
        measured("bootstrap_error", "bootstrap error"),
    )
    rows = [{**fit, **row} for fit in summary["data"] for row in fit["estimates"]]
    table = paged(
        Table(columns=columns, rows=tuple(rows)),
        name="data",
        caption="Estimates, with the errors that the fit claims, those of the event-paired "
        "sandwich and those of the bootstrap.",
        headings=2,
        tags=("method", "parameter"),
    )
    answers = (_answer(summary, fit["method"]).text for fit in summary["data"])
    return (
        *paper_blocks(summary, units),
        *(Text(text=f"{answer}.") for answer in answers),
        table,
        *_intervals(folder, summary, units),
    )


def _intervals(folder: Path, summary: Numbers, units: Mapping[str, str]) -> tuple[Block, ...]:
    """Intervals from the likelihood ratio; nothing in earlier audits."""
    rows = summary.get("intervals")
    if not rows:
        return ()
    shown = ratio_table(rows, units)
    table = paged(
        shown,
        name="intervals",
        caption=f"{shown.title}. {SAID}",
        headings=sum(column.words for column in shown.columns),
        tags=("method", "parameter"),
    )
    return (table, *pictures(folder, AUDIT, "ratio"))


def _optimal(folder: Path, summary: Numbers, units: Mapping[str, str]) -> tuple[Block, ...]:
    """What an optimal combination gives; nothing in earlier audits."""
    fits = summary.get("optimal", ())
    said = tuple(Text(text=one) for one in optimal_sentences(fits))
    if not any(fit["rows"] for fit in fits):
        return said
    table = paged(
        optimal_table(fits, units),
        name="optimal",
        caption=SAID_OPTIMAL,
        headings=2,
        tags=("method", "parameter"),
    )
    methods = tuple(fit["method"] for fit in fits)
    return (table, *said, *pictures(folder, AUDIT, "optimal", {"method": methods}))


def _flow(folder: Path, summary: Numbers, units: Mapping[str, str]) -> tuple[Block, ...]:
    """What a joint density that is learnt gives; nothing where none is asked for."""
    fit = summary.get("flow")
    if not fit:
        return ()
    said = tuple(Text(text=one) for one in flow_sentences(fit))
    if not fit["rows"]:
        return said
    table = paged(
        flow_table(fit, units), name="flow", caption=SAID_FLOW, headings=1, tags=("parameter",)
    )
    return (*said, table, *pictures(folder, AUDIT, "flow"))


def _further(summary: Numbers) -> Iterator[str]:
    """Methods that do not take the observables as independent."""
    yield from (fit["method"] for fit in summary.get("optimal", ()))
    if summary.get("flow", {}).get("rows"):
        yield "flow"


def _toys(folder: Path, summary: Numbers) -> tuple[Block, ...]:
    toys = summary["toys"]
    if not summary["pulls"]:
        return (Text(text=f"No toys: {toys['reason']}."),)
    drawn = f"{toys['n_toys']} toys, drawn from {toys['pool']} events."
    methods = tuple(dict.fromkeys(row["method"] for row in summary["pulls"]))
    return (
        Text(text=drawn),
        *pictures(folder, AUDIT, "toys", {"method": methods}),
        pull_rows(summary["pulls"]),
        status_rows(summary["status"]),
        *failure_blocks(
            folder,
            "tables/failures.csv",
            summary["status"],
            pictures(folder, AUDIT, "failures", {"method": methods}),
        ),
    )


def _sample_rows(summary: Numbers) -> Block:
    columns = (
        *(text("role", "sample"), value("rows", "rows"), value("selected", "selected")),
        *(value("weight", "sum of weights"), value("effective", "effective")),
        value("negative", "negative weights"),
    )
    return paged(
        Table(columns=columns, rows=tuple(summary["samples"])),
        name="samples",
        caption="Events of every sample; “effective” is the number of events of weight 1 that "
        "would fluctuate as much.",
    )


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
