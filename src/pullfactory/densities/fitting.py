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
from scipy.special import ndtr

from pullfactory.errors import CalibrationError

from ._family import FloatArray
from ._spline import Spline
from ._spline_fit import MOST_KNOTS, fit_values, quantile_knots, refined_knots, sorted_sample

_LEAST_EVENTS = 500
_LEAST_DISTINCT = 50
_LARGEST_SHARE = 0.01
_KNOT_NUMBERS = (5, 6, 7, 9, 11, 14, 18, 23, 29, 37)
_FEWEST_KNOTS = 4
_EVENTS_PER_KNOT = 100  # effective ones, for knots placed without regard to the misfit


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
    if n_knots is not None and not _FEWEST_KNOTS <= n_knots <= MOST_KNOTS:
        raise CalibrationError(
            f"n_knots = {n_knots!r} must be from {_FEWEST_KNOTS} to {MOST_KNOTS}; "
            "choose one of these or leave it out"
        )
    values, shares, events = _checked(values, weights)
    mu, sigma = _standard(values, shares)
    sample = sorted_sample(values, shares, events, mu, sigma)
    most = max(_KNOT_NUMBERS[0], int(events / _EVENTS_PER_KNOT))
    numbers = [n for n in _KNOT_NUMBERS if n <= most] if n_knots is None else [n_knots]
    tried = [fit_values(sample, quantile_knots(sample, number)) for number in numbers]
    best = min(tried, key=lambda fit: fit.criterion)
    while n_knots is None and math.isfinite(best.criterion):
        finer = fit_values(sample, refined_knots(sample, best))
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
