"""The batched minimiser: damped Newton steps on a box, every toy at once.

Levenberg's damping of the curvature (Marquardt 1963, doi:10.1137/0111030) with an active set:
parameters at a bound whose gradient pushes outward do not step, the step of the others is
projected onto the box (Bertsekas 1982, doi:10.1137/0320018). A step that does not lower a finite
likelihood is rejected and damped more.
"""

from functools import partial
from typing import Any, NamedTuple

from pullfactory._jax import jax, jnp
from pullfactory.inference.status import FitStatus
from pullfactory.likelihoods import Expansion, Likelihood

__all__ = ["Minimum", "minimise"]

_TOLERANCE = 1e-9
"""Estimated distance to the minimum, in units of the NLL: 4e-5 standard deviations."""
_MAX_ITERATIONS = 100
_FIRST_DAMPING = 1e-3
_LAST_DAMPING = 1e12
_SINGULAR = 1e-13
"""Smallest pivot, for a unit diagonal: a parameter that the others determine to this fraction of
its variance has no error of its own."""
_ROUNDING = 1e-14  # relative; a step may raise the likelihood by this much


class Minimum(NamedTuple):
    """Result for a batch of toys.

    Attributes:
        estimate: Shape (toys, parameters).
        nll: Minimum, shape (toys,).
        covariance: Inverse observed information of the parameters inside their bounds, NaN in
            rows and columns of the others; shape (toys, parameters, parameters).
        status: `FitStatus` values, shape (toys,).
        iterations: Shape (toys,).
    """

    estimate: jax.Array
    nll: jax.Array
    covariance: jax.Array
    status: jax.Array
    iterations: jax.Array


class _State(NamedTuple):
    theta: jax.Array
    here: Expansion
    damping: jax.Array
    distance: jax.Array
    iterations: jax.Array
    done: jax.Array


@jax.jit
def minimise(likelihood: Likelihood, data: Any, start: jax.Array) -> Minimum:
    """Minimise the likelihood of every toy.

    Args:
        likelihood: What to minimise; gives bounds and fixed parameters.
        data: Its data, every array with a leading toy axis.
        start: Where each fit starts, shape (toys, parameters).
    """
    return jax.vmap(partial(_minimise_one, likelihood))(data, start)


def _minimise_one(likelihood: Likelihood, data: Any, start: jax.Array) -> Minimum:
    lower, upper = jnp.asarray(likelihood.bounds).T
    fixed = jnp.asarray(likelihood.fixed)

    def blocked(theta: jax.Array, gradient: jax.Array) -> jax.Array:
        outward = ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
        return jnp.asarray(outward | fixed)

    def step(state: _State) -> _State:
        here = state.here
        held = blocked(state.theta, here.gradient)
        gradient = jnp.where(held, 0.0, here.gradient)
        matrix = _reduce(here.curvature, held)
        diagonal = jnp.diag(matrix)
        damped = matrix + jnp.diag(state.damping * jnp.where(diagonal > 0, diagonal, 1.0))
        move = _solve(damped, -gradient)
        trial = jnp.clip(state.theta + move, lower, upper)
        there = likelihood.expansion(trial, data)
        usable = jnp.all(jnp.isfinite(move))
        distance = -0.5 * jnp.dot(gradient, move) * (1.0 + state.damping)
        arrived = usable & (distance < _TOLERANCE)
        allowed = _ROUNDING * jnp.abs(here.nll)
        finite = jnp.isfinite(there.nll) & jnp.all(jnp.isfinite(there.gradient))
        accept = usable & finite & (there.nll <= here.nll + allowed)
        eased = jnp.where(state.damping > _FIRST_DAMPING, 0.1 * state.damping, 0.0)
        raised = jnp.maximum(10.0 * state.damping, _FIRST_DAMPING)
        damping = jnp.where(accept, eased, raised)
        return _State(
            theta=jnp.where(accept, trial, state.theta),
            here=jax.tree.map(lambda new, old: jnp.where(accept, new, old), there, here),
            damping=damping,
            distance=distance,
            iterations=state.iterations + 1,
            done=arrived | (damping > _LAST_DAMPING) | (state.iterations + 1 >= _MAX_ITERATIONS),
        )

    first = likelihood.expansion(start, data)
    finite = jnp.isfinite(first.nll) & jnp.all(jnp.isfinite(first.gradient))
    initial = _State(
        theta=start,
        here=first,
        damping=jnp.zeros(()),
        distance=jnp.full((), jnp.inf),
        iterations=jnp.zeros((), dtype=int),
        done=~finite,
    )
    last = jax.lax.while_loop(lambda state: ~state.done, step, initial)

    held = blocked(last.theta, last.here.gradient)
    hessian = _reduce(likelihood.hessian(last.theta, data), held)
    inverse = _inverse(hessian)
    outside = held[:, None] | held[None, :]
    arrived = last.distance < _TOLERANCE
    at_bound = jnp.any(held & ~fixed)
    good = jnp.where(at_bound, int(FitStatus.AT_BOUND), int(FitStatus.CONVERGED))
    definite = jnp.all(jnp.isfinite(inverse))
    stuck = jnp.where(
        last.damping > _LAST_DAMPING, int(FitStatus.NON_FINITE), int(FitStatus.ITERATION_LIMIT)
    )
    status = jnp.where(arrived, int(FitStatus.NOT_POSITIVE_DEFINITE), stuck)
    status = jnp.where(arrived & definite, good, status)
    status = jnp.where(finite, status, int(FitStatus.NON_FINITE))
    valid = arrived & definite & finite
    return Minimum(
        estimate=last.theta,
        nll=last.here.nll,
        covariance=jnp.where(outside | ~valid, jnp.nan, inverse),
        status=status,
        iterations=last.iterations,
    )


def _reduce(matrix: jax.Array, held: jax.Array) -> jax.Array:
    """The matrix with unit rows and columns for the parameters that are held."""
    return jnp.where(held[:, None] | held[None, :], jnp.eye(len(held)), matrix)


def _solve(matrix: jax.Array, right: jax.Array) -> jax.Array:
    """Solution of matrix x = right; not finite unless the matrix is positive definite."""
    scale = jax.lax.rsqrt(jnp.diag(matrix))
    factor = jnp.linalg.cholesky(matrix * jnp.outer(scale, scale))
    regular = jnp.min(jnp.diag(factor)) ** 2 > _SINGULAR
    solved = jax.scipy.linalg.cho_solve((factor, True), (right.T * scale).T)
    return jnp.where(regular, (solved.T * scale).T, jnp.nan)


def _inverse(matrix: jax.Array) -> jax.Array:
    """Inverse; not finite unless the matrix is positive definite."""
    return _solve(matrix, jnp.eye(len(matrix)))
