"""A smooth density fitted to a weighted sample.

The log density is a natural cubic spline s, linear in its values theta at the knots:
s(u) = sum_k theta_k B_k(u). The density exp(s) / Z is then an exponential family: the sample
enters by the weighted means of the B_k only, and the log-likelihood per event,
sum_k theta_k mean(B_k) - log Z(theta), is concave (Stone 1990, doi:10.1214/aos/1176347628). The
knots are sample quantiles, equidistant after the map to a standard normal variable; where the
sample still differs from the fit, more are added. An information criterion decides about their
number (Kooperberg and Stone 1991, doi:10.1016/0167-9473(91)90115-I, who add and delete knots for
the same purpose). It charges more than Akaike's, which now and then follows a fluctuation with
many knots.

For a sample of n events from a member with p free values, 2 n KL of the fitted density is
chi-square distributed with p degrees of freedom: KL is 1/2 d^T J d for a deviation d of the values
and their information J per event, and the covariance of the estimates is (n J)^-1 (van der Vaart,
Asymptotic Statistics, doi:10.1017/CBO9780511802256, section 5.5). Hence n KL is about p / 2 on
average, and what a spline of the knots chosen cannot follow comes on top.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from pullfactory.errors import CalibrationError

from ._family import LOG_SQRT_2PI
from ._spline import Spline
from ._spline_table import spline_polynomials

__all__ = ["FittedDensity", "fit_spline"]

FloatArray = NDArray[np.float64]

_LEAST_EVENTS = 500
_LEAST_DISTINCT = 50
_LARGEST_SHARE = 0.01
_KNOT_NUMBERS = (5, 6, 7, 9, 11, 14, 18, 23, 29, 37)
_CHARGE = 1.5  # of a knot in units of the log-likelihood; Akaike's is 1, Schwarz's log(n) / 2
_FEWEST_KNOTS, _MOST_KNOTS = 4, 64
_EVENTS_PER_KNOT = 100  # effective ones, for knots placed without regard to the misfit
_DISTINCT_BETWEEN_KNOTS = 5
_EVENTS_BEYOND = 10.0  # effective ones on the far side of an outermost knot

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_PANELS = 6  # of each interval, for the normalisation during the fit
_PARTS = 4
_MISFIT = 13.3  # one in a hundred exceeds it by chance: chi-square, 4 degrees of freedom

_STEPS = 200
_START_POINTS = 6  # for each knot
_PRECISE = 1e-10  # the least gain in the log-likelihood of the sample that is worth a step
_CONVERGED = 1e-6  # the gain that rounding may hide


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedDensity:
    """A density of x: p(x) = f((x - mu) / sigma) / sigma.

    `mu` and `sigma` only standardise the sample, but the maximum-likelihood location and scale
    of `member` in the same sample agree with them within a fraction of their errors.

    Attributes:
        member: The density f of the standardised variable.
        mu: Weighted median of the sample, in the unit of the values.
        sigma: Half the width of its central 68 %, > 0, in the unit of the values.
    """

    member: Spline
    mu: float
    sigma: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """A weighted sample, sorted and standardised.

    Attributes:
        u: Distinct values, increasing, shape (distinct,).
        weights: Of these, of sum 1, shape (distinct,).
        events: Effective number of events.
        ranks: Probability up to the middle of each value, shape (distinct,).
        ends: First and last value that may be a knot.
    """

    u: FloatArray
    weights: FloatArray
    events: float
    ranks: FloatArray
    ends: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    """A spline fitted to a sample.

    Attributes:
        knots: Shape (knots,).
        values: Normalised log density at the knots, shape (knots,).
        criterion: Negative log-likelihood and what the free values are charged; inf where the
            spline is so far from the sample that the fit does not converge.
    """

    knots: FloatArray
    values: FloatArray
    criterion: float

    @property
    def member(self) -> Spline:
        return Spline(knots=tuple(self.knots.tolist()), values=tuple(self.values.tolist()))


def fit_spline(
    values: FloatArray, weights: FloatArray | None = None, *, n_knots: int | None = None
) -> FittedDensity:
    """Maximum-likelihood log-spline density of a sample.

    Only the relative weights matter. The number of knots follows from the effective number of
    events, (sum w)^2 / sum w^2, by which the log-likelihood per event is multiplied. A sharp edge
    of the sample becomes a steep exponential tail, and a power-law tail an exponential one beyond
    the outermost ten effective events.

    Args:
        values: One observable of each event, shape (events,).
        weights: Event weights, not negative, shape (events,); None for ones.
        n_knots: Number of knots, from 4 to 64; None to have it chosen. Knots that would have
            fewer than five distinct values between them are dropped.

    Raises:
        CalibrationError: If the sample cannot be used, or the fit does not converge.
    """
    if n_knots is not None and not _FEWEST_KNOTS <= n_knots <= _MOST_KNOTS:
        raise CalibrationError(
            f"n_knots = {n_knots!r} must be from {_FEWEST_KNOTS} to {_MOST_KNOTS}; "
            "choose one of these or leave it out"
        )
    values, shares, events = _checked(values, weights)
    mu, sigma = _standard(values, shares)
    sample = _sorted(values, shares, events, mu, sigma)
    most = max(_KNOT_NUMBERS[0], int(events / _EVENTS_PER_KNOT))
    numbers = [n for n in _KNOT_NUMBERS if n <= most] if n_knots is None else [n_knots]
    tried = [_fit(sample, _knots(sample, number)) for number in numbers]
    best = min(tried, key=lambda fit: fit.criterion)
    while n_knots is None and math.isfinite(best.criterion):
        finer = _fit(sample, _refined(sample, best))
        if finer.criterion >= best.criterion:
            break
        best = finer
    if not math.isfinite(best.criterion):
        raise CalibrationError(
            f"the fit of a spline to {events:.4g} effective events does not converge; look at the "
            "sample for isolated clusters of values, or use another number of knots"
        )
    return FittedDensity(member=best.member, mu=mu, sigma=sigma)


def _checked(
    values: FloatArray, weights: FloatArray | None
) -> tuple[FloatArray, FloatArray, float]:
    """Values of positive weight, their shares of it, and the effective number of events."""
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones(values.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if values.ndim != 1 or weights.shape != values.shape:
        raise CalibrationError(
            f"values of shape {values.shape} with weights of shape {weights.shape}: both must be "
            "one-dimensional and of one length; give one value and one weight to each event"
        )
    for label, numbers in (("values", values), ("weights", weights)):
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            raise CalibrationError(
                f"{len(wrong)} of {len(values)} {label} are not finite, the first is "
                f"{label}[{wrong[0]}] = {numbers[wrong[0]]}; remove these events"
            )
    negative = np.flatnonzero(weights < 0.0)
    if len(negative):
        raise CalibrationError(
            f"{len(negative)} of {len(weights)} weights are negative, the first is "
            f"weights[{negative[0]}] = {weights[negative[0]]:g}: the log-likelihood of a density "
            "is then not concave and may have no maximum; use a sample with positive weights, or "
            "reweight this one to the mean weight of events with similar values"
        )
    values, weights = values[weights > 0.0], weights[weights > 0.0]
    if len(values):
        weights = weights / weights.max()
    events = float(weights.sum() ** 2 / np.sum(weights**2)) if len(values) else 0.0
    # The rounding of the sums of a sample with one weight.
    if events < _LEAST_EVENTS * (1.0 - 1e-9):
        raise CalibrationError(
            f"{len(values)} events of positive weight count as {events:.4g} effective events, "
            f"fewer than the {_LEAST_EVENTS} that a smooth density needs; use more events or one "
            "of the density families with few parameters"
        )
    return values, weights / weights.sum(), events


def _standard(values: FloatArray, shares: FloatArray) -> tuple[float, float]:
    """Weighted median and half the width of the central 68 %."""
    distinct, inverse = np.unique(values, return_inverse=True)
    if len(distinct) < _LEAST_DISTINCT:
        raise CalibrationError(
            f"{len(values)} events have {len(distinct)} distinct values, fewer than the "
            f"{_LEAST_DISTINCT} that a smooth density needs; do not round the values, or use a "
            "binned likelihood"
        )
    mass = np.bincount(inverse, shares)
    largest = int(np.argmax(mass))
    if mass[largest] > _LARGEST_SHARE:
        raise CalibrationError(
            f"the value {distinct[largest]:g} has {100.0 * mass[largest]:.3g} % of the weight, "
            f"more than {100.0 * _LARGEST_SHARE:g} %: a smooth density has no such point; remove "
            "default values and overflows, do not round the values, or use a binned likelihood"
        )
    low, middle, high = np.quantile(
        values, ndtr([-1.0, 0.0, 1.0]), weights=shares, method="inverted_cdf"
    )
    return float(middle), float(0.5 * (high - low))


def _sorted(
    values: FloatArray, shares: FloatArray, events: float, mu: float, sigma: float
) -> _Sample:
    u, inverse = np.unique((values - mu) / sigma, return_inverse=True)
    weights = np.bincount(inverse, shares).astype(np.float64)
    squares = np.bincount(inverse, shares * shares)
    ends = []
    for step in (1, -1):
        counts = np.cumsum(weights[::step]) ** 2 / np.cumsum(squares[::step])
        ends.append(int(np.argmax(counts >= _EVENTS_BEYOND)))
    return _Sample(
        u=u,
        weights=weights,
        events=events,
        ranks=np.cumsum(weights) - 0.5 * weights,
        ends=(ends[0], len(u) - 1 - ends[1]),
    )


def _knots(sample: _Sample, number: int) -> FloatArray:
    """Quantiles of the sample, equidistant in z between the outermost; shape (at most number,)."""
    first, last = sample.ends
    start, end = ndtri(sample.ranks[[first, last]])
    z = np.linspace(start, end, number)
    places = np.clip(np.searchsorted(sample.ranks, ndtr(z)), first, last)
    kept = [first]
    for place in places[1:]:
        if place - kept[-1] >= _DISTINCT_BETWEEN_KNOTS:
            kept.append(int(place))
    kept[-1] = last
    return sample.u[kept]


def _refined(sample: _Sample, fit: _Fit) -> FloatArray:
    """More knots, where the sample differs from the fit by more than it fluctuates.

    Each interval is cut at the quarters of its events. Pearson's statistic of the four parts
    says whether a knot is added at the middle one of the cuts.
    """
    places = np.searchsorted(sample.u, fit.knots)
    spans = np.diff(places)
    cuts = places[:-1, None] + (spans[:, None] * np.arange(_PARTS + 1)) // _PARTS
    observed = np.diff(np.append(0.0, np.cumsum(sample.weights))[cuts], axis=1)
    expected = np.diff(fit.member.cdf(sample.u[cuts]), axis=1)
    enough = spans >= 2 * _DISTINCT_BETWEEN_KNOTS
    ratio = (observed - expected) ** 2 / np.maximum(expected, 0.1 * observed)
    misfit = np.where(enough, sample.events * ratio.sum(axis=1), 0.0)
    room = max(_MOST_KNOTS - len(fit.knots), 0)
    worst = np.argsort(-misfit, kind="stable")[:room]
    added = cuts[worst[misfit[worst] > _MISFIT], _PARTS // 2]
    return np.sort(np.append(fit.knots, sample.u[added]))


def _fit(sample: _Sample, knots: FloatArray) -> _Fit:
    """Newton's method for the values at the knots."""
    basis = spline_polynomials(knots, np.eye(len(knots)))
    observed = _mean_basis(sample, knots, basis)
    quadrature = _Quadrature.of(knots, basis)
    values = _start(sample, knots, basis)
    log_z, expected, covariance = quadrature.moments(values)
    loss = log_z - observed @ values
    for _ in range(_STEPS):
        gradient = expected - observed
        try:  # a common constant changes nothing; the added matrix fixes it
            step = np.linalg.solve(covariance + 1.0, -gradient)
        except np.linalg.LinAlgError:
            break
        decrement = float(-gradient @ step)
        size = 1.0
        while sample.events * size * decrement > _PRECISE:
            trial = values + size * step
            moments = quadrature.moments(trial)
            decrease = loss - (moments[0] - observed @ trial)
            if decrease >= 0.25 * size * decrement:
                break
            size *= 0.5
        else:
            if not abs(sample.events * decrement) < _CONVERGED:
                break
            criterion = sample.events * float(loss) + _CHARGE * (len(knots) - 1.0)
            return _Fit(knots=knots, values=values - log_z, criterion=criterion)
        values, (log_z, expected, covariance) = trial, moments
        loss = log_z - observed @ values
    return _Fit(knots=knots, values=values, criterion=math.inf)


