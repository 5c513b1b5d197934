"""Rows of an audit, and what they say of shifted pulls."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pullfactory.described import Later, PartOrNaN, Size, SizeOrNaN
from pullfactory.inference.judgement import LEAST_CAUSE, Answer, Matter
from pullfactory.inference.remarks import causes_of
from pullfactory.inference.rows import PullRow
from pullfactory.numbers import finite_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """What is expected of the error of one parameter, with one method.

    Errors of errors are standard errors from the bootstrap of all samples.

    Attributes:
        method: `binned` or `unbinned`.
        parameter: Name.
        claimed_error: Error that the fit gives, in the parameter's unit.
        claimed_error_error: Its error.
        actual_error: Spread of estimate - truth, in the parameter's unit.
        actual_error_error: Its error.
        inflate_by: Actual over claimed error, which is the pull width.
        inflate_by_error: Its error.
        coverage_68: Expected fraction with |pull| < 1; nominal 0.6827.
        coverage_68_error: Its error.
        coverage_95: Expected fraction with |pull| < 2; nominal 0.9545.
        coverage_95_error: Its error.
        template_noise: What the finite number of nominal events adds to the estimates; None where
            it is not known.
        joint_error: Error of a fit to the joint workspace; None where there is none.
        closes: Whether the workspace closes; None where that is not known, and unbinned.
        reason: Why actual error, `inflate_by` and coverages are NaN; None where they are not.
        slope: What the estimate moves for each unit of truth, with templates as noisy as they are;
            None where it is not known, as what follows.
        slope_error: Its error.
        whole_error: Spread of estimate - truth over new data, auxiliary measurements and truths of
            the constrained parameters, with the noise of the templates; None where `answer` is
            `cannot`, as `factor`, its error and `calibrated_error`.
        factor: Whole over claimed error.
        factor_error: Its error.
        factor_infinite: What it would be with infinite simulation: correlation alone.
        factor_infinite_error: Its error.
        calibrated_error: Error of the estimate divided by its slope; None for a constrained
            parameter.
        simulated_events: Events of the nominal sample, all others in proportion, at which the noise
            of the templates makes the error 5 % larger.
        answer: Whether the claimed error is right as it stands: `yes`, `no`, `calibrate` (the
            estimate must be divided by its slope), `cannot` (the templates are too noisy to tell)
            or `unknown`.
        correlation: Whether the correlation `matters`, is `small`, or `unknown`.
    """

    method: str
    parameter: str
    claimed_error: SizeOrNaN
    claimed_error_error: SizeOrNaN
    actual_error: SizeOrNaN
    actual_error_error: SizeOrNaN
    inflate_by: SizeOrNaN
    inflate_by_error: SizeOrNaN
    coverage_68: PartOrNaN
    coverage_68_error: SizeOrNaN
    coverage_95: PartOrNaN
    coverage_95_error: SizeOrNaN
    template_noise: SizeOrNaN | None
    joint_error: SizeOrNaN | None
    closes: bool | None = None
    reason: str | None = None
    slope: Annotated[float | None, Later] = None
    slope_error: Annotated[Size | None, Later] = None
    whole_error: Annotated[Size | None, Later] = None
    factor: Annotated[Size | None, Later] = None
    factor_error: Annotated[Size | None, Later] = None
    factor_infinite: Annotated[Size | None, Later] = None
    factor_infinite_error: Annotated[Size | None, Later] = None
    calibrated_error: Annotated[Size | None, Later] = None
    simulated_events: Annotated[Size | None, Later] = None
    answer: Annotated[Answer | None, Later] = None
    correlation: Annotated[Matter | None, Later] = None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`; no NaN."""
        return finite_or_none(asdict(self))


def causes_in_audit(row: PullRow, errors: Sequence[AuditRow]) -> tuple[str, ...]:
    """Why the pulls of toys may be shifted, as `causes_of` tells, or by noise of the templates.

    Args:
        row: Pulls that are shifted.
        errors: What is expected of the errors.
    """
    key = (row.method, row.pulls.parameter)
    noise = (
        one.template_noise / one.claimed_error
        for one in errors
        if (one.method, one.parameter) == key and one.template_noise
    )
    told = (
        f"the noise of the nominal templates is {part:.2f} of its error"
        for part in noise
        if part >= LEAST_CAUSE * abs(row.pulls.mean or 0.0)
    )
    return (*causes_of(row), *told)
