"""What the unbinned likelihood learns: location and scale per sample, then the response.

Locations and scales are maximum-likelihood estimates. Points that vary the same events have
strongly correlated estimates; their covariance is that of the per-event influence functions
(van der Vaart, Asymptotic Statistics, doi:10.1017/CBO9780511802256, theorem 5.21), and it is
propagated through one least-squares fit over all points.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, minimize

from pullfactory._jax import jax, jit, jnp
from pullfactory.densities import Family
from pullfactory.densities.sums import EventSums, event_moments, event_sums
from pullfactory.errors import CalibrationError

_CHUNK = 2**18  # events at a time: bounded memory for any sample size
_ROUNDING = 1e-13  # a variance that cancels to this fraction is 0


class ResponseFit(NamedTuple):
    """Response of one observable.

    Attributes:
        mu: Value at theta = 0, then relative slopes; shape (1 + parameters,).
        sigma: The same for the scale.
        covariance: Of mu and sigma together, shape (2 + 2 parameters, 2 + 2 parameters).
    """

    mu: NDArray[np.float64]
    sigma: NDArray[np.float64]
    covariance: NDArray[np.float64]


@partial(jit, static_argnames="member")
def _sums(
    member: Family,
    mu: jax.Array,
    sigma: jax.Array,
    observed: jax.Array,
    weights: jax.Array | None = None,
) -> EventSums:
    return event_sums(member, mu, sigma, observed, weights)


@partial(jit, static_argnames="member")
def _scores(member: Family, z: jax.Array) -> jax.Array:
    _, df, _ = member.derivatives(z)
    return jnp.stack([-df, -(1.0 + z * df)])


def fit_location_scale(
    member: Family, events: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Maximum-likelihood location and scale of one sample.

    Args:
        member: Density family, shape parameters known.
        events: Shape (events,).
        weights: Event weights, not negative, of which only the ratios matter; shape (events,), or
            None for ones.

    Returns:
        Location and scale, shape (2,), in the unit of the events.

    Raises:
        CalibrationError: If the weights cannot be used, or the fit does not converge.
    """
    if weights is not None:
        weights = _of_mean_one(events, weights)
    if member.sufficient:
        each = None if weights is None else weights[None]
        count, mean, spread = event_moments(events[None], each)[0]
        return np.array([mean, np.sqrt(spread / count)])
    levels = [0.16, 0.5, 0.84]
    if weights is None:
        low, centre, high = np.quantile(events, levels)
    else:
        low, centre, high = np.quantile(events, levels, weights=weights, method="inverted_cdf")
    unit = 0.5 * (high - low)
    standard = jnp.asarray((events - centre) / unit)
    weighing = None if weights is None else jnp.asarray(weights)

    def sums(x: NDArray[np.float64]) -> EventSums:
        total: EventSums = _sums(member, x[0], jnp.exp(x[1]), standard, weighing)
        return total

    def nll(x: NDArray[np.float64]) -> float:
        return float(sums(x).nll(jnp.exp(x[1]))) / len(events)

    def gradient(x: NDArray[np.float64]) -> NDArray[np.float64]:
        sigma = float(np.exp(x[1]))
        d_mu, d_sigma = sums(x).gradient(jnp.asarray(sigma))
        return np.array([float(d_mu), float(d_sigma) * sigma]) / len(events)

    def hessian(x: NDArray[np.float64]) -> NDArray[np.float64]:
        sigma = float(np.exp(x[1]))
        total = sums(x)
        d_sigma = float(total.gradient(jnp.asarray(sigma))[1])
        mm, ms, ss = (float(entry) for entry in total.hessian(jnp.asarray(sigma)))
        matrix = [[mm, ms * sigma], [ms * sigma, ss * sigma**2 + d_sigma * sigma]]
        return np.array(matrix) / len(events)

    found = minimize(
        nll, np.zeros(2), jac=gradient, hess=hessian, method="trust-exact", options={"gtol": 1e-9}
    )
    if not found.success and np.abs(found.jac).max() > 1e-7:
        raise CalibrationError(
            f"location and scale of {len(events)} events do not converge ({found.message}); "
            "use more calibration events or another density"
        )
    return np.array([centre + unit * found.x[0], unit * np.exp(found.x[1])])


