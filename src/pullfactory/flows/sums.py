"""Sums over events of the log density of one observable given others, and its derivatives.

With J_S the derivatives of S by the coefficients and J_L those of log dS/dq, the gradient of the
log density is J_L - S J_S, and minus its Hessian J_S J_S^T + J_L J_L^T plus, for the coefficients
of each b_m, (S exp(b_m) I_m - exp(b_m) D_m / (dS/dq)) f f^T with the features f of b_m. Without the
last term it is positive (Gauss and Newton).
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jit, jnp
from pullfactory.flows.conditional import Conditional

_CHUNK = 2**13  # events at a time: what they need stays near the size of a processor's cache


class FlowSample(NamedTuple):
    """Calibration events at one point.

    Attributes:
        theta: Where, shape (parameters,), in the parameters' units.
        scores: Normal scores of the observables in the order of the map, shape (observables,
            events).
        weights: Of the events, shape (events,), of any scale; None for ones.
        owner: Number of the independent sample. Points of one number have the same events, in the
            same order.
    """

    theta: NDArray[np.float64]
    scores: NDArray[np.float64]
    weights: NDArray[np.float64] | None
    owner: int

    @property
    def events(self) -> int:
        """Number of events."""
        return int(self.scores.shape[1])

    @property
    def weight(self) -> float:
        """Sum of weights."""
        return float(self.events if self.weights is None else self.weights.sum())

    @property
    def effective(self) -> float:
        """Effective number of events, (sum of w)^2 / sum of w^2; 0 if all have no weight."""
        if self.weights is None:
            return float(self.events)
        squares = float(np.sum(np.square(self.weights)))
        return self.weight**2 / squares if squares > 0.0 else 0.0

    def scaled(self) -> "FlowSample":
        """The same point with the effective number of events for the sum of the weights."""
        if self.weights is None or self.weight == 0.0:
            return self
        return self._replace(weights=self.weights * (self.effective / self.weight))

    def part(self, events: slice) -> "FlowSample":
        """The same point with some of its events."""
        weights = None if self.weights is None else self.weights[events]
        return self._replace(scores=self.scores[:, events], weights=weights)

    def chunks(self) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Scores and weights of a fixed number of events at a time, padded with weight 0."""
        n = self.scores.shape[1]
        for first in range(0, n, _CHUNK):
            last = min(first + _CHUNK, n)
            scores = np.zeros((len(self.scores), _CHUNK))
            weights = np.zeros(_CHUNK)
            scores[:, : last - first] = self.scores[:, first:last]
            weights[: last - first] = 1.0 if self.weights is None else self.weights[first:last]
            yield scores, weights


class DensitySums(NamedTuple):
    """Sums over events.

    Attributes:
        value: Of the log density.
        gradient: By the coefficients, shape (size,).
        outline: Minus its Hessian without second derivatives of the map, shape (size, size).
        hessian: Minus its Hessian, same shape.
        weight: Sum of weights.
    """

    value: float
    gradient: NDArray[np.float64]
    outline: NDArray[np.float64]
    hessian: NDArray[np.float64]
    weight: float


def density_sums(
    conditional: Conditional, sample: FlowSample, coefficients: NDArray[np.float64]
) -> DensitySums:
    """Sums over the events of one point.

    Args:
        conditional: The map.
        sample: The point.
        coefficients: There, shape (size,).
    """
    size, k = conditional.size, conditional.before
    value, weight, gradient = 0.0, 0.0, np.zeros(size)
    outline, hessian = np.zeros((size, size)), np.zeros((size, size))
    for scores, weights in sample.chunks():
        found = _sums(conditional, scores[: k + 1], weights, coefficients)
        each = [np.asarray(part) for part in found]
        value += float(each[0])
        gradient += each[1]
        outline += each[2]
        hessian += each[3]
        weight += float(weights.sum())
    return DensitySums(value, gradient, outline, outline + hessian, weight)


