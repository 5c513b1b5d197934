"""Whether a morphing closes: its rates beside the exact ones, and what it does to the pulls.

The bias of a fit is its estimate less that of the fit of the same data with the exact rates, in
units of its error. It is taken over the truth and the fit error (`closure_data`), as a root mean
square, so that biases of opposite sign do not cancel. Mean and width of the pulls at rho = 0 are
those of toys of counts. What exact rates would do to first order in the noise, whose moments are
known, is taken off them (a control variate; Glasserman 2003, doi:10.1007/978-0-387-21617-1, section
4.1), so that some thousand toys know a width to 0.005.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._cache import keep, recall
from pullfactory._jax import accelerator
from pullfactory.binning.edges import exact_probabilities
from pullfactory.calibration import Calibration
from pullfactory.described import Size, row_of
from pullfactory.errors import StudyError
from pullfactory.files import digest_of
from pullfactory.inference.closure_data import ClosureData, displaced_data, thrown_data
from pullfactory.inference.expectation import ExpectationFits, Expectations, normal_points
from pullfactory.inference.judgement import TOLERATED_BIAS, TOLERATED_OFF, TOLERATED_WIDTH
from pullfactory.inference.prediction import PredictedPull
from pullfactory.methods import Method, method_kind
from pullfactory.settings.sections import Parameter
from pullfactory.simulation.response import Response

_STEPS = (-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0)  # of the axes, in widths of the truth
_EVENTS = np.logspace(1, 8, 15)
_FEW_POINTS = 8  # a power of two, for a scan over numbers of events ...
_MANY_POINTS = 10  # ... for the verdict ...
_TOYS = 12  # ... and for its toys

_WORST_BINS = 10
_IDLE = ("name", "poi", "figures", "methods", "joint")  # keys that no verdict depends on
_IDLE_TOYS = ("n_toys", "rho")  # likewise of the ensemble

Kind = Literal["centre", "axis", "diagonal", "random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureVerdict:
    """What the morphing does to the fits of one parameter at rho = 0; None for what cannot be had.

    Attributes:
        parameter: Name.
        bias: Root mean square over the truth and the fit error of fitted - that with exact rates,
            in units of the error.
        typical_bias: Median size of the bias in toys at rho = 0, statistical fluctuations included.
        pull_mean: Predicted mean pull at rho = 0.
        pull_width: Predicted pull width at rho = 0.
        closing_width: Pull width of the fit with exact rates: 1, unless the truth is drawn with
            another width than the constraint.
        biased_from: Events per toy from which on `bias` is above 0.1; None if it never is.
        closes: Whether `bias` is below 0.1, and the width within 0.05 of `closing_width`.
        correctable: Whether there are corrected errors: `typical_bias` is below 0.1, and the spread
            of the pulls about 0 within 10 % of that with exact rates.
    """

    parameter: str
    bias: Size | None = None
    typical_bias: Size | None = None
    pull_mean: float | None
    pull_width: Size | None
    closing_width: Size | None
    biased_from: Size | None
    closes: bool
    correctable: bool = True

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `summary.json`."""
        return {**asdict(self), "reason": self.reason}

    @property
    def reason(self) -> str | None:
        """Why there is no corrected error, or why it is to be read with care; None if it closes."""
        if self.closes:
            return None
        numbers = self.bias, self.pull_width, self.closing_width
        if None in numbers:
            said = "the exact rates cannot be fitted, so that nobody knows whether it closes"
        else:
            said = (
                "it does not close: bias {:.2f} of an error, pull width {:.2f} at rho = 0 where "
                "exact rates have {:.2f}"
            ).format(*numbers)
        if self.correctable:
            return f"{self.parameter}: {said}."
        return f"{self.parameter}: {said}. No corrected error is given."


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
        bias: Root mean square bias over the ensemble, shape (scan, parameters).
        worst: Largest |fitted - true| / error on the grid, same shape; None without a grid.
    """

    events: NDArray[np.float64]
    bias: NDArray[np.float64]
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
    """The verdict on the morphing alone, one per parameter: templates are taken without noise.

    What noise of the templates does is told by `calibration_noise`. A verdict that this version of
    the package has reached before is read from the user's cache folder; PULLFACTORY_CACHE=0 in the
    environment reaches it again.

    Args:
        calibration: Of the study whose workspace is judged.
        method: `binned` of this calibration, if it is there already.
    """
    digest = _digest(calibration)
    if (content := recall("closures", digest)) is not None:
        return tuple(row_of(ClosureVerdict, row) for row in content["verdicts"])
    exact = calibration.study.calibration.source == "exact"
    model = Expectations.of(calibration, method) if exact else _noise_free(calibration)
    verdicts = _verdicts(model, _scan(model, None))
    keep("closures", digest, {"verdicts": [verdict.to_dict() for verdict in verdicts]})
    return verdicts


def _digest(calibration: Calibration) -> str:
    """Of all that a verdict depends on."""
    settings = calibration.study.to_dict()
    ensemble = {**settings["ensemble"], **dict.fromkeys(_IDLE_TOYS)}
    kept = {**settings, **dict.fromkeys(_IDLE), "ensemble": ensemble}
    return digest_of([kept, calibration.sha256, accelerator()])


def _noise_free(calibration: Calibration) -> Expectations:
    """With exact templates in the bins of a calibration."""
    study = calibration.study
    points = calibration.points
    location, scale = Response.from_study(study)(points)
    events = study.calibration.events_per_point
    parts = exact_probabilities(study, calibration.edges, location, scale)
    return Expectations.of(replace(calibration, counts=tuple(events * part for part in parts)))


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
        verdicts=_verdicts(model, scan),
        sample_events=events,
    )


def closure_of(
    verdicts: Iterable[ClosureVerdict] | None, method: str, parameter: str
) -> ClosureVerdict | None:
    """What is known of the closure of what a method fits a parameter with.

    Args:
        verdicts: On the workspace of a study; None where there are none.
        method: As in the study. Verdicts are on the study's workspace, which others do not fit.
        parameter: Name.
    """
    if not method_kind(method).workspace:
        return None
    return next((row for row in verdicts or () if row.parameter == parameter), None)


def known_predictions(
    rows: Iterable[PredictedPull], verdicts: Iterable[ClosureVerdict] | None
) -> tuple[PredictedPull, ...]:
    """Predictions without what holds for a workspace that closes where this one does not.

    Args:
        rows: Of a study.
        verdicts: On its workspace; None where there are none.
    """
    known = tuple(verdicts or ())

    def correctable(row: PredictedPull) -> bool:
        verdict = closure_of(known, row.method, row.parameter)
        return verdict is None or verdict.correctable

    return tuple(row if correctable(row) else row.without_actual() for row in rows)


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
    study = model.study
    widths = _widths(study.ensemble.truth, study.parameter)
    kinds, theta = _grid(study.truth_mean, widths, points, study.seed)
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


def _grid(
    centre: NDArray[np.float64], widths: NDArray[np.float64], points: int, seed: int
) -> tuple[list[Kind], NDArray[np.float64]]:
    """Centre, axes, diagonals of all pairs and random points, in the parameters' units."""
    unit = np.eye(len(centre))
    axes = [step * row for row in unit for step in _STEPS]
    diagonals = [
        one * first + other * second
        for first, second in itertools.combinations(unit, 2)
        for one, other in itertools.product((1.0, -1.0), repeat=2)
    ]
    power = int(points - 1).bit_length() if points > 1 else 0
    drawn = normal_points(seed, power, len(centre))[:points]
    counts: dict[Kind, int] = {
        "centre": 1,
        "axis": len(axes),
        "diagonal": len(diagonals),
        "random": points,
    }
    kinds = [kind for kind, n in counts.items() for _ in range(n)]
    return kinds, centre + widths * np.array([0.0 * unit[0], *axes, *diagonals, *drawn])