def _of_mean_one(events: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights over their mean.

    Raises:
        CalibrationError: If their shape is not that of the events, one is negative or no finite
            number, or all are 0.
    """
    if weights.shape != events.shape:
        raise CalibrationError(
            f"weights of shape {weights.shape} for events of shape {events.shape}; give one "
            "weight to each event"
        )
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0.0)))
    if len(wrong):
        raise CalibrationError(
            f"{len(wrong)} of {len(weights)} weights are negative or not finite, the first is "
            f"weights[{wrong[0]}] = {weights[wrong[0]]:g}: the likelihood may have no maximum; "
            "remove these events or use another sample"
        )
    if not np.any(weights > 0.0):
        raise CalibrationError(
            f"the weights of all {len(weights)} events are 0; use events of positive weight"
        )
    return np.asarray(weights / weights.mean())


def influence(
    member: Family,
    standardised: Callable[[slice], NDArray[np.float64]],
    scales: NDArray[np.float64],
    n_events: int,
) -> NDArray[np.float64]:
    """Covariance of the estimates of samples that share their events.

    Args:
        member: Density family.
        standardised: From a range of events to these events standardised with the estimates of
            each sample, shape (samples, events of the range).
        scales: Estimated scale of each sample, shape (samples,).
        n_events: Number of events of each sample.

    Returns:
        Covariance of (location, scale) of all samples, location and scale of the first sample
        first; shape (2 samples, 2 samples).
    """
    n = len(scales)
    outer = np.zeros((2 * n, 2 * n))
    information = np.zeros((n, 3))
    for first in range(0, n_events, _CHUNK):
        z = standardised(slice(first, min(first + _CHUNK, n_events)))
        scores = np.concatenate([np.asarray(_scores(member, row)) for row in z])
        outer += scores @ scores.T
        observed = event_moments(z) if member.sufficient else z
        for i, row in enumerate(observed):
            information[i] += np.array(_sums(member, 0.0, 1.0, row).hessian(jnp.ones(())))
    bread = np.zeros((2 * n, 2 * n))
    for i, (mm, ms, ss) in enumerate(information):
        block = slice(2 * i, 2 * i + 2)
        bread[block, block] = scales[i] * np.linalg.inv([[mm, ms], [ms, ss]])
    return np.asarray(bread @ outer @ bread.T)


def fit_response(
    points: NDArray[np.float64],
    estimates: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> ResponseFit:
    """Fit value and relative slopes to the estimates of all points.

    Each point is weighted with its own error; the covariance between points, singular because
    they share events, enters the errors of the result only. What shared events determine
    exactly, such as the relative slope of a scale, has variance 0.

    Args:
        points: Shape (points, parameters), in calibration steps.
        estimates: Location and scale of one observable at each point, shape (points, 2).
        covariance: Of the estimates, (location, scale) of the first point first; shape
            (2 points, 2 points).
    """
    n_points, n_pars = points.shape
    propagate = np.zeros((2 * (1 + n_pars), 2 * n_points))
    found = []
    for i in range(2):
        errors = np.sqrt(np.diag(covariance)[i::2])
        values, gain = _fit_product(points, estimates[:, i], errors)
        propagate[i * (1 + n_pars) : (i + 1) * (1 + n_pars), i::2] = gain
        found.append(values)
    result = propagate @ covariance @ propagate.T
    uncancelled = (np.abs(propagate) @ np.sqrt(np.diag(covariance))) ** 2
    known = np.diag(result) < _ROUNDING * uncancelled
    result[known, :] = 0.0
    result[:, known] = 0.0
    return ResponseFit(found[0], found[1], result)


def _fit_product(
    points: NDArray[np.float64], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least squares of v0 prod_k (1 + s_k theta_k), and its linear dependence on the values."""

    def model(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(x[0] * np.prod(1.0 + points * x[1:], axis=1))

    def jacobian(x: NDArray[np.float64]) -> NDArray[np.float64]:
        factors = 1.0 + points * x[1:]
        columns = [np.prod(factors, axis=1)]
        for k in range(points.shape[1]):
            others = np.delete(factors, k, axis=1)
            columns.append(x[0] * points[:, k] * np.prod(others, axis=1))
        return np.stack(columns, axis=1)

    start = np.zeros(1 + points.shape[1])
    start[0] = values[0]
    found = least_squares(
        lambda x: (model(x) - values) / errors,
        start,
        jac=lambda x: jacobian(x) / errors[:, None],
        x_scale=np.concatenate([[abs(start[0])], np.full(points.shape[1], 0.01)]),
        xtol=1e-14,
        ftol=1e-14,
        gtol=1e-14,
    )
    weighted = jacobian(found.x) / errors[:, None]
    return found.x, np.linalg.pinv(weighted) / errors
