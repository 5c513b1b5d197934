"""The batched minimiser: damped Newton steps on a box, every toy at once.

Levenberg's damping of the curvature (Marquardt 1963, doi:10.1137/0111030) with an active set:
parameters at a bound whose gradient pushes outward do not step, the step of the others is
projected onto the box (Bertsekas 1982, doi:10.1137/0320018). A step that does not lower a finite
likelihood is rejected and damped more. Steps come in rounds. In the first the curvature is the
likelihood's own, cheap one; in the others it is completed by what it lacks of the Hessian where
the round begins, for the toys that have not arrived. A minimum beside which the likelihood may
have another is left for that one where it is lower.

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
from pullfactory.fitting.elimination import invert, solve, variances
from pullfactory.fitting.resolution import Spectrum, spectrum
from pullfactory.fitting.status import FitStatus
from pullfactory.likelihoods import Expansion, Likelihood
from pullfactory.likelihoods.arrow import Arrow

_TOLERANCE = 1e-9
"""Estimated distance to the minimum, in units of the NLL: 4e-5 standard deviations."""
_SMALL = 1e-4
"""The same before a full step after which `_LEFT` remains, if it contracts as the one before."""
_LEFT = 1e-15
_FIRST_STEPS = 4  # with the cheap curvature: what remains is small beside a standard deviation
_LARGE_STEPS = 6  # the same in an arrow
_STEPS = 10  # of every other round
_ROUNDS = 12
_SHORTEST = 1 / 16  # part of a step
_LOOK_STEPS = 6  # towards another minimum: what remains is small beside what is worth going for
_LOWER = 1e-5  # in units of the NLL: by how much another minimum has to be lower to be taken
_FIRST_DAMPING = 1e-3
_LAST_DAMPING = 1e12
_WEAK = (2 * _TOLERANCE) ** 0.5
"""Eigenvalue, for a unit diagonal, that may be an effect of the distance left to the minimum: with
d of the NLL left, the gradient in units of the errors is sqrt(2 d), and the valley bends by no more
than one error an error."""
_POLISHING = 4  # steps to the bottom of the valley: each squares what is left
_ROUNDING = 1e-14  # relative; a step may raise the likelihood by this much


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


class _State(NamedTuple):
    """Where a descent is.

    Attributes:
        last: Distance to the minimum that was predicted before the step that led here.
    """

    theta: jax.Array
    here: Expansion
    damping: jax.Array
    last: jax.Array
    arrived: jax.Array
    finite: jax.Array
    iterations: jax.Array
    done: jax.Array


class _End(NamedTuple):
    """Where a descent ended, whether at a minimum, and whether its last step was finite."""

    theta: Any
    here: Expansion
    arrived: Any
    finite: Any


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
    end = _descend(likelihood, data, _begin(likelihood, theta), _nothing(likelihood, theta), 1)
    end = end._replace(arrived=end.finite)
    return _finish_batch(likelihood, data, end)


def _minimise_batch(
    likelihood: Likelihood, data: Any, start: NDArray[np.float64], *, variances_only: bool
) -> Minimum:
    """Rounds of cheap steps; what has not arrived goes on with the Hessian of where it is."""
    missing = _nothing(likelihood, start)
    cheap = _FIRST_STEPS if likelihood.layout is None else _LARGE_STEPS
    steps = _STEPS if likelihood.exact else cheap
    coarse = likelihood.coarsen(data)
    if coarse is not None:
        near = _descend(likelihood, coarse, _begin(likelihood, start), missing, steps)
        start = np.where(np.asarray(near.arrived)[:, None], near.theta, start)
    end = _descend(likelihood, data, _begin(likelihood, start), missing, steps)
    end = _arrive(likelihood, data, end)
    if likelihood.folded:
        end = _look_behind(likelihood, data, end)
    return _finish_batch(likelihood, data, end, variances_only=variances_only)


def _arrive(likelihood: Likelihood, data: Any, end: _End) -> _End:
    """Rounds of steps until every toy has arrived or cannot."""
    missing = _nothing(likelihood, end.theta)
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
        end = _descend(likelihood, data, end, missing, _STEPS)
    return end


def _look_behind(likelihood: Likelihood, data: Any, end: _End) -> _End:
    """Go for the other minimum of folded parameters where it is lower.

    A few cheap steps from the other side of each such parameter tell; what remains of the way is
    gone only by toys that are lower then, and a toy that does not arrive stays where it was.
    """
    best = end
    for k in likelihood.folded:
        there = _mirrored(likelihood, best, k)
        nothing = _nothing(likelihood, there)
        other = _descend(likelihood, data, _begin(likelihood, there), nothing, _LOOK_STEPS)
        lower = np.asarray(other.here.nll) < np.asarray(best.here.nll) - _LOWER
        best = _choose(lower & np.asarray(end.arrived & other.finite), other, best)
    if best is end:
        return end
    best = _arrive(likelihood, data, best)
    return _choose(np.asarray(best.arrived), best, end)


def _mirrored(likelihood: Likelihood, end: _End, k: int) -> NDArray[np.float64]:
    """The other side of parameter k, at least a standard deviation away from the middle."""
    theta = np.array(end.theta, dtype=np.float64)
    diagonal = np.asarray(_diagonals(end.here.curvature))
    curvature = np.maximum(diagonal[:, k], np.finfo(float).tiny)
    away = np.fmax(np.abs(theta[:, k]), 1 / np.sqrt(curvature))
    theta[:, k] = np.clip(-np.copysign(away, theta[:, k]), *likelihood.bounds[k])
    return theta


def _choose(first: NDArray[np.bool_], one: _End, other: _End) -> _End:
    """For each toy the first end or the other."""
    if not first.any():
        return other

    def pick(a: Any, b: Any) -> NDArray[Any]:
        toys = first.reshape(-1, *[1] * (np.ndim(a) - 1))
        return np.asarray(np.where(toys, a, b))

    chosen: _End = jax.tree.map(pick, one, other)
    return chosen


def _finish_batch(
    likelihood: Likelihood, data: Any, end: _End, *, variances_only: bool = False
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
        _judge_weak(likelihood, data, end, _dense(hessian), weak, found)
    return found


def _judge_weak(
    likelihood: Likelihood,
    data: Any,
    end: _End,
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
        lower = np.asarray(there.nll) <= nll + _ROUNDING * np.abs(nll)
        better = rows[lower[rows] & np.any(trial != theta, axis=1)[rows]]
        if not len(better):
            break
        for old, new in zip(
            (theta, nll, gradient), (trial, there.nll, there.gradient), strict=True
        ):
            old[better] = np.asarray(new)[better]
        hessian = _dense(_hessian(likelihood, data, theta))
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


def _begin(likelihood: Likelihood, start: NDArray[np.float64]) -> _End:
    """Before the first evaluation: anything finite is better, and the first step goes nowhere."""
    toys = len(start)
    identity = _units(likelihood, start, 1.0)
    here: Any = (np.full(toys, np.inf), np.zeros_like(start), identity)
    return _End(start, Expansion(*here), np.zeros(toys, dtype=bool), np.ones(toys, dtype=bool))


def _nothing(likelihood: Likelihood, start: NDArray[np.float64]) -> Any:
    """No correction of the curvature."""
    return _units(likelihood, start, 0.0)


def _units(likelihood: Likelihood, start: NDArray[np.float64], scale: float) -> Any:
    """Curvatures of all toys that are multiples of the unit matrix."""
    toys, parameters = start.shape
    if likelihood.layout is not None:
        return Arrow.identity(likelihood.layout, toys, scale)
    return np.tile(scale * np.eye(parameters), (toys, 1, 1))


def _power_of_two(n: int) -> int:
    """The next one: few shapes to compile for."""
    return 1 << max(n - 1, 0).bit_length()


def _take(data: Any, toys: NDArray[np.int_]) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[toys], data)


@jit
def _hessian(likelihood: Likelihood, data: Any, theta: jax.Array) -> Any:
    return _each(likelihood, likelihood.outlined_hessian, theta, data)


@jit
def _expand(likelihood: Likelihood, data: Any, theta: jax.Array) -> Expansion:
    expanded: Expansion = _each(likelihood, likelihood.outline, theta, data)
    return expanded


@jit
def _diagonals(matrix: Any) -> jax.Array:
    return jax.vmap(_diagonal)(matrix)


@jit
def _holds(likelihood: Likelihood, end: _End) -> jax.Array:
    return jax.vmap(partial(_held, likelihood))(end.theta, end.here.gradient)


@jit
def _descend(likelihood: Likelihood, data: Any, begin: _End, missing: Any, steps: int) -> _End:
    """One round of steps of each toy that has not arrived."""

    def one(toy: Any, begin: _End, lacks: Any) -> _End:
        last = _descend_one(likelihood, toy, begin, lacks, steps)
        return _End(last.theta, last.here, last.arrived, last.finite)

    ended: _End = _each(likelihood, one, data, begin, missing)
    return ended


def _descend_one(
    likelihood: Likelihood, data: Any, begin: _End, missing: Any, steps: int
) -> _State:
    lower, upper = jnp.asarray(likelihood.bounds).T

    def step(state: _State) -> _State:
        here = state.here
        begun = jnp.isfinite(here.nll)
        held = _held(likelihood, state.theta, here.gradient)
        gradient = jnp.where(held, 0.0, here.gradient)
        matrix = _reduce(jax.tree.map(jnp.add, here.curvature, missing), held)
        diagonal = _diagonal(matrix)
        damped = _with(matrix, state.damping * jnp.where(diagonal > 0, diagonal, 1.0))
        move = solve(damped, -gradient)
        length = _length(likelihood, data, state.theta, move)
        trial = jnp.clip(state.theta + length * move, lower, upper)
        there = likelihood.outline(trial, data)
        usable = jnp.all(jnp.isfinite(move))
        distance = -0.5 * jnp.dot(gradient, move) * (1.0 + state.damping)
        finite = jnp.isfinite(there.nll) & jnp.all(jnp.isfinite(there.gradient))
        allowed = _ROUNDING * jnp.abs(here.nll)
        accept = usable & finite & (~begun | (there.nll <= here.nll + allowed))
        eased = jnp.where(state.damping > _FIRST_DAMPING, 0.1 * state.damping, 0.0)
        raised = jnp.maximum(10.0 * state.damping, _FIRST_DAMPING)
        damping = jnp.where(accept, eased, raised)
        count = state.iterations + 1
        full = accept & (state.damping == 0) & (length == 1)
        near = usable & (distance < _TOLERANCE)
        near |= full & (distance < _SMALL) & (distance**2 < _LEFT * state.last)
        near &= begun
        return _State(
            theta=jnp.where(accept, trial, state.theta),
            here=jax.tree.map(lambda new, old: jnp.where(accept, new, old), there, here),
            damping=damping,
            last=jnp.where(full & begun, distance, 1.0),
            arrived=near,
            finite=finite | ~usable | (begun & (damping <= _LAST_DAMPING)),
            iterations=count,
            done=near | (damping > _LAST_DAMPING) | (count >= steps) | ~(begun | accept),
        )

    initial = _State(
        theta=begin.theta,
        here=begin.here,
        damping=jnp.zeros(()),
        last=jnp.ones(()),
        arrived=begin.arrived,
        finite=begin.finite,
        iterations=jnp.zeros((), dtype=int),
        done=begin.arrived | ~begin.finite,
    )
    return jax.lax.while_loop(lambda state: ~state.done, step, initial)


def _length(
    likelihood: Likelihood, data: Any, theta: jax.Array, move: jax.Array
) -> jax.Array | float:
    """The part of a step to go: in a large model half of it, as long as that is lower.

    The likelihood alone costs little there beside its curvature and the equations of a step.
    """
    if likelihood.layout is None:
        return 1.0
    lower, upper = jnp.asarray(likelihood.bounds).T

    def at(length: jax.Array) -> jax.Array:
        return likelihood.outline(jnp.clip(theta + length * move, lower, upper), data).nll

    def shorter(state: tuple[jax.Array, jax.Array, jax.Array]) -> jax.Array:
        length, whole, half = state
        allowed = _ROUNDING * jnp.abs(half)
        return jnp.all(jnp.isfinite(move)) & (length > _SHORTEST) & ~(whole <= half + allowed)

    def halve(
        state: tuple[jax.Array, jax.Array, jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        length, _, half = state
        return 0.5 * length, half, at(0.25 * length)

    one = jnp.ones(())
    length, _, _ = jax.lax.while_loop(shorter, halve, (one, at(one), at(0.5 * one)))
    return length


@jit
def _finish(
    likelihood: Likelihood, data: Any, end: _End, hessian: Any
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """Estimate, minimum, covariance, status and weakness of each descent."""
    ended: tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]
    ended = _each(likelihood, partial(_finish_one, likelihood, invert), data, end, hessian)
    return ended


@jit
def _finish_variances(
    likelihood: Likelihood, data: Any, end: _End, hessian: Arrow
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    """The same without covariances of two parameters."""

    def diagonal(matrix: Arrow) -> jax.Array:
        return jnp.diag(variances(matrix))

    ended: tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]
    ended = _each(likelihood, partial(_finish_one, likelihood, diagonal), data, end, hessian)
    return ended


def _finish_one(
    likelihood: Likelihood,
    inverted: Callable[[Any], jax.Array],
    data: Any,
    end: _End,
    hessian: Any,
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array, jax.Array]:
    held = _held(likelihood, end.theta, end.here.gradient)
    moving = _reduce(hessian, held)
    inverse = inverted(moving)
    definite = jnp.all(jnp.isfinite(inverse))
    outside = held[:, None] | held[None, :]
    usable = definite & ~_exceeds(likelihood, jnp.where(outside, 0.0, inverse))
    pushed = _pushed(likelihood, end.here.gradient, _diagonal(hessian))
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
            _weakness(moving, inverse, whole=inverted is invert),
        ),
    )


def _held(likelihood: Likelihood, theta: jax.Array, gradient: jax.Array) -> jax.Array:
    """Parameters that do not step: fixed, or at a bound with a gradient that pushes outward."""
    lower, upper = jnp.asarray(likelihood.bounds).T
    outward = ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
    return jnp.asarray(outward | likelihood.fixed)


def _weakness(matrix: Any, inverse: jax.Array, *, whole: bool) -> jax.Array:
    """No less than 1 / smallest eigenvalue, for a unit diagonal.

    It is the sum of all of these; of many, where the inverse is whole, the fourth root of the sum
    of their fourth powers.
    """
    diagonal = _diagonal(matrix)
    if not isinstance(matrix, Arrow) or not whole:
        return jnp.sum(jnp.diag(inverse) * diagonal)
    scale = jnp.sqrt(diagonal)
    scaled = inverse * jnp.outer(scale, scale)
    return jnp.sqrt(jnp.linalg.norm(scaled @ scaled))


def _reduce(matrix: Any, held: jax.Array) -> Any:
    """The matrix with unit rows and columns for the parameters that are held."""
    if isinstance(matrix, Arrow):
        return matrix.reduce(held)
    return jnp.where(held[:, None] | held[None, :], jnp.eye(len(held)), matrix)


def _diagonal(matrix: Any) -> jax.Array:
    return matrix.diagonal() if isinstance(matrix, Arrow) else jnp.diag(matrix)


def _with(matrix: Any, diagonal: jax.Array) -> Any:
    """The matrix with something added to its diagonal."""
    return matrix.plus(diagonal) if isinstance(matrix, Arrow) else matrix + jnp.diag(diagonal)


def _dense(matrix: Any) -> NDArray[np.float64]:
    """The matrices of a batch with all their entries."""
    return np.asarray(_filled(matrix) if isinstance(matrix, Arrow) else matrix)


@jit
def _filled(matrix: Arrow) -> jax.Array:
    return jax.vmap(Arrow.dense)(matrix)


def _each(likelihood: Likelihood, one: Callable[..., Any], *trees: Any) -> Any:
    """A function of every toy: of all side by side, or of some after the others."""
    if likelihood.abreast is None:
        return jax.vmap(one)(*trees)
    toys = len(jax.tree.leaves(trees)[0])
    width = min(likelihood.abreast, toys)

    def divide(leaf: Any) -> jax.Array:
        return jnp.reshape(leaf, (toys // width, width, *np.shape(leaf)[1:]))

    found = jax.lax.map(lambda some: jax.vmap(one)(*some), jax.tree.map(divide, trees))
    return jax.tree.map(lambda leaf: jnp.reshape(leaf, (toys, *leaf.shape[2:])), found)