def _widths(truth: str, parameters: Sequence[Parameter]) -> NDArray[np.float64]:
    """Step of each axis: the width of the truth if it is drawn, else one unit."""
    return np.array([(truth == "prior" and p.truth_sigma) or 1.0 for p in parameters])


def _scan(model: Expectations, grid: NDArray[np.float64] | None) -> ClosureScan:
    """Bias over the ensemble, and on a grid if there is one, at many numbers of events."""
    biases, worst = [], []
    for events in _EVENTS:
        bias, _ = _bias(model, displaced_data(model, _FEW_POINTS, events), events)
        biases.append(np.sqrt(_mean(bias**2)))
        if grid is not None:
            data = model.data_at(grid, model.exact(grid))
            worst.append(_largest(model.fit(data, events).pull(grid)))
    return ClosureScan(
        events=_EVENTS,
        bias=np.array(biases),
        worst=np.array(worst) if worst else None,
    )


def _bias(
    model: Expectations, data: ClosureData, n_events: float | None = None
) -> tuple[NDArray[np.float64], tuple[ExpectationFits, ExpectationFits]]:
    """Fitted - fitted with exact rates in units of the error, and both fits."""
    fits = model.fit(model.data_at(data.aux, data.counts), n_events)
    exact = model.fit_exactly(data.aux, data.counts, data.truth, n_events)
    unknown = np.where(np.isfinite(exact.error), 0.0, np.nan)
    return (fits.estimate - exact.estimate) / fits.error + unknown, (fits, exact)


def _verdicts(model: Expectations, scan: ClosureScan) -> tuple[ClosureVerdict, ...]:
    smooth, _ = _bias(model, displaced_data(model, _MANY_POINTS))
    bias = np.sqrt(_mean(smooth**2))
    toys = thrown_data(model, _TOYS)
    noisy, fits = _bias(model, toys)
    typical = _typical(noisy)
    (mean, width), (centre, closing) = (_moments(fit.pull(toys.truth), toys) for fit in fits)
    spread, expected = np.hypot(mean, width), np.hypot(centre, closing)
    closes = (bias <= TOLERATED_BIAS) & (np.abs(width - closing) <= TOLERATED_WIDTH)
    off = np.maximum(typical, np.abs(spread / expected - 1.0))
    return tuple(
        ClosureVerdict(
            parameter=name,
            bias=_number(bias[k]),
            typical_bias=_number(typical[k]),
            pull_mean=_number(mean[k]),
            pull_width=_number(width[k]),
            closing_width=_number(closing[k]),
            biased_from=first_above(scan.events, scan.bias[:, k]),
            closes=bool(closes[k]),
            correctable=bool(off[k] <= TOLERATED_OFF),
        )
        for k, name in enumerate(model.study.parameter_names)
    )


def _moments(
    pull: NDArray[np.float64], toys: ClosureData
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and width of pulls, from how they differ from those of first order.

    The moments of these are known, `toys.mean` and `toys.variance`.
    """
    linear = np.where(np.isfinite(pull), toys.linear, np.nan)
    mean = _mean(pull - linear) + _mean(toys.mean)
    change = _mean((pull - _mean(pull)) ** 2) - _mean((linear - _mean(linear)) ** 2)
    return mean, np.sqrt(np.maximum(_mean(toys.variance) + change, 0.0))


def _typical(bias: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median size of the biases that there are, shape (parameters,); NaN without any."""
    size = np.sort(np.abs(bias), axis=0)  # NaN last
    known = np.isfinite(size).sum(axis=0)
    return np.asarray(size[known // 2 - (known > 1), np.arange(size.shape[1])])


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
