"""The line for the paper and the impacts of an audit, as far as its answers allow them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pullfactory.auditing import ErrorParts, ImpactRow, PaperRow, RatioRow
from pullfactory.auditing.rows import AuditRow
from pullfactory.numbers import rounded
from pullfactory.results.audit_numbers import AuditData
from pullfactory.settings.audit import AuditConfig


def paper_rows(
    config: AuditConfig,
    parts: Sequence[ErrorParts],
    rows: Sequence[AuditRow],
    data: Sequence[AuditData],
    withheld: str | None,
) -> Iterator[PaperRow]:
    """The parameter of interest as a paper quotes it, with each method.

    Args:
        config: Of the audit.
        parts: Of its whole error.
        rows: Answers.
        data: Fits, with hidden offsets where they are blinded.
        withheld: Why there is no answer, without a full stop; None where there is one.
    """
    nominal = {one.name: one.nominal for one in config.parameter}[config.poi]
    for one in parts:
        for fit in (fit for fit in data if fit.method == one.method):
            estimates = {row["parameter"]: row for row in fit.estimates}[config.poi]
            reason = withheld or _withheld(_answer(rows, one), fit, estimates)
            yield PaperRow(
                method=one.method,
                parameter=config.poi,
                nominal=nominal,
                shift=None,
                value=None,
                error=None,
                claimed_error=estimates["claimed_error"],
                expected_error=_answer(rows, one).claimed_error,
                calibrated=one.calibrated and reason is None,
                blinded=config.blind,
                reason=reason,
                parts=() if reason else one.parts,
                slopes=None if reason else one.slopes,
            ).at(fit.values, blind=config.blind)


def impact_rows(
    config: AuditConfig,
    parts: Sequence[ErrorParts],
    rows: Sequence[AuditRow],
    data: Sequence[AuditData],
) -> Iterator[ImpactRow]:
    """What the nuisances do, with each method; without pulls where estimates are blinded.

    Args:
        config: Of the audit.
        parts: Of the whole error of the parameter of interest.
        rows: Answers.
        data: Fits.
    """
    known = {} if config.blind else {fit.method: fit.values for fit in data}
    for one in parts:
        answer = _answer(rows, one)
        told = answer.whole_error is not None and answer.answer != "cannot"
        for impact in one.impacts:
            row = impact.pulled(known.get(one.method, {}))
            yield row if told else row.uncorrected()


def interval_rows(
    config: AuditConfig,
    found: Sequence[RatioRow],
    rows: Sequence[AuditRow],
    paper: Sequence[PaperRow],
) -> Iterator[RatioRow]:
    """Intervals of the data as far as the answers allow them.

    Args:
        config: Of the audit.
        found: From the likelihood ratio.
        rows: Answers.
        paper: Lines for the paper.
    """
    answers = {(row.method, row.parameter): row for row in rows}
    for one in found:
        told = answers[one.method, one.parameter].factor is not None
        row = (one if told else one.uncorrected()).calibrated(line_of(paper, one))
        yield row.blinded() if config.blind else row


def line_of(paper: Sequence[PaperRow], interval: RatioRow) -> PaperRow | None:
    """The line for the paper of the parameter of an interval; None without one.

    Args:
        paper: All lines.
        interval: Of one method and parameter.
    """
    key = interval.method, interval.parameter
    return next((row for row in paper if (row.method, row.parameter) == key), None)


def with_values(
    config: AuditConfig, estimates: Sequence[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], ...]:
    """Estimates with absolute values, where the configuration has nominal ones.

    Args:
        config: Of the audit.
        estimates: Rows of a fit of the data.
    """
    nominal = {one.name: one.nominal for one in config.parameter if one.nominal is not None}
    if not nominal:
        return tuple(estimates)
    found = []
    for row in estimates:
        at, estimate = nominal.get(row["parameter"]), row["estimate"]
        known = at is not None and estimate is not None
        found.append({**row, "value": at + estimate if known else None})
    return tuple(found)


def _answer(rows: Sequence[AuditRow], parts: ErrorParts) -> AuditRow:
    key = parts.method, parts.parameter
    return next(row for row in rows if (row.method, row.parameter) == key)


def _withheld(row: AuditRow, fit: AuditData, estimate: Mapping[str, Any]) -> str | None:
    """Why there is no line, without a full stop."""
    if row.reason:
        return row.reason.rstrip(".")
    if row.answer == "cannot" or row.whole_error is None:
        slope = rounded(row.slope, row.slope_error)
        return (
            f"the templates are too noisy to tell what the estimate means, whose slope over the "
            f"truth is {slope}; more simulated events are needed"
        )
    if estimate["estimate"] is None or estimate["claimed_error"] is None:
        return f"the fit of the data ended as {fit.status}"
    return None
