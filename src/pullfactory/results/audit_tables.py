"""The verdict of an audit, for the terminal."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pullfactory.auditing.rows import AuditRow
from pullfactory.methods import method_kind
from pullfactory.numbers import ABSENT, rounded
from pullfactory.report.audit_verdict import audit_answer_of, pay_sentence
from pullfactory.report.tabular import Cells, Column, Table, digits, measured, named, percent, text
from pullfactory.results.audit_numbers import AuditNumbers


def audit_answer(result: AuditNumbers) -> str:
    """The question of an audit, and its answer in one sentence.

    Args:
        result: The audit.
    """
    names = ", ".join(result.config.observable_names)
    rows = [row.to_dict() for row in result.rows if method_kind(row.method).workspace]
    answer = audit_answer_of(rows, result.config.poi)
    return f"May {names} be fitted as if they were independent? {answer.text}."


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
    known = all(math.isfinite(row.pull.actual_error) for row in result.sets)
    return pay_sentence(result.config.poi, result.do_not_pay, known=known)
