"""Rows of an audit, and what they say of shifted pulls."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pullfactory.described import PartOrNaN, SizeOrNaN
from pullfactory.inference.judgement import LEAST_CAUSE
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
