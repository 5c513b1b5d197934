"""Damped Newton steps on a box: a round of steps of every toy.

Levenberg's damping of the curvature (Marquardt 1963, doi:10.1137/0111030) with an active set:
parameters at a bound whose gradient pushes outward do not step, the step of the others is
projected onto the box (Bertsekas 1982, doi:10.1137/0320018). A step that does not lower a finite
likelihood is rejected and damped more.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit, jnp
from pullfactory.fitting.elimination import solve
from pullfactory.fitting.matrices import diagonal_of, plus, reduced, units
from pullfactory.likelihoods import Expansion, Likelihood

TOLERANCE = 1e-9
"""Estimated distance to the minimum, in units of the NLL: 4e-5 standard deviations."""
ROUNDING = 1e-14  # relative; a step may raise the likelihood by this much
_SMALL = 1e-4
"""The same before a full step after which `_LEFT` remains, if it contracts as the one before."""
_LEFT = 1e-15
_SHORTEST = 1 / 16  # part of a step
_FIRST_DAMPING = 1e-3
_LAST_DAMPING = 1e12


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


class End(NamedTuple):
    """Where a descent ended, whether at a minimum, and whether its last step was finite."""

    theta: Any
    here: Expansion
    arrived: Any
    finite: Any


@jit
def descend(likelihood: Likelihood, data: Any, begin: End, missing: Any, steps: int) -> End:
    """One round of steps of each toy that has not arrived."""

    def one(toy: Any, begin: End, lacks: Any) -> End:
        last = _descend_one(likelihood, toy, begin, lacks, steps)
        return End(last.theta, last.here, last.arrived, last.finite)

    ended: End = each_toy(likelihood, one, data, begin, missing)
    return ended


def _descend_one(likelihood: Likelihood, data: Any, begin: End, missing: Any, steps: int) -> _State:
    lower, upper = jnp.asarray(likelihood.bounds).T

    def step(state: _State) -> _State:
        here = state.here
        begun = jnp.isfinite(here.nll)
        held = held_at(likelihood, state.theta, here.gradient)
        gradient = jnp.where(held, 0.0, here.gradient)
        matrix = reduced(jax.tree.map(jnp.add, here.curvature, missing), held)
        diagonal = diagonal_of(matrix)
        damped = plus(matrix, state.damping * jnp.where(diagonal > 0, diagonal, 1.0))
        move = solve(damped, -gradient)
        length = _length(likelihood, data, state.theta, move)
        trial = jnp.clip(state.theta + length * move, lower, upper)
        there = likelihood.outline(trial, data)
        usable = jnp.all(jnp.isfinite(move))
        distance = -0.5 * jnp.dot(gradient, move) * (1.0 + state.damping)
        finite = jnp.isfinite(there.nll) & jnp.all(jnp.isfinite(there.gradient))
        allowed = ROUNDING * jnp.abs(here.nll)
        accept = usable & finite & (~begun | (there.nll <= here.nll + allowed))
        eased = jnp.where(state.damping > _FIRST_DAMPING, 0.1 * state.damping, 0.0)
        raised = jnp.maximum(10.0 * state.damping, _FIRST_DAMPING)
        damping = jnp.where(accept, eased, raised)
        count = state.iterations + 1
        full = accept & (state.damping == 0) & (length == 1)
        near = usable & (distance < TOLERANCE)
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
        allowed = ROUNDING * jnp.abs(half)
        return jnp.all(jnp.isfinite(move)) & (length > _SHORTEST) & ~(whole <= half + allowed)

    def halve(
        state: tuple[jax.Array, jax.Array, jax.Array],
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        length, _, half = state
        return 0.5 * length, half, at(0.25 * length)

    one = jnp.ones(())
    length, _, _ = jax.lax.while_loop(shorter, halve, (one, at(one), at(0.5 * one)))
    return length


def held_at(likelihood: Likelihood, theta: jax.Array, gradient: jax.Array) -> jax.Array:
    """Parameters that do not step: fixed, or at a bound with a gradient that pushes outward."""
    lower, upper = jnp.asarray(likelihood.bounds).T
    outward = ((theta <= lower) & (gradient > 0)) | ((theta >= upper) & (gradient < 0))
    return jnp.asarray(outward | likelihood.fixed)


def begin(likelihood: Likelihood, start: NDArray[np.float64]) -> End:
    """Before the first evaluation: anything finite is better, and the first step goes nowhere."""
    toys = len(start)
    identity = units(likelihood, start, 1.0)
    here: Any = (np.full(toys, np.inf), np.zeros_like(start), identity)
    return End(start, Expansion(*here), np.zeros(toys, dtype=bool), np.ones(toys, dtype=bool))


def no_correction(likelihood: Likelihood, start: NDArray[np.float64]) -> Any:
    """No correction of the curvature."""
    return units(likelihood, start, 0.0)


def each_toy(likelihood: Likelihood, one: Callable[..., Any], *trees: Any) -> Any:
    """A function of every toy: of all side by side, or of some after the others."""
    if likelihood.abreast is None:
        return jax.vmap(one)(*trees)
    toys = len(jax.tree.leaves(trees)[0])
    width = min(likelihood.abreast, toys)

    def divide(leaf: Any) -> jax.Array:
        return jnp.reshape(leaf, (toys // width, width, *np.shape(leaf)[1:]))

    found = jax.lax.map(lambda some: jax.vmap(one)(*some), jax.tree.map(divide, trees))
    return jax.tree.map(lambda leaf: jnp.reshape(leaf, (toys, *leaf.shape[2:])), found)
