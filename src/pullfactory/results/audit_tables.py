"""The verdict of an audit, for the terminal."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pullfactory.auditing import ResponseRow
from pullfactory.auditing.rows import AuditRow
from pullfactory.methods import BINNED, method_kind
from pullfactory.numbers import ABSENT, rounded
from pullfactory.report import response
from pullfactory.report.audit_flow import flow_sentences, flow_table
from pullfactory.report.audit_table import has_answers, whole_columns, whole_rows
from pullfactory.report.audit_verdict import (
    BLINDED,
    NOT_CLOSED,
    UNANSWERED,
    audit_answer_of,
    change_of,
    described,
    pay_sentence,
    poi_first,
)
from pullfactory.report.calibration_curve import curve_sentence
from pullfactory.report.goodness import goodness_sentences, goodness_table, is_refused
from pullfactory.report.optimal import optimal_sentences, optimal_table
from pullfactory.report.paper import absolute, impacts_table
from pullfactory.report.ratio import ratio_table
from pullfactory.report.tabular import Cells, Column, Table, digits, measured, named, percent, text
from pullfactory.report.verdict import Verdict, shifts_of
from pullfactory.results.audit_numbers import AuditNumbers
from pullfactory.settings.audit import AuditConfig

_LARGEST = 6  # impacts of a method on the terminal


def audit_answer(result: AuditNumbers) -> str:
    """The question of an audit, and its answer in one sentence.

    Args:
        result: The audit.
    """
    names = ", ".join(result.config.observable_names)
    rows = [row for row in _described(result) if method_kind(row["method"]).workspace]
    goodness = result.goodness.to_dict() if result.goodness else None
    answer = audit_answer_of(
        rows,
        result.config.poi,
        withheld=result.withheld,
        doubts=result.doubts,
        refused=is_refused(goodness),
    )
    toys = [Verdict.of(row.to_dict()) for row in result.pulls if row.method == BINNED.name]
    shifts = shifts_of(toys)
    also = f"; in toys {shifts}" if shifts else ""
    blinded = f" {BLINDED}" if result.config.blind else ""
    return f"May {names} be fitted as if they were independent? {answer.text}{also}.{blinded}"


def goodness_shown(result: AuditNumbers) -> Iterator[Table[Mapping[str, Any]] | str]:
    """Whether the model fits the data: a table, and what there is beside it.

    Args:
        result: The audit.
    """
    if result.goodness:
        goodness = result.goodness.to_dict()
        if goodness["rows"]:
            yield goodness_table(goodness)
        yield from goodness_sentences(goodness)


def response_table(rows: Iterable[ResponseRow], config: AuditConfig) -> Table[Mapping[str, Any]]:
    """Rate, mean and width of every sample, one line a sample.

    Args:
        rows: Of an audit, or of what it refuses.
        config: Gives observables and units.
    """
    units = {observable.name: observable.unit for observable in config.observable}
    return response.response_table([row.to_dict() for row in rows], units)


def _described(result: AuditNumbers) -> list[dict[str, Any]]:
    """Rows of errors with what their sentences name."""
    parameters = [one.model_dump() for one in result.config.parameter]
    signal = result.config.sample_set.processes[0].nominal.role
    selected = {check.role: check.selected for check in result.checks}
    return described([row.to_dict() for row in result.rows], parameters, selected.get(signal))


def audit_table(result: AuditNumbers) -> Table[Any]:
    """Claimed and whole errors with both answers, one row per method and parameter.

    Of an audit of an earlier version, or without answers, those of `check_table`.

    Args:
        result: The audit.
    """
    rows = [row.to_dict() for row in result.rows]
    if not has_answers(rows):
        return check_table(result)
    units = {parameter.name: parameter.unit for parameter in result.config.parameter}
    several = len({row["method"] for row in rows}) > 1
    method = (text("method", "method", once=True),) if several else ()
    return Table(
        columns=(*method, *whole_columns(rows, units)),
        rows=whole_rows(rows, result.config.poi),
        sections=("method",),
    )


def change_lines(result: AuditNumbers) -> Iterator[str]:
    """What would change the answers on each parameter.

    Args:
        result: The audit.
    """
    rows = _described(result)
    methods = {row["method"] for row in rows}
    for row in poi_first(rows, result.config.poi):
        if change := change_of(row):
            method = f" ({row['method']})" if len(methods) > 1 else ""
            yield f"{row['parameter']}{method}: {change}."


def check_table(result: AuditNumbers) -> Table[AuditRow]:
    """Claimed and actual errors without the noise of the templates, beside toys and the joint fit.

    Args:
        result: The audit.
    """
    toys = {(row.method, row.pulls.parameter): row.pulls for row in result.pulls}

    def actual(row: Cells) -> str:
        said = rounded(row["actual_error"], row["actual_error_error"])
        return f"{said} does not\nclose" if row["closes"] is False else said

    def of_toys(row: Cells) -> str:
        pulls = None if result.withheld else toys.get((row["method"], row["parameter"]))
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
    answered = has_answers([row.to_dict() for row in result.rows])
    title = "Without the noise of the templates, as toys of them see it" if answered else ""
    return Table(columns=columns, rows=result.rows, sections=("method",), title=title)


def impacts_shown(result: AuditNumbers) -> Iterator[Table[Mapping[str, Any]] | str]:
    """The largest impacts of nuisances with each method.

    Args:
        result: The audit.
    """
    impacts = [row.to_dict() for row in result.impacts]
    methods = dict.fromkeys(row["method"] for row in impacts)
    by_method = ([row for row in impacts if row["method"] == method] for method in methods)
    largest = [row for rows in by_method for row in rows[:_LARGEST]]
    if largest:
        yield impacts_table(largest, result.config.poi, short=True)
    if len(largest) < len(impacts):
        yield f"{len(impacts) - len(largest)} more nuisances are in the report."


def curve_line(result: AuditNumbers) -> Iterator[str]:
    """Slope and offset of the parameter of interest, in a sentence; nothing in earlier results.

    Args:
        result: The audit.
    """
    config = result.config
    unit = next(one.unit for one in config.parameter if one.name == config.poi)
    curve = result.curve.to_dict() if result.curve else None
    if said := curve_sentence(curve, config.poi, unit):
        yield said


def data_table(result: AuditNumbers) -> Table[Mapping[str, Any]]:
    """Estimates from the data, with claimed, sandwich and bootstrap errors.

    Args:
        result: An audit with data.
    """
    columns = (
        text("method", "fit of the data", once=True),
        named("parameter", "parameter", {p.name: p.unit for p in result.config.parameter}),
        digits("estimate", "estimate\n(blinded)" if result.config.blind else "estimate"),
        *(absolute(),) * any("value" in row for fit in result.data for row in fit.estimates),
        digits("claimed_error", "claimed\nerror"),
        digits("sandwich_error", "sandwich\nerror"),
        measured("bootstrap_error", "bootstrap\nerror"),
    )
    rows = [{"method": fit.method, **row} for fit in result.data for row in fit.estimates]
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def intervals_shown(result: AuditNumbers) -> Iterator[Table[Mapping[str, Any]]]:
    """Intervals of the data from the likelihood ratio, where there are some.

    Args:
        result: The audit.
    """
    if result.intervals:
        units = {parameter.name: parameter.unit for parameter in result.config.parameter}
        yield ratio_table([row.to_dict() for row in result.intervals], units)


def optimal_shown(result: AuditNumbers) -> Iterator[Table[Mapping[str, Any]] | str]:
    """The observables combined optimally, where they are.

    Args:
        result: The audit.
    """
    fits = [fit.to_dict() for fit in result.optimal]
    units = {parameter.name: parameter.unit for parameter in result.config.parameter}
    if any(fit["rows"] for fit in fits):
        yield optimal_table(fits, units)
    yield from optimal_sentences(fits)


def flow_shown(result: AuditNumbers) -> Iterator[Table[Mapping[str, Any]] | str]:
    """The joint fit by a flow, where one is asked for.

    Args:
        result: The audit.
    """
    if result.flow is None:
        return
    fit = result.flow.to_dict()
    if fit["rows"]:
        yield flow_table(fit, {one.name: one.unit for one in result.config.parameter})
    yield from flow_sentences(fit)


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
    why = UNANSWERED if result.withheld else NOT_CLOSED
    idle, unsure = result.do_not_pay, result.may_pay
    return pay_sentence(result.config.poi, idle, unsure, known=known, why=why)
