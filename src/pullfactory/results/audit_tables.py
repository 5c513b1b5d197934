"""The verdict of an audit, for the terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape

from pullfactory.auditing.rows import AuditRow
from pullfactory.inference.judgement import TOLERATED
from pullfactory.methods import method_kind
from pullfactory.numbers import ABSENT, rounded
from pullfactory.report.tabular import Cells, Column, Table, digits, measured, named, percent, text
from pullfactory.results.audit_numbers import AuditNumbers

__all__ = ["audit_answer", "audit_table", "data_table", "dependence_lines", "pay_line"]


def audit_answer(result: AuditNumbers) -> str:
    """The question of an audit, and its answer in one sentence.

    Args:
        result: The audit.
    """
    names = ", ".join(result.config.observable_names)
    question = f"May {names} be fitted as if they were independent?"
    judged = result.judgements
    wrong, unsure = (
        [name for name, kind in judged.items() if kind == wanted] for wanted in ("wrong", "unknown")
    )
    right = f"right within {TOLERATED:.0%}"
    if result.independent:
        return f"{question} Yes: every claimed error is {right}."
    own = _of_the_workspace(result)[result.config.poi]
    open_ = [row.parameter for row in result.rows if row.reason]
    if open_ and (not wrong or own.reason):
        return (
            f"{question} That cannot be told for {', '.join(open_)}: the workspace does not close; "
            'use workspace.morphing = "multiplicative", or samples at smaller steps.'
        )
    if not wrong:
        return f"{question} Perhaps: too few events to tell for {', '.join(unsure)}."
    poi = result.config.poi
    if poi in wrong:
        kind = "small" if own.inflate_by > 1 else "large"
        said = f"is too {kind}, multiply it by {rounded(own.inflate_by, own.inflate_by_error)}"
    else:
        said = f"is {right}" if judged[poi] == "right" else "is uncertain"
    others = ", ".join(name for name in wrong if name != poi)
    also = f"; {'also wrong' if poi in wrong else 'wrong'}: {others}" if others else ""
    return f"{question} No: the claimed error of {poi} {said}{also}."


def audit_table(result: AuditNumbers) -> Table[AuditRow]:
    """Claimed and actual errors, one row per method and parameter.

    Args:
        result: The audit.
    """
    toys = {(row.method, row.pulls.parameter): row.pulls for row in result.pulls}

    def actual(row: Cells) -> str:
        said = rounded(row["actual_error"], row["actual_error_error"])
        return f"{said} does not\nclose" if row["closes"] is False else said

    def of_toys(row: Cells) -> str:
        pulls = toys.get((row["method"], row["parameter"]))
        return rounded(pulls.width, pulls.width_error) if pulls else ABSENT

    columns = (
        text("method", "method", once=True),
        named("parameter", "parameter", {p.name: p.unit for p in result.config.parameter}),
        measured("claimed_error", "claimed\nerror"),
        Column(key="actual_error", heading="actual\nerror", show=actual),
        measured("inflate_by", "inflate by"),
        Column(key="inflate_by", heading="pull width\nof toys", show=of_toys),
        percent("coverage_68", "coverage\n68 % [%]"),
        digits("joint_error", "joint\nerror"),
    )
    return Table(columns=columns, rows=result.rows, sections=("method",))


def data_table(result: AuditNumbers) -> Table[Mapping[str, Any]]:
    """Estimates from the data, with claimed, sandwich and bootstrap errors.

    Args:
        result: An audit with data.
    """
    columns = (
        text("method", "fit of the data", once=True),
        named("parameter", "parameter", {p.name: p.unit for p in result.config.parameter}),
        digits("estimate", "estimate"),
        digits("claimed_error", "claimed\nerror"),
        digits("sandwich_error", "sandwich\nerror"),
        measured("bootstrap_error", "bootstrap\nerror"),
    )
    rows = [{"method": fit.method, **row} for fit in result.data for row in fit.estimates]
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def dependence_lines(result: AuditNumbers) -> Iterator[str]:
    """One line for each pair of observables.

    Args:
        result: The audit.
    """
    for pair in result.dependence:
        both = "" if pair.overlap == 1 else f", {pair.overlap:.0%} of events have both"
        yield (
            f"Correlation of {pair.first} and {pair.second}: Pearson "
            f"{rounded(pair.pearson, pair.pearson_error)}, Spearman "
            f"{rounded(pair.spearman, pair.spearman_error)}{both}"
        )


def pay_line(result: AuditNumbers) -> str:
    """Which observables do not lower the actual error of the parameter of interest.

    Args:
        result: The audit.
    """
    poi, idle = result.config.poi, result.do_not_pay
    if _of_the_workspace(result)[poi].reason:
        return f"Which observables pay for {poi} cannot be told: the workspace does not close."
    if not idle:
        return f"Every observable lowers the actual error of {poi}."
    return f"Not worth their work for {poi}: {escape(', '.join(idle))}."


def _of_the_workspace(result: AuditNumbers) -> dict[str, AuditRow]:
    """Expected errors of the fit of the workspace, by parameter."""
    return {row.parameter: row for row in result.rows if method_kind(row.method).workspace}
