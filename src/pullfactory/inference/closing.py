"""Whether a morphing closes: its rates beside the exact ones, and what it does to the pulls."""

import itertools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.errors import StudyError
from pullfactory.inference.expectation import ExpectationFits, Expectations, normal_points
from pullfactory.likelihoods import Method
from pullfactory.study import Study

__all__ = [
    "TOLERATED_BIAS",
    "Closure",
    "ClosureGrid",
    "ClosureScan",
    "ClosureVerdict",
    "WorstBin",
    "first_above",
    "judge_closure",
    "measure_closure",
]

TOLERATED_BIAS = 0.1
"""Of a closing morphing: mean pull, and fitted - true in units of the error."""
_TOLERATED_WIDTH = 0.05  # difference to the pull width that a closing morphing has

_STEPS = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0)  # of the axes, in widths of the truth
_EVENTS = np.logspace(1, 8, 15)
_FEW_POINTS = 8  # powers of two: for a scan over numbers of events ...
_SOME_POINTS = 10  # ... for the verdict of a run ...
_MANY_POINTS = 12  # ... and for that of its own

_WORST_BINS = 10

Kind = Literal["centre", "axis", "diagonal", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureVerdict:
    """What the morphing does to the pulls of one parameter at rho = 0; None for what cannot be had.

    Attributes:
        parameter: Name.
        pull_mean: Predicted mean pull.
        pull_width: Predicted pull width.
        closing_width: Width that a morphing that closes would give: 1 where the ensemble goes
            with the constraints.
        biased_from: Events per toy from which on the mean pull exceeds `TOLERATED_BIAS`; None if it
            never does.
        closes: Whether mean and width at the study's number of events are as if it closed.
    """

    parameter: str
    pull_mean: float | None
    pull_width: float | None
    closing_width: float | None
    biased_from: float | None
    closes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstBin:
    """A bin that the morphing misses.

    Attributes:
        channel: Name.
        bin: Position in the channel.
        point: Position in the grid.
        exact: Exact rate, in events.
        predicted: That of the model.
    """

    channel: str
    bin: int
    point: int
    exact: float
    predicted: float

    @property
    def relative(self) -> float:
        """Predicted / exact - 1."""
        return self.predicted / self.exact - 1.0

    @property
    def significance(self) -> float:
        """Predicted - exact, in units of the statistical error of the study's events."""
        return float((self.predicted - self.exact) / np.sqrt(self.exact))


class ClosureScan(NamedTuple):
    """The bias against the number of events per toy.

    Attributes:
        events: Shape (scan,).
        mean: Predicted mean pull, shape (scan, parameters).
        worst: Largest |fitted - true| / error on the grid, same shape; None without a grid.
    """

    events: NDArray[np.float64]
    mean: NDArray[np.float64]
    worst: NDArray[np.float64] | None


class ClosureGrid(NamedTuple):
    """Exact expectations on a grid, with auxiliary values at the truth, and their fits.

    Attributes:
        kinds: Of each point.
        theta: Shape (points, parameters), in the parameters' units.
        exact: Exact rates, shape (points, bins), in the order of the workspace's channels.
        predicted: Those of the model, same shape.
        fits: Of the exact rates.
    """

    kinds: tuple[Kind, ...]
    theta: NDArray[np.float64]
    exact: NDArray[np.float64]
    predicted: NDArray[np.float64]
    fits: ExpectationFits

    @property
    def pull(self) -> NDArray[np.float64]:
        """Fitted - true in units of the error, shape (points, parameters)."""
        return self.fits.pull(self.theta)

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Predicted - exact rate in units of its statistical error, shape (points, bins)."""
        known = np.sqrt(np.where(self.exact > 0, self.exact, np.nan))
        return np.nan_to_num((self.predicted - self.exact) / known)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closure:
    """The closure of one workspace.

    Attributes:
        channels: Name and number of bins of each channel, in the order of the rates.
        edges: Bin edges of each channel, in the observable's unit; the outermost bins are open.
        grid: Rates and fits on the grid.
        scan: Bias against the number of events.
        verdicts: One per parameter.
        sample_events: Events of the samples that gave the exact rates of the grid; None if the
            densities did.
    """

    channels: tuple[tuple[str, int], ...]
    edges: tuple[NDArray[np.float64], ...]
    grid: ClosureGrid
    scan: ClosureScan
    verdicts: tuple[ClosureVerdict, ...]
    sample_events: int | None

    @property
    def worst_bins(self) -> tuple[WorstBin, ...]:
        """The bins farthest off in units of their statistical error, each at its worst point."""
        size = np.abs(self.grid.deviation)
        points = size.argmax(axis=0)
        where = [(name, i) for name, bins in self.channels for i in range(bins)]
        order = np.argsort(-size.max(axis=0), kind="stable")[:_WORST_BINS]
        return tuple(
            WorstBin(
                channel=where[b][0],
                bin=where[b][1],
                point=int(points[b]),
                exact=float(self.grid.exact[points[b], b]),
                predicted=float(self.grid.predicted[points[b], b]),
            )
            for b in order
        )


def judge_closure(
    calibration: Calibration, method: Method | None = None
) -> tuple[ClosureVerdict, ...]:
    """The verdict alone, one per parameter.

    Args:
        calibration: Of the study whose workspace is judged.
        method: `binned` of this calibration, if it is there already.
    """
    model = Expectations.of(calibration, method)
    scan = _scan(model, None)
    return _verdicts(model, scan, _SOME_POINTS)


def measure_closure(
    calibration: Calibration, *, points: int = 32, events: int | None = None
) -> Closure:
    """Compare rates, fit exact expectations on a grid and over the ensemble.

    Args:
        calibration: Of the study whose workspace is judged.
        points: Random points of the grid.
        events: Take the exact rates of the grid from samples of so many events; None for the
            densities.

    Raises:
        StudyError: If a number is out of range, or no point of the grid is possible.
    """
    if points < 0:
        raise StudyError(f"points = {points} must not be negative; 0 leaves out the random ones")
    if events is not None and events < 1:
        raise StudyError(f"events = {events} must be at least 1; leave it out for the exact rates")
    model = Expectations.of(calibration)
    grid = _measure_grid(model, points, events)
    scan = _scan(model, grid.theta)
    names = calibration.study.observable_names
    return Closure(
        channels=model.likelihood.channels,
        edges=tuple(calibration.edges[names.index(name)] for name, _ in model.likelihood.channels),
        grid=grid,
        scan=scan,
        verdicts=_verdicts(model, scan, _MANY_POINTS),
        sample_events=events,
    )


def first_above(events: NDArray[np.float64], size: NDArray[np.float64]) -> float | None:
    """From which number of events on a bias stays above what is tolerated.

    Args:
        events: Ascending, shape (scan,).
        size: Bias in units of the error, same shape; NaN counts as above.

    Returns:
        Where its power law between two points of the scan crosses; the first point if it is
        above everywhere, None if it ends below.
    """
    below = np.flatnonzero(size <= TOLERATED_BIAS)
    if not len(below):
        return float(events[0])
    last = int(below[-1])
    if last == len(events) - 1:
        return None
    low, high = np.log(np.maximum(size[last : last + 2], np.finfo(float).tiny))
    part = (np.log(TOLERATED_BIAS) - low) / (high - low) if np.isfinite(high) else 1.0
    return float(events[last] * (events[last + 1] / events[last]) ** part)


def _measure_grid(model: Expectations, points: int, events: int | None) -> ClosureGrid:
    kinds, theta = _grid(model.study, points)
    possible = model.possible(theta)
    if not possible.any():
        raise StudyError(
            "no point of the closure grid is within the bounds of the parameters with positive "
            "scales; use wider bounds, smaller sigma_slopes or a smaller truth_sigma"
        )
    theta = theta[possible]
    exact = model.exact(theta) if events is None else model.simulated(theta, events)
    return ClosureGrid(
        kinds=tuple(kind for kind, kept in zip(kinds, possible, strict=True) if kept),
        theta=theta,
        exact=exact,
        predicted=model.predicted(theta),
        fits=model.fit(model.data_at(theta, exact)),
    )


def _grid(study: Study, points: int) -> tuple[list[Kind], NDArray[np.float64]]:
    """Centre, axes, diagonals of all pairs and random points, in the parameters' units."""
    unit = np.eye(len(study.parameter))
    axes = [step * row for row in unit for step in _STEPS]
    diagonals = [
        one * first + other * second
        for first, second in itertools.combinations(unit, 2)
        for one, other in itertools.product((1.0, -1.0), repeat=2)
    ]
    drawn = normal_points(study, int(points - 1).bit_length() if points > 1 else 0)[:points]
    counts: dict[Kind, int] = {
        "centre": 1,
        "axis": len(axes),
        "diagonal": len(diagonals),
        "random": points,
    }
    kinds = [kind for kind, n in counts.items() for _ in range(n)]
    mean = np.array([parameter.truth_mean for parameter in study.parameter])
    return kinds, mean + _widths(study) * np.array([0.0 * unit[0], *axes, *diagonals, *drawn])


def _widths(study: Study) -> NDArray[np.float64]:
    """Step of each axis: the width of the truth if it is drawn, else one unit."""
    prior = study.ensemble.truth == "prior"
    return np.array([(prior and p.truth_sigma) or 1.0 for p in study.parameter])


def _ensemble(model: Expectations, power: int) -> NDArray[np.float64]:
    """True values of the ensemble, shape (points, parameters); one point if truth is held."""
    parameters = model.study.parameter
    mean = np.array([[parameter.truth_mean for parameter in parameters]])
    if model.study.ensemble.truth == "fixed":
        return mean
    theta = mean + [p.truth_sigma for p in parameters] * normal_points(model.study, power)
    return np.asarray(theta[model.possible(theta)])


def _scan(model: Expectations, grid: NDArray[np.float64] | None) -> ClosureScan:
    """Bias of the ensemble, and of a grid if there is one, at many numbers of events."""
    theta = _ensemble(model, _FEW_POINTS)
    n = len(theta)
    data = model.data_of_toys(model.exact(theta))
    if grid is not None:
        theta = np.concatenate([theta, grid])
        data = np.concatenate([data, model.data_at(grid, model.exact(grid))])
    pulls = [model.fit(data, events).pull(theta) for events in _EVENTS]
    return ClosureScan(
        events=_EVENTS,
        mean=np.array([_mean(pull[:n]) for pull in pulls]),
        worst=None if grid is None else np.array([_largest(pull[n:]) for pull in pulls]),
    )


def _verdicts(model: Expectations, scan: ClosureScan, power: int) -> tuple[ClosureVerdict, ...]:
    theta = _ensemble(model, power)
    fits = model.fit(model.data_of_toys(model.exact(theta)))
    pull = fits.pull(theta)
    mean = _mean(pull)
    width = np.sqrt(_mean((pull - mean) ** 2) + _mean(fits.noise))
    closing = np.sqrt(_mean(fits.shrinkage + fits.noise))
    closes = (np.abs(mean) <= TOLERATED_BIAS) & (np.abs(width - closing) <= _TOLERATED_WIDTH)
    return tuple(
        ClosureVerdict(
            parameter=name,
            pull_mean=_number(mean[k]),
            pull_width=_number(width[k]),
            closing_width=_number(closing[k]),
            biased_from=first_above(scan.events, np.abs(scan.mean[:, k])),
            closes=bool(closes[k]),
        )
        for k, name in enumerate(model.study.parameter_names)
    )


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the points that have a value, shape (parameters,); NaN without any."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))


def _largest(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest size over the points; NaN where one has none."""
    return np.asarray(np.abs(values).max(axis=0))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
