"""The Voigt density: a normal convolved with a Lorentzian."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullfactory._jax import jax, jnp

from ._family import Family, FloatArray
from ._voigt_quantile import quantile, upper_tail
from ._voigt_table import CELLS_PER_UNIT, log_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Voigt(Family):
    """Convolution of a unit normal with a Lorentzian of half width `gamma`.

    The mean does not exist and the standard deviation is infinite.

    Attributes:
        gamma: Half width at half maximum of the Lorentzian, in units of sigma.
    """

    name: ClassVar[str] = "voigt"
    shape_limits: ClassVar[Mapping[str, tuple[float, float]]] = {"gamma": (1e-4, 1e4)}

    gamma: float

    @property
    def mean(self) -> float:
        """Mean of u: nan, the integral does not exist."""
        return math.nan

    @property
    def std(self) -> float:
        """Standard deviation of u: inf."""
        return math.inf

    def log_density(self, u: jax.Array) -> jax.Array:
        """Normalised log f(u); see `Family.log_density`."""
        return self._in_cells(u)[0]

    def derivatives(self, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """All three from one look into the table; see `Family.derivatives`."""
        value, first, second = self._in_cells(u)
        stretch = jax.lax.rsqrt(1.0 + u * u)
        slope = CELLS_PER_UNIT * first * jnp.where(u < 0.0, -stretch, stretch)
        bend = CELLS_PER_UNIT**2 * second
        return value, slope, (bend - slope * u) * stretch * stretch

    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution by quadrature, about a microsecond a value; see `Family.cdf`."""
        tail = upper_tail(np.abs(u), self.gamma)
        return np.where(u < 0.0, tail, 1.0 - tail)

    def from_normal(self, z: FloatArray) -> FloatArray:
        """Interpolation in a table, relative error below 1e-9; see `Family.from_normal`."""
        return quantile(z, self.gamma)

    def _in_cells(self, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Value and derivatives of log f with respect to the position in cells."""
        *lower, highest = (jnp.asarray(column) for column in log_table(self.gamma))
        size = jnp.where(u < 0.0, -u, u)
        position = CELLS_PER_UNIT * jnp.log(size + jnp.sqrt(1.0 + u * u))
        cell = jnp.minimum(position, len(highest) - 1.0).astype(jnp.uint32)
        x = position - cell
        value, first, second = highest[cell], jnp.zeros_like(x), jnp.zeros_like(x)
        for column in reversed(lower):
            second = second * x + first
            first = first * x + value
            value = value * x + column[cell]
        return value, first, 2.0 * second
