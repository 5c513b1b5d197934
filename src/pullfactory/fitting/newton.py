"""The batched minimiser: damped Newton steps on a box, every toy at once.

Steps come in rounds (`descent`). In the first the curvature is the likelihood's own, cheap one; in
the others it is completed by what it lacks of the Hessian where the round begins, for the toys that
have not arrived. A minimum beside which the likelihood may have another is left for that one where
it is lower.

What is left of the way to the minimum bends a flat valley a little: its Hessian then has a small
eigenvalue, of either sign, where it should have none. Toys with eigenvalues so small go the rest of
the way, and what rounding leaves of the eigenvalues then says whether the likelihood changes in
that direction (`resolution`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit, jnp
from pullfactory.fitting.descent import (
    ROUNDING,
    TOLERANCE,
    End,
    begin,
    descend,
    each_toy,
    held_at,
    no_correction,
)
from pullfactory.fitting.elimination import invert, variances
from pullfactory.fitting.matrices import dense, diagonal_of, diagonals_of, reduced, weakness
from pullfactory.fitting.resolution import Spectrum, spectrum
from pullfactory.fitting.status import FitStatus
from pullfactory.likelihoods import Expansion, Likelihood
from pullfactory.likelihoods.arrow import Arrow

_FIRST_STEPS = 4  # with the cheap curvature: what remains is small beside a standard deviation
_LARGE_STEPS = 6  # the same in an arrow
_STEPS = 10  # of every other round
_ROUNDS = 12
_LOOK_STEPS = 6  # towards another minimum: what remains is small beside what is worth going for
_LOWER = 1e-5  # in units of the NLL: by how much another minimum has to be lower to be taken
_WEAK = (2 * TOLERANCE) ** 0.5
"""Eigenvalue, for a unit diagonal, that may be an effect of the distance left to the minimum: with
d of the NLL left, the gradient in units of the errors is sqrt(2 d), and the valley bends by no more
than one error an error."""
_POLISHING = 4  # steps to the bottom of the valley: each squares what is left


class Minimum(NamedTuple):
    """Result for a batch of toys.

    Attributes:
        estimate: Shape (toys, parameters).
        nll: Minimum, shape (toys,).
        covariance: Inverse observed information of the parameters inside their bounds, NaN in
            rows and columns of the others; shape (toys, parameters, parameters).
        status: `FitStatus` values, shape (toys,).
    """

    estimate: NDArray[np.float64]
    nll: NDArray[np.float64]
    covariance: NDArray[np.float64]
    status: NDArray[np.int8]


def minimise(
    likelihood: Likelihood, data: Any, start: NDArray[np.float64], *, variances_only: bool = False
) -> Minimum:
    """Minimise the likelihood of every toy.

    Args:
        likelihood: What to minimise; gives bounds and fixed parameters.
        data: Its data, every array with a leading toy axis.
        start: Where each fit starts, shape (toys, parameters).
        variances_only: Covariances need not have more than their diagonal.
    """
    work = partial(_minimise_batch, variances_only=variances_only)
    return _in_batches(work, likelihood, data, start)


def settle(likelihood: Likelihood, data: Any, theta: NDArray[np.float64]) -> Minimum:
    """Minimum, covariance and status of toys that are at their minimum already.

    Args:
        likelihood: What was minimised.
        data: Its data, every array with a leading toy axis.
        theta: Where each toy's minimum is, shape (toys, parameters).
    """
    return _in_batches(_settle_batch, likelihood, data, theta)


def _in_batches(
    work: Callable[[Likelihood, Any, NDArray[np.float64]], Minimum],
    likelihood: Likelihood,
    data: Any,
    theta: NDArray[np.float64],
) -> Minimum:
    """Work through the toys in batches of one size; the last is padded with its last toy."""
    toys = len(theta)
    size = min(likelihood.batch, _power_of_two(toys))
    parts = []
    for first in range(0, toys, size):
        chosen = np.arange(first, first + size).clip(max=toys - 1)
        parts.append(work(likelihood, _take(data, chosen), theta[chosen]))
    return Minimum(*(np.concatenate(column)[:toys] for column in zip(*parts, strict=True)))


def _settle_batch(likelihood: Likelihood, data: Any, theta: NDArray[np.float64]) -> Minimum:
    """One evaluation of each toy where it is."""
    end = descend(likelihood, data, begin(likelihood, theta), no_correction(likelihood, theta), 1)
    end = end._replace(arrived=end.finite)
    return _finish_batch(likelihood, data, end)


def _minimise_batch(
    likelihood: Likelihood, data: Any, start: NDArray[np.float64], *, variances_only: bool
) -> Minimum:
    """Rounds of cheap steps; what has not arrived goes on with the Hessian of where it is."""
    missing = no_correction(likelihood, start)
    cheap = _FIRST_STEPS if likelihood.layout is None else _LARGE_STEPS
    steps = _STEPS if likelihood.exact else cheap
    coarse = likelihood.coarsen(data)
    if coarse is not None:
        near = descend(likelihood, coarse, begin(likelihood, start), missing, steps)
        start = np.where(np.asarray(near.arrived)[:, None], near.theta, start)
    end = descend(likelihood, data, begin(likelihood, start), missing, steps)
    end = _arrive(likelihood, data, end)
    if likelihood.folded:
        end = _look_behind(likelihood, data, end)
    return _finish_batch(likelihood, data, end, variances_only=variances_only)


def _arrive(likelihood: Likelihood, data: Any, end: End) -> End:
    """Rounds of steps until every toy has arrived or cannot."""
    missing = no_correction(likelihood, end.theta)
    for _ in range(_ROUNDS):
        if np.all(np.asarray(end.arrived) | ~np.asarray(end.finite)):
            break
        if not likelihood.exact:
            hessian = _hessian(likelihood, data, end.theta)
            missing = jax.tree.map(
                lambda whole, cheap: np.asarray(whole) - np.asarray(cheap),
                hessian,
                end.here.curvature,
            )
        end = descend(likelihood, data, end, missing, _STEPS)
    return end


def _look_behind(likelihood: Likelihood, data: Any, end: End) -> End:
    """Go for the other minimum of folded parameters where it is lower.

    A few cheap steps from the other side of each such parameter tell; what remains of the way is
    gone only by toys that are lower then, and a toy that does not arrive stays where it was.
    """
    best = end
    for k in likelihood.folded:
        there = _mirrored(likelihood, best, k)
        nothing = no_correction(likelihood, there)
        other = descend(likelihood, data, begin(likelihood, there), nothing, _LOOK_STEPS)
        lower = np.asarray(other.here.nll) < np.asarray(best.here.nll) - _LOWER
        best = _choose(lower & np.asarray(end.arrived & other.finite), other, best)
    if best is end:
        return end
    best = _arrive(likelihood, data, best)
    return _choose(np.asarray(best.arrived), best, end)


def _mirrored(likelihood: Likelihood, end: End, k: int) -> NDArray[np.float64]:
    """The other side of parameter k, at least a standard deviation away from the middle."""
    theta = np.array(end.theta, dtype=np.float64)
    diagonal = np.asarray(diagonals_of(end.here.curvature))
    curvature = np.maximum(diagonal[:, k], np.finfo(float).tiny)
    away = np.fmax(np.abs(theta[:, k]), 1 / np.sqrt(curvature))
    theta[:, k] = np.clip(-np.copysign(away, theta[:, k]), *likelihood.bounds[k])
    return theta


def _choose(first: NDArray[np.bool_], one: End, other: End) -> End:
    """For each toy the first end or the other."""
    if not first.any():
        return other

    def pick(a: Any, b: Any) -> NDArray[Any]:
        toys = first.reshape(-1, *[1] * (np.ndim(a) - 1))
        return np.asarray(np.where(toys, a, b))

    chosen: End = jax.tree.map(pick, one, other)
    return chosen


def _finish_batch(
    likelihood: Likelihood, data: Any, end: End, *, variances_only: bool = False
) -> Minimum:
    """Estimate, minimum, covariance and status of each descent."""
    exact = likelihood.exact
    hessian: Any = end.here.curvature if exact else _hessian(likelihood, data, end.theta)
    finish = _finish_variances if variances_only and isinstance(hessian, Arrow) else _finish
    *columns, weakness = (np.array(column) for column in finish(likelihood, data, end, hessian))
    found = Minimum(*columns)
    weak = np.asarray(end.arrived) & ~(weakness * _WEAK < 1)
    if weak.any() and finish is _finish_variances:  # whose measure of weakness is coarse
        return _finish_batch(likelihood, data, end)
    if weak.any():
        _judge_weak(likelihood, data, end, dense(hessian), weak, found)
    return found


def _judge_weak(
    likelihood: Likelihood,
    data: Any,
    end: End,
    hessian: NDArray[np.float64],
    weak: NDArray[np.bool_],
    found: Minimum,
) -> None:
    """Bring toys with weak directions to the bottom, and judge these there; in place."""
    rows = np.flatnonzero(weak)
    theta, nll = np.array(end.theta), np.array(end.here.nll)
    gradient, held = np.array(end.here.gradient), np.asarray(_holds(likelihood, end))[rows]
    terms = sum(int(np.prod(np.shape(leaf)[1:])) for leaf in jax.tree.leaves(data))

    def directions(still: NDArray[np.bool_]) -> Spectrum:
        outside = still[:, :, None] | still[:, None, :]
        moving = np.where(outside, np.eye(still.shape[1]), hessian[rows])
        size = terms + np.abs(nll[rows])
        return spectrum(moving, terms=terms, size=size, theta=theta[rows])

    for _ in range(_POLISHING):
        trial = theta.copy()
        trial[rows] += _newton_step(directions(held), gradient[rows], held)
        trial = np.clip(trial, *likelihood.bounds.T)
        there = _expand(likelihood, data, trial)
        lower = np.asarray(there.nll) <= nll + ROUNDING * np.abs(nll)
        better = rows[lower[rows] & np.any(trial != theta, axis=1)[rows]]
        if not len(better):
            break
        for old, new in zip(
            (theta, nll, gradient), (trial, there.nll, there.gradient), strict=True
        ):
            old[better] = np.asarray(new)[better]
        hessian = dense(_hessian(likelihood, data, theta))
    found_here = directions(held)
    pushed = held & np.asarray(
        _pushed(likelihood, gradient[rows], np.diagonal(hessian[rows], axis1=1, axis2=2))
    )
    flat = found_here.flat | directions(pushed).flat
    inside = ~(held[:, :, None] | held[:, None, :])
    covariance = np.where(inside, found_here.inverse, np.nan)
    definite = ~flat.any(axis=1) & ~np.asarray(_exceeds(likelihood, covariance))
    at_bound = (held & ~likelihood.fixed).any(axis=1)
    good = np.where(at_bound, FitStatus.AT_BOUND, FitStatus.CONVERGED)
    found.nll[rows] += nll[rows] - np.asarray(end.here.nll)[rows]
    found.estimate[rows] = theta[rows]
    found.covariance[rows] = np.where(definite[:, None, None], covariance, np.nan)
    found.status[rows] = np.where(definite, good, FitStatus.NOT_POSITIVE_DEFINITE)


def _newton_step(
    directions: Spectrum, gradient: NDArray[np.float64], held: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """To the bottom along all directions that are not flat, shape (toys, parameters)."""
    downhill = -np.where(held, 0.0, gradient) * directions.scale
    along = np.einsum("tki,tk->ti", directions.vectors, downhill)
    far = np.where(directions.flat, 0.0, along / np.where(directions.flat, 1.0, directions.values))
    return np.asarray(np.einsum("tki,ti->tk", directions.vectors, far) * directions.scale)


def _pushed(likelihood: Likelihood, gradient: Any, diagonal: Any) -> Any:
    """Whether a held parameter is fixed, or kept by its bound and not by rounding; (..., n)."""
    curvature = jnp.abs(diagonal)
    return jnp.asarray(likelihood.fixed) | (jnp.square(gradient) > _WEAK**2 * curvature)


def _exceeds(likelihood: Likelihood, covariance: Any) -> Any:
    """Whether an error is larger than the range of its parameter; shape (...,)."""
    low, high = likelihood.bounds.T
    variance = jnp.diagonal(covariance, axis1=-2, axis2=-1)
    return jnp.any(variance > (high - low) ** 2, axis=-1)


def _power_of_two(n: int) -> int:
    """The next one: few shapes to compile for."""
    return 1 << max(n - 1, 0).bit_length()


def _take(data: Any, toys: NDArray[np.int_]) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[toys], data)


@jit
def _hessian(likelihood: Likelihood, data: Any, theta: jax.Array) -> Any:
    return each_toy(likelihood, likelihood.outlined_hessian, theta, data)


@jit
def _expand(likelihood: Likelihood, data: Any, theta: jax.Array) -> Expansion:
    expanded: Expansion = each_toy(likelihood, likelihood.outline, theta, data)
    return expanded


@jit
def _holds(likelihood: Likelihood, end: End) -> jax.Array:
    return jax.vmap(partial(held_at, likelihood))(end.theta, end.here.gradient)


@jit
def _finish(
    likelihood: Likelihood, data: Any, end: End, hessian: Any
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """Estimate, minimum, covariance, status and weakness of each descent."""
    ended: tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]
    ended = each_toy(likelihood, partial(_finish_one, likelihood, invert), data, end, hessian)
    return ended


@jit
def _finish_variances(
    likelihood: Likelihood, data: Any, end: End, hessian: Arrow
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """The same without covariances of two parameters."""

    def diagonal(matrix: Arrow) -> jax.Array:
        return jnp.diag(variances(matrix))

    ended: tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]
    ended = each_toy(likelihood, partial(_finish_one, likelihood, diagonal), data, end, hessian)
    return ended


def _finish_one(
    likelihood: Likelihood,
    inverted: Callable[[Any], jax.Array],
    data: Any,
    end: End,
    hessian: Any,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    held = held_at(likelihood, end.theta, end.here.gradient)
    moving = reduced(hessian, held)
    inverse = inverted(moving)
    definite = jnp.all(jnp.isfinite(inverse))
    outside = held[:, None] | held[None, :]
    usable = definite & ~_exceeds(likelihood, jnp.where(outside, 0.0, inverse))
    pushed = _pushed(likelihood, end.here.gradient, diagonal_of(hessian))
    at_bound = jnp.any(held & ~jnp.asarray(likelihood.fixed))
    good = jnp.where(at_bound, FitStatus.AT_BOUND, FitStatus.CONVERGED)
    ended = jnp.where(usable, good, FitStatus.NOT_POSITIVE_DEFINITE)
    stuck = jnp.where(end.finite, FitStatus.ITERATION_LIMIT, FitStatus.NON_FINITE)
    return (
        end.theta,
        jnp.where(jnp.isfinite(end.here.nll), end.here.nll + likelihood.constant(data), jnp.nan),
        jnp.where(outside | ~(end.arrived & usable), jnp.nan, inverse),
        jnp.where(end.arrived, ended, stuck).astype(jnp.int8),
        jnp.where(
            jnp.any(held & ~pushed),
            jnp.inf,
            weakness(moving, inverse, whole=inverted is invert),
        ),
    )
