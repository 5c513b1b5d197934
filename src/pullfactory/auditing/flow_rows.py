"""What an audit tells of the joint fit by a flow."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, Self

from pullfactory.described import Count, Later, Size, row_of
from pullfactory.flows.verdict import Closing
from pullfactory.inference.density_rows import (
    DensityLevel,
    DensityShift,
    DensityVerdict,
    LeftOut,
    TransformRow,
)
from pullfactory.numbers import finite_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRow:
    """One parameter in the joint fit by a flow.

    Attributes:
        parameter: Name.
        claimed_error: Error that the fit is expected to claim, in the parameter's unit.
        claimed_error_error: Its standard error from the bootstrap of the nominal events.
        actual_error: Spread of estimate - truth with this flow, from the sandwich; None where it is
            withheld, as what rests on it.
        actual_error_error: Its standard error.
        width: Actual over claimed error: the pull width.
        width_error: Its standard error.
        product_error: Actual error of the product of the observables, in densities or else in bins.
        sample_noise: What another draw of the samples would move all estimates by, a standard
            deviation: not in the errors before.
        simulated_events: Events of the nominal samples together, all others in proportion, at which
            `sample_noise` is a tenth of the claimed error.
        estimate: From the data; None without, as what follows.
        error: Of the estimate, claimed.
        sandwich_error: The same from the events of the data.
        bootstrap_error: The same from replicas of the data.
        bootstrap_error_error: Its standard error.
        blinded: There where a hidden offset is in the estimate.
    """

    parameter: str
    claimed_error: Size | None
    claimed_error_error: Size | None
    actual_error: Size | None
    actual_error_error: Size | None
    width: Size | None
    width_error: Size | None
    product_error: Size | None
    sample_noise: Size | None
    simulated_events: Size | None
    estimate: float | None = None
    error: Size | None = None
    sandwich_error: Size | None = None
    bootstrap_error: Size | None = None
    bootstrap_error_error: Size | None = None
    blinded: Annotated[Literal[True] | None, Later] = None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`; no NaN."""
        row = finite_or_none(asdict(self))
        return row if self.blinded else {k: v for k, v in row.items() if k != "blinded"}

    def withheld(self) -> Self:
        """The same where actual errors are kept back."""
        hidden: dict[str, Any] = dict.fromkeys(_ACTUAL)
        return replace(self, **hidden)

    def moved(self, by: float, *, blinded: bool) -> Self:
        """The same with an offset in its estimate.

        Args:
            by: Added to it.
            blinded: Whether it hides the estimate.
        """
        at = None if self.estimate is None else self.estimate + by
        return replace(self, estimate=at, blinded=True if blinded else None)


_ACTUAL = ("actual_error", "actual_error_error", "width", "width_error", "product_error")
_NESTED = {
    "rows": FlowRow,
    "levels": DensityLevel,
    "shifts": DensityShift,
    "left_out": LeftOut,
    "transforms": TransformRow,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFit:
    """The joint fit by a flow, and whether its density is that of the events.

    Attributes:
        reason: Why there is none; None where there is one.
        maps: How the density of each observable is described, given those before it.
        events: Of the smallest sample that it is learnt from.
        coefficients: Learnt.
        answer: Of the verdict: "closes", "does not close", "cannot tell" or "refused"; None where
            there is no flow.
        cause: With the remedy, in a sentence; None where it closes.
        judged_from: Events of the smallest sample that the flow that was judged is learnt from:
            half of each.
        judged_by: Events of each point that it was judged by: the other half.
        status: How the fit of the data ended; None without.
        rows: One for each parameter; none where there is no flow.
        levels: Of the verdict; one row for each parameter.
        shifts: Likewise; one row for each point and parameter.
        left_out: Likewise; one row for each parameter.
        transforms: Likewise; one row for each point and observable.
    """

    reason: str | None
    maps: tuple[str, ...] = ()
    events: Count = 0
    coefficients: Count = 0
    answer: Closing | None = None
    cause: str | None = None
    judged_from: Count = 0
    judged_by: Count = 0
    status: str | None = None
    rows: tuple[FlowRow, ...] = ()
    levels: tuple[DensityLevel, ...] = ()
    shifts: tuple[DensityShift, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    transforms: tuple[TransformRow, ...] = ()

    def judged(self, verdict: DensityVerdict, learnt_from: int) -> Self:
        """The same with a verdict.

        Args:
            verdict: On a flow of half of the events.
            learnt_from: Events of the smallest sample that it is learnt from.
        """
        return replace(
            self,
            answer=verdict.answer,
            cause=verdict.reason,
            judged_from=learnt_from,
            judged_by=verdict.events,
            levels=verdict.levels,
            shifts=verdict.shifts,
            left_out=verdict.left_out,
            transforms=verdict.transforms,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in `audit.json`; no NaN."""
        row: dict[str, Any] = {key: getattr(self, key) for key in self.__slots__}
        for key in ("levels", "shifts", "left_out", "transforms"):
            row[key] = [finite_or_none(asdict(one)) for one in row[key]]
        for one in row["transforms"]:
            one["counts"], one["errors"] = list(one["counts"]), list(one["errors"])
        return {**row, "maps": list(self.maps), "rows": [one.to_dict() for one in self.rows]}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """As it was before it was written.

        Args:
            row: From `to_dict`.
        """
        nested: dict[str, Any] = {
            key: tuple(row_of(kind, one) for one in row[key]) for key, kind in _NESTED.items()
        }
        return cls(**{**row, "maps": tuple(row["maps"]), **nested})