def log_densities(
    conditional: Conditional, sample: FlowSample, coefficients: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Log density of each event of one point, shape (events,); arguments of `density_sums`."""
    parts = [
        np.asarray(_values(conditional, scores[: conditional.before + 1], coefficients))
        for scores, _ in sample.chunks()
    ]
    return np.concatenate(parts)[: sample.scores.shape[1]]


@partial(jit, static_argnames="conditional")
def event_gradients(conditional: Conditional, scores: Array, coefficients: Array) -> jax.Array:
    """Gradient of the log density of each event by the coefficients, shape (size, events).

    Args:
        conditional: The map.
        scores: Of the observables before it and its own, shape (1 + before, events).
        coefficients: Shape (size,).
    """
    own = _terms(conditional, scores, coefficients)
    pull = own.shares - own.value * own.heights
    inner = pull[:, None, :] * own.shapes[None, :, :]
    return jnp.concatenate([-own.value * own.shifts, inner.reshape(-1, inner.shape[-1])])


class _Terms(NamedTuple):
    """Of events, which are the last axis.

    Attributes:
        value: S.
        slope: Of it.
        shifts: Features of a.
        shapes: Features of b_m.
        heights: exp(b_m) I_m, for each m.
        shares: exp(b_m) D_m over the slope, for each m.
    """

    value: jax.Array
    slope: jax.Array
    shifts: jax.Array
    shapes: jax.Array
    heights: jax.Array
    shares: jax.Array


def _terms(conditional: Conditional, scores: Array, coefficients: Array) -> _Terms:
    k, weights = conditional.before, jnp.asarray(coefficients)
    parts = conditional.parts([scores[j] for j in range(k)], scores[k])
    shifts, shapes = jnp.stack(parts.shifts), jnp.stack(parts.shapes)
    inner = weights[conditional.shifts :].reshape(-1, conditional.shapes)
    height = jnp.exp(inner @ shapes)
    shares = height * jnp.stack(parts.bumps)
    slope = shares.sum(0)
    heights = height * jnp.stack(parts.integrals)
    value = weights[: conditional.shifts] @ shifts + heights.sum(0)
    return _Terms(value, slope, shifts, shapes, heights, shares / slope)


@partial(jit, static_argnames="conditional")
def _sums(
    conditional: Conditional, scores: Array, weights: Array, coefficients: Array
) -> tuple[jax.Array, ...]:
    """Products of the features of the b_m are summed once for all pairs (m, m')."""
    own, weight = _terms(conditional, scores, coefficients), jnp.asarray(weights)
    a, f, m = conditional.shifts, conditional.shapes, len(own.heights)
    value = weight @ (jnp.log(own.slope) - 0.5 * own.value**2)
    gradient = jnp.concatenate(
        [
            -own.shifts @ (weight * own.value),
            (((own.shares - own.value * own.heights) * weight) @ own.shapes.T).ravel(),
        ]
    )
    row, column = np.triu_indices(m)
    pairs = own.heights[row] * own.heights[column] + own.shares[row] * own.shares[column]
    bend = own.value * own.heights - own.shares
    i, j = np.triu_indices(f)
    products = (own.shapes[i] * own.shapes[j] * weight) @ jnp.concatenate([pairs, bend]).T
    every = jnp.zeros((f, f, products.shape[1]))
    every = every.at[i, j].set(products).at[j, i].set(products)
    inner = jnp.zeros((m, m, f, f))
    inner = inner.at[row, column].set(jnp.moveaxis(every[:, :, : len(row)], 2, 0))
    inner = inner.at[column, row].set(jnp.moveaxis(every[:, :, : len(row)], 2, 0))
    corner = inner.transpose(0, 2, 1, 3).reshape(m * f, m * f)
    mixed = own.heights[:, None, :] * own.shapes[None, :, :]
    side = (own.shifts * weight) @ mixed.reshape(m * f, -1).T
    outline = jnp.block([[(own.shifts * weight) @ own.shifts.T, side], [side.T, corner]])
    extra = jnp.zeros_like(outline)
    for n in range(m):
        at = slice(a + n * f, a + (n + 1) * f)
        extra = extra.at[at, at].set(every[:, :, len(row) + n])
    return value, gradient, outline, extra


@partial(jit, static_argnames="conditional")
def _values(conditional: Conditional, scores: Array, coefficients: Array) -> jax.Array:
    k = conditional.before
    return conditional.log_density([scores[j] for j in range(k)], scores[k], coefficients)
