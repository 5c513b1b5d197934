"""The Voigt density: a normal convolved with a Lorentzian."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullfactory._jax import jax, jnp

from ._family import Family, FloatArray
from ._voigt_quantile import quantile, upper_tail
from ._voigt_table import CELLS_PER_UNIT, Table, density_table, tail_table

_HUGE = 1e150  # its square is still a double


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
        return _look_up(density_table(self.gamma), u)[0]

    def derivatives(self, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """All three from one look into the table; see `Family.derivatives`."""
        value, first, second = _look_up(density_table(self.gamma), u)
        stretch = jax.lax.rsqrt(1.0 + u * u)
        slope = first * jnp.where(u < 0.0, -stretch, stretch)
        return value, slope, (second - slope * u) * stretch * stretch

    def tail(self, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        """From a table, relative error below 1e-12; see `Family.tail`."""
        return jnp.exp(_look_up(tail_table(self.gamma), u)[0]), u > 0.0

    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution by quadrature, about a microsecond a value; see `Family.cdf`."""
        tail = upper_tail(np.abs(u), self.gamma)
        return np.where(u < 0.0, tail, 1.0 - tail)

    def from_normal(self, z: FloatArray) -> FloatArray:
        """Interpolation in a table, relative error below 1e-9; see `Family.from_normal`."""
        return quantile(z, self.gamma)


def _look_up(table: Table, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Value, first and second derivative with respect to s = asinh|u| from a table.

    Args:
        table: Of the module of tables.
        u: Standardised variable, any shape.
    """
    *lower, highest = (jnp.asarray(column) for column in table)
    size = jnp.where(u < 0.0, -u, u)
    hypotenuse = jnp.where(size < _HUGE, jnp.sqrt(1.0 + u * u), size)
    position = CELLS_PER_UNIT * jnp.log(size + hypotenuse)
    cell = jnp.minimum(position, len(highest) - 1.0).astype(jnp.uint32)
    x = position - cell
    value, first, second = highest[cell], jnp.zeros_like(x), jnp.zeros_like(x)
    for column in reversed(lower):
        second = second * x + first
        first = first * x + value
        value = value * x + column[cell]
    return value, CELLS_PER_UNIT * first, 2.0 * CELLS_PER_UNIT**2 * second
