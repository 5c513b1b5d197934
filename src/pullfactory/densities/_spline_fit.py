"""Natural cubic splines of the log density by maximum likelihood: knots, start and Newton's method.

What the formulas are is said where the fit is offered, in the module `fitting`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from ._family import LOG_SQRT_2PI, FloatArray
from ._spline import Spline
from ._spline_table import spline_polynomials

MOST_KNOTS = 64

_CHARGE = 1.5  # of a knot in units of the log-likelihood; Akaike's is 1, Schwarz's log(n) / 2
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
class WeightedSample:
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
class SplineFit:
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
        """The density."""
        return Spline(knots=tuple(self.knots.tolist()), values=tuple(self.values.tolist()))


def sorted_sample(
    values: FloatArray, shares: FloatArray, events: float, mu: float, sigma: float
) -> WeightedSample:
    """The sample in the form that the fit needs.

    Args:
        values: Shape (events,).
        shares: Weights of sum 1, shape (events,).
        events: Effective number of events.
        mu: Location that becomes u = 0, in the unit of the values.
        sigma: Scale that becomes 1, in the unit of the values.
    """
    u, inverse = np.unique((values - mu) / sigma, return_inverse=True)
    weights = np.bincount(inverse, shares).astype(np.float64)
    squares = np.bincount(inverse, shares * shares)
    ends = []
    for step in (1, -1):
        counts = np.cumsum(weights[::step]) ** 2 / np.cumsum(squares[::step])
        ends.append(int(np.argmax(counts >= _EVENTS_BEYOND)))
    return WeightedSample(
        u=u,
        weights=weights,
        events=events,
        ranks=np.cumsum(weights) - 0.5 * weights,
        ends=(ends[0], len(u) - 1 - ends[1]),
    )


def quantile_knots(sample: WeightedSample, number: int) -> FloatArray:
    """Quantiles of the sample, equidistant in z between the outermost ones.

    Args:
        sample: Of positive weights.
        number: How many, unless two of them have too few values between them.

    Returns:
        Knots in u, increasing, shape (knots,).
    """
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


def refined_knots(sample: WeightedSample, fit: SplineFit) -> FloatArray:
    """More knots, where the sample differs from the fit by more than it fluctuates.

    Each interval is cut at the quarters of its events. Pearson's statistic of the four parts
    says whether a knot is added at the middle one of the cuts.

    Args:
        sample: That the fit is of.
        fit: With the knots so far.

    Returns:
        Knots in u, increasing, shape (knots,).
    """
    places = np.searchsorted(sample.u, fit.knots)
    spans = np.diff(places)
    cuts = places[:-1, None] + (spans[:, None] * np.arange(_PARTS + 1)) // _PARTS
    observed = np.diff(np.append(0.0, np.cumsum(sample.weights))[cuts], axis=1)
    expected = np.diff(fit.member.cdf(sample.u[cuts]), axis=1)
    enough = spans >= 2 * _DISTINCT_BETWEEN_KNOTS
    ratio = (observed - expected) ** 2 / np.maximum(expected, 0.1 * observed)
    misfit = np.where(enough, sample.events * ratio.sum(axis=1), 0.0)
    room = max(MOST_KNOTS - len(fit.knots), 0)
    worst = np.argsort(-misfit, kind="stable")[:room]
    added = cuts[worst[misfit[worst] > _MISFIT], _PARTS // 2]
    return np.sort(np.append(fit.knots, sample.u[added]))


def fit_values(sample: WeightedSample, knots: FloatArray) -> SplineFit:
    """Newton's method for the values at the knots.

    Args:
        sample: To be fitted.
        knots: In u, increasing, shape (knots,).

    Returns:
        The fit; its criterion is infinite if it did not converge.
    """
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
            return SplineFit(knots=knots, values=values - log_z, criterion=criterion)
        values, (log_z, expected, covariance) = trial, moments
        loss = log_z - observed @ values
    return SplineFit(knots=knots, values=values, criterion=math.inf)


def _mean_basis(sample: WeightedSample, knots: FloatArray, basis: FloatArray) -> FloatArray:
    """Weighted means of the B_k, shape (knots,), from moments within each interval."""
    interval, x = _located(knots, sample.u)
    power = sample.weights.copy()
    mean = np.zeros(len(knots))
    for coefficients in basis:
        mean += np.bincount(interval, power, len(knots) + 1) @ coefficients
        power *= x
    return mean


def _start(sample: WeightedSample, knots: FloatArray, basis: FloatArray) -> FloatArray:
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