def _mean_basis(sample: _Sample, knots: FloatArray, basis: FloatArray) -> FloatArray:
    """Weighted means of the B_k, shape (knots,), from moments within each interval."""
    interval, x = _located(knots, sample.u)
    power = sample.weights.copy()
    mean = np.zeros(len(knots))
    for coefficients in basis:
        mean += np.bincount(interval, power, len(knots) + 1) @ coefficients
        power *= x
    return mean


def _start(sample: _Sample, knots: FloatArray, basis: FloatArray) -> FloatArray:
    """Values of the spline nearest to the density between many quantiles, with tails that fall.

    Least squares of the log density, weighted with the density, is the quadratic approximation of
    the likelihood.
    """
    first, last = sample.ends
    start, end = ndtri(sample.ranks[[first, last]])
    z = np.linspace(start, end, _START_POINTS * len(knots))
    places = np.unique(np.clip(np.searchsorted(sample.ranks, ndtr(z)), first, last))
    u, z = sample.u[places], ndtri(sample.ranks[places])
    log_normal = -0.5 * z * z - LOG_SQRT_2PI
    slope = np.gradient(z, u)
    root = np.exp(0.5 * log_normal) * np.sqrt(np.gradient(z))
    interval, x = _located(knots, u)
    at = sum((c[interval].T * x**power for power, c in enumerate(basis)), np.zeros(()))
    target = root * (log_normal + np.log(slope))
    values, *_ = np.linalg.lstsq((at * root).T, target, rcond=None)
    rises = np.array([[1.0], [-1.0]]) * basis[1, [0, -1]]
    least = 1.0 / (knots[-1] - knots[0])
    while np.any(rises @ values < 0.5 * least):  # each end hardly changes the other one's slope
        for end in (0, -1):
            values[end] += min(rises[end] @ values - least, 0.0) / -rises[end, end]
    return np.asarray(values)


