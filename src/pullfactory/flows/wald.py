"""Whether the coefficients of a density change with a parameter: Wald's test.

Where they do not, the mean gradients of the log density by them are the same at the points theta_k
= 1 and -1. With minus the Hessian H per event, H^-1 d of half their difference d is the change of
the coefficients with theta_k after one step of Newton; its square in units of its covariance, d^T
Cov(d)^-1 d, has a chi-square distribution (Wald 1943, doi:10.1090/S0002-9947-1943-0012401-3), and
of a covariance from n events that of Hotelling (1931, doi:10.1214/aoms/1177732979). Points of the
same events are paired: the covariance is that of the differences event by event.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f

from pullfactory._jax import Array, jax, jit, jnp

_ROUNDING = 1e-12  # part of the variance of a gradient that differences of equal ones have
_DETERMINED = 1e-6  # eigenvalue of a correlation matrix below which a direction is not looked at


class Side(NamedTuple):
    """Events of one point.

    Attributes:
        gradients: Some at a time, from the first on: gradients of the log densities by the
            coefficients, shape (coefficients, some), and weights, shape (some,). Points of the same
            events have as many at a time.
        weight: Sum of the weights of all.
        events: Effective number of all, (sum of w)^2 / sum of w^2.
    """

    gradients: Callable[[], Iterator[tuple[Array, Array]]]
    weight: float
    events: float


class Difference(NamedTuple):
    """Half the difference of the mean gradients of two points.

    Attributes:
        value: Shape (coefficients,).
        covariance: Of it, shape (coefficients, coefficients).
        differs: Where it has more than rounding, shape (coefficients,).
        events: Effective number that the covariance is from.
    """

    value: NDArray[np.float64]
    covariance: NDArray[np.float64]
    differs: NDArray[np.bool_]
    events: float


class WaldTest(NamedTuple):
    """That a difference is none.

    Attributes:
        chi2: Its square in units of its covariance.
        dof: Directions that the events determine.
        p_value: Probability of a larger one if it is none.
    """

    chi2: float
    dof: int
    p_value: float


def find_difference(up: Side, down: Side, *, paired: bool) -> Difference:
    """Compare two points.

    Args:
        up: At 1, or another point above 0.
        down: At -1, or another point below 0.
        paired: Whether they have the same events, in the same order.
    """
    groups = [(up, down)] if paired else [(up,), (down,)]
    signs = [(0.5, -0.5)] if paired else [(0.5,), (-0.5,)]
    found = [_moments(*both) for both in zip(groups, signs, strict=True)]
    covariance = sum((one.covariance for one in found), start=np.zeros_like(found[0].covariance))
    alone = np.sum([one.alone for one in found], axis=0)
    return Difference(
        value=np.sum([one.mean for one in found], axis=0),
        covariance=covariance,
        differs=np.diag(covariance) > _ROUNDING * alone,
        events=min(up.events, down.events),
    )


def wald_test(difference: Difference, among: NDArray[np.bool_] | None = None) -> WaldTest:
    """Test some coefficients.

    Args:
        difference: Of the gradients.
        among: Which, shape (coefficients,); None for all.
    """
    chosen = difference.differs if among is None else difference.differs & among
    if not chosen.any():
        return WaldTest(0.0, 0, 1.0)
    covariance = difference.covariance[np.ix_(chosen, chosen)]
    unit = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
    used = values > _DETERMINED * values[-1]
    along = vectors[:, used].T @ (difference.value[chosen] / unit)
    square, dof = float(np.sum(along**2 / values[used])), int(used.sum())
    left = difference.events - dof
    if chosen.sum() >= difference.events:  # of which the events do not tell the covariance
        return WaldTest(square, dof, 1.0)
    return WaldTest(square, dof, float(f.sf(square * left / (dof * difference.events), dof, left)))


class _Moments(NamedTuple):
    """Of a combination of mean gradients; `alone` are its variances if no events were shared."""

    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    alone: NDArray[np.float64]


def _moments(sides: Sequence[Side], factors: Sequence[float]) -> _Moments:
    """The sum of factors times mean gradients, of points with the same events.

    An event adds w (g - mean of g) / sum of w to each mean.
    """
    scales = tuple(factor / side.weight for factor, side in zip(factors, sides, strict=True))
    pieces = zip(*(side.gradients() for side in sides), strict=True)
    found = [_sums(some, scales) for some in map(tuple, pieces)]
    parts, products, alone = (
        np.sum([np.asarray(one[i]) for one in found], axis=0) for i in (0, 1, 2)
    )
    size = parts.shape[1]
    centred = np.hstack([np.eye(size), -(parts / np.array(factors)[:, None]).T])
    return _Moments(parts.sum(axis=0), centred @ products @ centred.T, alone)


@jit
def _sums(
    pieces: tuple[tuple[jax.Array, jax.Array], ...], scales: tuple[jax.Array, ...]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of each point its weighed gradients; products of their sum and the weights; squares."""
    weights = [scale * weight for scale, (_, weight) in zip(scales, pieces, strict=True)]
    each = [weight * gradient for weight, (gradient, _) in zip(weights, pieces, strict=True)]
    rows = jnp.concatenate([sum(each, jnp.zeros_like(each[0])), jnp.stack(weights)])
    squares = sum((jnp.sum(one**2, axis=1) for one in each), jnp.zeros(len(each[0])))
    return jnp.stack([one.sum(axis=1) for one in each]), rows @ rows.T, squares
