"""The density of one observable given those before it, by a map onto a standard normal number.

With normal scores q of the observables, the map of the k-th is

S_k = a(q_<k) + sum over m of exp(b_m(q_<k)) I_m(q_k)

(a monotone triangular map of Knothe and Rosenblatt, doi:10.1214/aoms/1177729394; monotone by the
integral of a positive function as in Baptista, Marzouk and Zahm, doi:10.1007/s10208-023-09630-x).
The I_m are integrals of D_m, a positive partition of unity by algebraic sigmoids at five knots,
with linear tails; a and b_m are sums of products of Chebyshev polynomials of q / sqrt(1 + q^2 / 9),
which stay bounded, and a has terms linear in q besides. A Gaussian copula is inside: a linear, b
constant. The conditional density phi(S_k) sum_m exp(b_m) D_m is positive and normalised for all
coefficients.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jnp

KNOTS = (-2.2, -1.1, 0.0, 1.1, 2.2)
"""Centres of the sigmoids, as normal scores."""
BUMPS = len(KNOTS) + 1
_WIDTH = 0.6  # of a sigmoid
_SATURATION = 3.0  # normal scores beyond which the polynomials stay bounded
_LOG_SQRT_2PI = 0.5 * float(np.log(2.0 * np.pi))


class MapParts(NamedTuple):
    """What the map and its logarithmic slope are made of, for events.

    Attributes:
        shifts: Features of a, each of shape (events,).
        shapes: Features of every b_m, each of shape (events,).
        bumps: D_m, each of shape (events,).
        integrals: I_m, each of shape (events,).
    """

    shifts: list[jax.Array]
    shapes: list[jax.Array]
    bumps: list[jax.Array]
    integrals: list[jax.Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """The map of one observable; its coefficients are those of a, then of b_m for each m.

    Attributes:
        before: Number of observables before it.
        shift_degree: Largest total degree of the polynomials of a.
        shape_degree: The same of b_m.
    """

    before: int
    shift_degree: int
    shape_degree: int

    @property
    def shifts(self) -> int:
        """Number of features of a."""
        return comb(self.before + self.shift_degree, self.before) + self.before

    @property
    def shapes(self) -> int:
        """Number of features of each b_m."""
        return comb(self.before + self.shape_degree, self.before)

    @property
    def size(self) -> int:
        """Number of coefficients; all are 0 for an observable that is a standard normal number."""
        return self.shifts + BUMPS * self.shapes

    @property
    def plainest(self) -> NDArray[np.bool_]:
        """Which coefficients a map of degrees 1 and 0 has too, shape (size,)."""
        low = [sum(powers) <= 1 for powers in _powers(self.before, self.shift_degree)]
        constant = [sum(powers) == 0 for powers in _powers(self.before, self.shape_degree)]
        return np.array([*low, *([True] * self.before), *(constant * BUMPS)])

    def parts(self, given: Sequence[Array], score: Array) -> MapParts:
        """Features of events.

        Args:
            given: Normal scores of the observables before it, each of shape (events,).
            score: Its own, shape (events,).
        """
        shifts, shapes = self._features(given, jnp.ones_like(jnp.asarray(score)))
        steps, ramps = zip(*_sigmoids(jnp.asarray(score)), strict=True)
        return MapParts(shifts, shapes, _differences(steps), _differences(ramps))

    def map(
        self, given: Sequence[Array], score: Array, coefficients: Array
    ) -> tuple[jax.Array, jax.Array]:
        """The map, and its slope with respect to the observable's own score; each (events,).

        Args:
            given: As in `parts`.
            score: As in `parts`.
            coefficients: Shape (size,).
        """
        one, weights = jnp.ones_like(jnp.asarray(score)), jnp.asarray(coefficients)
        shifts, shapes = self._features(given, one)
        value, previous = _combine(weights[: self.shifts], shifts), jnp.zeros_like(one)
        slope = previous
        for m, (step, ramp) in enumerate(_sigmoids(jnp.asarray(score))):
            first = self.shifts + m * self.shapes
            height = jnp.exp(_combine(weights[first : first + self.shapes], shapes))
            value = value + (height - previous) * ramp
            slope = slope + (height - previous) * step
            previous = height
        return value, slope

    def log_density(self, given: Sequence[Array], score: Array, coefficients: Array) -> jax.Array:
        """Log density of the score given those before it, shape (events,); arguments of `map`."""
        value, slope = self.map(given, score, coefficients)
        return jnp.log(slope) - 0.5 * value * value - _LOG_SQRT_2PI

    def _features(
        self, given: Sequence[Array], one: jax.Array
    ) -> tuple[list[jax.Array], list[jax.Array]]:
        """Of a, and of every b_m."""
        columns = [_chebyshev(q, max(self.shift_degree, self.shape_degree)) for q in given]
        shifts = _products(columns, one, self.before, self.shift_degree)
        shapes = _products(columns, one, self.before, self.shape_degree)
        return [*shifts, *(jnp.asarray(q) for q in given)], shapes


def _combine(weights: jax.Array, features: Sequence[jax.Array]) -> jax.Array:
    """Weighted sum, term by term: no array of all features."""
    total = weights[0] * features[0]
    for j in range(1, len(features)):
        total = total + weights[j] * features[j]
    return total


def _chebyshev(score: Array, degree: int) -> list[jax.Array]:
    """Chebyshev polynomials, from degree 0, of q / sqrt(1 + q^2 / 9) / 3, within (-1, 1)."""
    q = jnp.asarray(score)
    u = q / (_SATURATION * jnp.sqrt(1.0 + (q / _SATURATION) ** 2))
    found = [jnp.ones_like(q), u]
    while len(found) <= degree:
        found.append(2.0 * u * found[-1] - found[-2])
    return found


def _products(
    columns: Sequence[Sequence[jax.Array]], one: jax.Array, before: int, degree: int
) -> list[jax.Array]:
    found = []
    for powers in _powers(before, degree):
        product = one
        for column, power in zip(columns, powers, strict=True):
            product = product * column[power] if power else product
        found.append(product)
    return found


@lru_cache
def _powers(before: int, degree: int) -> tuple[tuple[int, ...], ...]:
    """Degrees in each observable, of a total of at most `degree`; the constant first."""
    every = itertools.product(range(degree + 1), repeat=before)
    return tuple(sorted((p for p in every if sum(p) <= degree), key=lambda p: (sum(p), p)))


def _sigmoids(score: jax.Array) -> Iterator[tuple[jax.Array, jax.Array]]:
    """1 and the sigmoid of each knot, with their integrals from 0; D_m are differences of these."""
    yield jnp.ones_like(score), score
    for knot in KNOTS:
        z, zero = (score - knot) / _WIDTH, -knot / _WIDTH
        root = jnp.sqrt(1.0 + z * z)
        ramp = 0.5 * _WIDTH * (z + root - zero - float(np.hypot(1.0, zero)))
        yield 0.5 * (1.0 + z / root), ramp


def _differences(steps: Sequence[jax.Array]) -> list[jax.Array]:
    return [*(a - b for a, b in itertools.pairwise(steps)), steps[-1]]
