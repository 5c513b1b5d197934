"""Rows of the verdict on a joint density."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self

from pullfactory.described import Count, Later, NumberOrNaN, Part, Rho, Size, SizeOrNaN, row_of
from pullfactory.flows.verdict import Closing
from pullfactory.numbers import finite_or_none

_MOVED = ("difference", "difference_error", "point")
_NUMBERS = (
    *("parameter", "level", "level_error", "width", "width_error", "claimed_error"),
    *("excess", "excess_error", *_MOVED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityLevel:
    """What a density does to the fits of one parameter at all calibration points.

    Attributes:
        parameter: Name.
        level: Shift of the estimate over the independent samples, in claimed errors.
        level_error: Its standard error.
        width: Pull width at the nominal point, over that of a right density.
        width_error: Its standard error.
        claimed_error: At the nominal point, in the parameter's unit.
        excess: Actual error there, over that with all information that was found in the events:
            in the score of the density, and in polynomials of the observables.
        excess_error: Its standard error.
    """

    parameter: str
    level: NumberOrNaN
    level_error: SizeOrNaN
    width: SizeOrNaN
    width_error: SizeOrNaN
    claimed_error: SizeOrNaN
    excess: SizeOrNaN
    excess_error: SizeOrNaN


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityShift:
    """What a density does to the fits of one parameter at one calibration point.

    Attributes:
        point: Label, such as "JRF+1".
        along: Parameter that the point is on the axis of; None for the nominal one.
        parameter: Name.
        shift: Of the estimate, in claimed errors.
        shift_error: Its standard error.
        difference: Of the shift from that at the nominal point; 0 there.
        difference_error: Its standard error.
        paired: Whether the events are those of the nominal point; then it is known far better.
        reach: Part of the way to this point that truth or fit error go: what a difference counts.
        width: Pull width, over that of a right density.
        width_error: Its standard error.
    """

    point: str
    along: str | None
    parameter: str
    shift: NumberOrNaN
    shift_error: SizeOrNaN
    difference: NumberOrNaN
    difference_error: SizeOrNaN
    paired: bool
    reach: Part
    width: SizeOrNaN
    width_error: SizeOrNaN

    @property
    def counted(self) -> tuple[float, float]:
        """The part of the difference that truth or fit error reach, and its error."""
        return self.difference * self.reach, self.difference_error * self.reach


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityCorner:
    """What a density does to the fits of one parameter off the axes, where two parameters change.

    Attributes:
        point: Label, such as "m_t+1,JSF-1".
        parameter: Name.
        shift: Of the estimate, in claimed errors.
        shift_error: Its standard error.
        extra: Shift beyond what those at the two points on the axes add up to.
        extra_error: Its standard error.
        reach: Part of the way to this point that truth or fit error go: what the extra counts.
        width: Pull width, over that of a right density.
        width_error: Its standard error.
    """

    point: str
    parameter: str
    shift: NumberOrNaN
    shift_error: SizeOrNaN
    extra: NumberOrNaN
    extra_error: SizeOrNaN
    reach: Part
    width: SizeOrNaN
    width_error: SizeOrNaN

    @property
    def counted(self) -> tuple[float, float]:
        """The part of the extra that truth or fit error reach, and its error."""
        return self.extra * self.reach, self.extra_error * self.reach


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Wald's test of what a density leaves out of one parameter.

    Attributes:
        parameter: Name.
        chi2: Of the coefficients that could change with it.
        dof: How many of them the events determine.
        p_value: Probability of a larger value if none changes.
    """

    parameter: str
    chi2: Size
    dof: Count
    p_value: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformRow:
    """Probability integral transforms of one observable, given the others of the event.

    Attributes:
        point: Label of the calibration point.
        observable: Name.
        counts: Part of the events in bins of equal width between 0 and 1.
        errors: Their standard errors.
        distance: Largest distance of the ECDF from that of the uniform distribution.
        p_value: Probability of a larger one if they are uniform.
    """

    point: str
    observable: str
    counts: tuple[float, ...]
    errors: tuple[float, ...]
    distance: Size
    p_value: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class DensityVerdict:
    """The verdict on one density.

    Attributes:
        method: As in the study.
        rho: The correlation that it is for.
        answer: "closes", "does not close", "cannot tell", or "refused".
        reason: Cause and remedy in a sentence; None if it closes.
        events: Held-out events of each point.
        levels: One row for each parameter.
        shifts: One row for each point and parameter.
        left_out: One row for each parameter; none if the density has no coefficients.
        transforms: One row for each point and observable, on the axes.
        corners: One row for each point off the axes and parameter; none where none was looked at.
    """

    method: str
    rho: Rho
    answer: Closing
    reason: str | None
    events: Count
    levels: tuple[DensityLevel, ...]
    shifts: tuple[DensityShift, ...]
    left_out: tuple[LeftOut, ...]
    transforms: tuple[TransformRow, ...]
    corners: Annotated[tuple[DensityCorner, ...], Later] = ()

    def parameters(self) -> Iterator[dict[str, Any]]:
        """Flat rows for a table: of each parameter its level, and where the shift moves most.

        "Most" is in what the ensemble reaches of it. One row without numbers if there are none.
        """
        head = {"method": self.method, "rho": self.rho, "answer": self.answer}
        if not self.levels:
            yield {**head, **dict.fromkeys(_NUMBERS)}
        for level in self.levels:
            own = [one for one in self.shifts if one.parameter == level.parameter and one.along]
            most = max(own, key=lambda one: abs(one.counted[0]), default=None)
            moved = None if most is None else finite_or_none(asdict(most))
            yield {
                **head,
                **finite_or_none(asdict(level)),
                **{key: moved and moved[key] for key in _MOVED},
            }

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in `closure.json`; no NaN."""
        row = asdict(self)
        for key in ("levels", "shifts", "left_out", "transforms", "corners"):
            row[key] = [finite_or_none(one) for one in row[key]]
        for one in row["transforms"]:
            one["counts"], one["errors"] = list(one["counts"]), list(one["errors"])
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Args:
            row: What it gave.
        """
        kinds = {
            "levels": DensityLevel,
            "shifts": DensityShift,
            "left_out": LeftOut,
            "transforms": TransformRow,
            "corners": DensityCorner,
        }
        nested: dict[str, Any] = {
            key: tuple(row_of(kind, one) for one in row.get(key, ())) for key, kind in kinds.items()
        }
        return cls(**{**row, **nested})
