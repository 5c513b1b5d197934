"""How factors change with the point at which the workspace is looked at.

With u the column of U for a parameter, I the information, M the pairs of bins and Q = G^T M G, its
factor is f^2 = 1 + u^T Q u / U_kk. Along any direction dU = -U dI U, so that

    U_kk d(f^2) = u^T dQ u - 2 u^T dI w + (f^2 - 1) u^T dI u,   w = U Q u,

in which u, w and f are held: one scalar function of the point for each parameter, whose gradient
takes a pass forwards along u and w and one backwards.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit, jnp
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.sharing.point import Point


class _Held(NamedTuple):
    """What the function of one parameter holds.

    Attributes:
        column: u, shape (parameters,).
        answer: w, shape (parameters,).
        excess: f^2 - 1.
        paired: M G u, shape (bins,).
    """

    column: jax.Array
    answer: jax.Array
    excess: jax.Array
    paired: jax.Array


def square_gradient(
    point: Point, joint: NDArray[np.float64], square: NDArray[np.float64], *, power: float
) -> NDArray[np.float64]:
    """Derivatives of the squares of the factors along all parameters.

    Args:
        point: Of the workspace.
        joint: Covariance of the counts beside its diagonal, shape (bins, bins).
        square: Squares of the factors, without gammas of simulated events, shape (parameters,).
        power: Of the rates of both bins that pairs follow: 0 if they stay as they are, as those of
            the data do; 1/2 if they are scaled with the rates, as those of simulation are.

    Returns:
        Shape (parameters, parameters): of each factor along each; 0 for those without a factor.
    """
    found = np.zeros_like(point.inverse)
    own = np.flatnonzero(np.isfinite(square))
    if not (len(own) and joint.any()):
        return found
    columns = point.inverse[:, own]
    paired = joint @ point.pulls[:, own]
    answers = point.inverse @ (point.slopes.T @ paired)
    excess = square[own] - 1.0
    held = _Held(*(jnp.asarray(each) for each in (columns.T, answers.T, excess, paired.T)))
    slopes = np.asarray(_gradients(point.likelihood, point.theta, held, power))
    slopes = slopes + (excess * columns**2 - 2.0 * answers * columns).T * _bend(point)
    found[own] = np.where(point.moving, slopes / np.diag(point.inverse)[own, None], 0.0)
    return found


@jit
def _gradients(
    likelihood: BinnedLikelihood, theta: jax.Array, held: _Held, power: float
) -> jax.Array:
    """Gradients of the functions of all parameters, without constraints."""
    here = likelihood.outlined_rates(theta)

    def function(at: jax.Array, one: _Held) -> jax.Array:
        rates, along = jax.jvp(likelihood.outlined_rates, (at,), (one.column,))
        _, other = jax.jvp(likelihood.outlined_rates, (at,), (one.answer,))
        usable = here > 0
        inverse = jnp.where(usable, 1.0 / jnp.where(usable, rates, 1.0), 0.0)
        scale = jnp.where(usable, rates / jnp.where(usable, here, 1.0), 1.0) ** power
        pull = along * inverse * scale
        changed = (one.excess * along - 2.0 * other) * along * inverse
        return jnp.sum(2.0 * one.paired * pull + changed)

    def gradient(one: _Held) -> jax.Array:
        found: jax.Array = jax.grad(function)(theta, one)
        return found

    size = likelihood.abreast or len(held.excess)
    found: jax.Array = jax.lax.map(gradient, held, batch_size=size)
    return found


def _bend(point: Point) -> NDArray[np.float64]:
    """Derivative of the information of each constraint along its parameter."""
    likelihood = point.likelihood
    at = np.array(likelihood.aux_index, dtype=int)
    poisson = np.array(likelihood.aux_poisson, dtype=bool)
    own = np.where(poisson, point.theta[at], 1.0)
    each = np.where(poisson, -likelihood.aux_factor / own**2, 0.0)
    found = np.zeros(len(point.theta))
    np.add.at(found, at, likelihood.aux_used * each)
    return found