def _located(knots: FloatArray, u: FloatArray) -> tuple[NDArray[np.intp], FloatArray]:
    """Interval of each u and the distance from its origin."""
    interval = np.searchsorted(knots, u, side="right")
    return interval, u - np.concatenate([knots[:1], knots])[interval]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quadrature:
    """Integrals over exp(s) of products of the B_k.

    Attributes:
        weights: Of the points between the knots, shape (points,).
        basis: B_k at the points, shape (points, knots).
        ends: B_k at the outermost knots, shape (2, knots).
        slopes: Their slopes away from the centre, shape (2, knots).
    """

    weights: FloatArray
    basis: FloatArray
    ends: FloatArray
    slopes: FloatArray

    @classmethod
    def of(cls, knots: FloatArray, basis: FloatArray) -> "_Quadrature":
        panel = np.diff(knots) / _PANELS
        starts = np.arange(_PANELS)[:, None] + 0.5 * (1.0 + _POINTS)
        x = panel * starts.reshape(-1, 1)
        c0, c1, c2, c3 = basis[:, 1:-1]
        at = ((c3 * x[..., None] + c2) * x[..., None] + c1) * x[..., None] + c0
        weights = 0.5 * panel * np.tile(_WEIGHTS, _PANELS)[:, None]
        return cls(
            weights=weights.ravel(),
            basis=at.reshape(-1, len(knots)),
            ends=basis[0, [0, -1]],
            slopes=np.array([[-1.0], [1.0]]) * basis[1, [0, -1]],
        )

    def moments(self, values: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Log Z, and mean and covariance of the B_k in the density exp(s) / Z.

        The mean distance from the last knot in an exponential tail of slope -r is 1 / r, and so
        is its standard deviation. Log Z is inf where a tail does not fall.
        """
        falls = -self.slopes @ values
        if np.any(falls <= 0.0):
            return math.inf, np.zeros_like(values), np.zeros((len(values), len(values)))
        inside, ends = self.basis @ values, self.ends @ values
        top = max(float(inside.max()), float(ends.max()))
        mass = self.weights * np.exp(inside - top)
        tails = np.exp(ends - top) / falls
        z = mass.sum() + tails.sum()
        mass, tails = mass / z, tails / z
        reach = self.slopes / falls[:, None]
        centres = self.ends + reach
        mean = mass @ self.basis + tails @ centres
        deviations, beyond = self.basis - mean, centres - mean
        covariance = (
            (deviations.T * mass) @ deviations
            + (beyond.T * tails) @ beyond
            + (reach.T * tails) @ reach
        )
        return top + math.log(z), mean, covariance
