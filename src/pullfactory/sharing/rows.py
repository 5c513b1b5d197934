"""What is known of the error of each parameter of a workspace, and of each pair of channels."""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pullfactory.described import Count, Later, SizeOrNaN
from pullfactory.inference.judgement import Matter, correlation_matters
from pullfactory.numbers import finite_or_none
from pullfactory.sharing.answer import Answer, Answers
from pullfactory.sharing.bound import Largest
from pullfactory.sharing.filled import column_sums
from pullfactory.sharing.parts import pulls_of
from pullfactory.sharing.point import Point

Kind = Literal["interest", "parameter", "gamma"]
_ORDER = ("interest", "parameter", "gamma")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingRow:
    """The error of one parameter of a workspace.

    Attributes:
        parameter: Its name.
        kind: "interest": the parameter of interest; "gamma": of `staterror`; or "parameter".
        estimate: Where the workspace is looked at: at its fit to the observations.
        claimed_error: That the fit claims, from the expected information there; NaN for a parameter
            that is held or at a bound, and then so is the rest.
        largest_factor: Actual over claimed error, at most, if channels share events of the data.
        largest_factor_simulated: The same if their templates share simulated events too.
        factor: Actual over claimed error, from simulated events where there are some, else from
            those of the data; NaN where the variance is not positive. None without events, and so
            is the rest.
        factor_error: Its standard error, from the number of events and the error of the point.
        actual_error: Factor times claimed error.
        matters: "matters", "small" or "unknown": whether the factor is off by more than 5 %.
        factor_counts: The factor of shared counts alone, without gammas of shared simulated events.
        factor_data: The same from events of the data; None without such.
        factor_data_error: Its standard error.
        factor_alone: `factor` if the samples without events share none; None if all have some.
        claimed_pull: Estimate less auxiliary value over its spread as the fit claims it; None
            without a constraint.
        corrected_pull: The same over what the spread is; None without events.
    """

    parameter: str
    kind: Kind
    estimate: float
    claimed_error: SizeOrNaN
    largest_factor: SizeOrNaN
    largest_factor_simulated: SizeOrNaN
    factor: SizeOrNaN | None = None
    factor_error: SizeOrNaN | None = None
    actual_error: SizeOrNaN | None = None
    matters: Matter | None = None
    factor_counts: SizeOrNaN | None = None
    factor_data: SizeOrNaN | None = None
    factor_data_error: SizeOrNaN | None = None
    factor_alone: SizeOrNaN | None = None
    claimed_pull: Annotated[float | None, Later] = None
    corrected_pull: Annotated[float | None, Later] = None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `workspace_audit.json`; no NaN."""
        return finite_or_none(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedRow:
    """The events that two channels share.

    Attributes:
        channel: Name of one.
        other: Name of the other.
        data: Events of the data in both; None without such.
        simulated: Expected events in both at the fitted point; None without simulated events.
        part: Of the events in one or the other, those in both; from simulation where there is some.
    """

    channel: str
    other: str
    data: Count | None
    simulated: float | None
    part: float | None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `workspace_audit.json`; no NaN."""
        return finite_or_none(asdict(self))


def sharing_rows(
    point: Point, gammas: Collection[int], largest: Largest, answers: Answers
) -> tuple[SharingRow, ...]:
    """One row for each parameter: that of interest first, gammas last.

    Args:
        point: Of the workspace.
        gammas: Positions of gammas.
        largest: Factors of all parameters.
        answers: Of events.
    """
    poi, pulls = point.likelihood.poi, pulls_of(point, answers.best)

    def kind(k: int) -> Kind:
        return "interest" if point.parameters[k] == poi else "gamma" if k in gammas else "parameter"

    return tuple(
        SharingRow(
            parameter=point.parameters[k],
            kind=kind(k),
            estimate=float(point.theta[k]),
            claimed_error=float(point.claimed[k]),
            largest_factor=float(largest.counts[k]),
            largest_factor_simulated=float(largest.simulated[k]),
            claimed_pull=_known(pulls[0, k]),
            **_answered(k, float(point.claimed[k]), pulls[1, k], answers),
        )
        for k in sorted(range(len(point.parameters)), key=lambda k: _ORDER.index(kind(k)))
    )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _answered(k: int, claimed: float, pull: float, answers: Answers) -> dict[str, Any]:
    """What events say of one parameter."""
    best = answers.best
    if best is None:
        return {}
    factor, error = float(best.whole.factor[k]), float(best.error[k])
    known = bool(np.isfinite([factor, error]).all())
    found: dict[str, Any] = {
        "factor": factor,
        "factor_error": error,
        "actual_error": factor * claimed,
        "matters": correlation_matters(factor, error) if known else "unknown",
        "factor_counts": float(best.counts.factor[k]),
        "corrected_pull": _known(pull),
    }
    if answers.data is not None:
        found["factor_data"] = float(answers.data.whole.factor[k])
        found["factor_data_error"] = float(answers.data.error[k])
    if answers.alone is not None:
        found["factor_alone"] = float(answers.alone.whole.factor[k])
    return found


def shared_rows(point: Point, answers: Answers) -> tuple[SharedRow, ...]:
    """Which channels share how many events: pairs that share some.

    Args:
        point: Of the workspace.
        answers: Of events.
    """
    return tuple(_pairs(point, answers))


def _pairs(point: Point, answers: Answers) -> Iterator[SharedRow]:
    data, simulated = (
        None if one is None else _between(one, point.channel)
        for one in (answers.data, answers.simulated)
    )
    best = data if simulated is None else simulated
    if best is None:
        return
    names = [name for name, _ in point.likelihood.channels]
    for i, j in itertools.combinations(range(len(names)), 2):
        counts = [None if one is None else float(one[i, j]) for one in (data, simulated)]
        if not any(counts):
            continue
        either = float(best[i, i] + best[j, j] - best[i, j])
        yield SharedRow(
            channel=names[i],
            other=names[j],
            data=None if counts[0] is None else round(counts[0]),
            simulated=counts[1],
            part=float(best[i, j]) / either if either > 0 else None,
        )


def _between(answer: Answer, channel: NDArray[np.int_]) -> NDArray[np.float64]:
    """Sums of weights in pairs of channels, of each in itself on the diagonal."""
    number = int(channel.max()) + 1
    found = np.zeros((number, number))
    np.add.at(found, (channel[:, None], channel[None, :]), answer.joint)
    np.fill_diagonal(
        found, np.bincount(channel, weights=column_sums(answer.events), minlength=number)
    )
    return found
