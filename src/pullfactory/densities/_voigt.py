"""The Voigt density: a normal convolved with a Lorentzian.

f(u) is the integral over t of phi(t) gamma / (pi ((u - t)^2 + gamma^2)), with phi the normal
density; equal to Re w(z / sqrt(2)) / sqrt(2 pi) at z = u + i gamma, with w the Faddeeva function.
The trapezoidal rule for that integral converges exponentially once the residues of the poles at
t = u +- i gamma are added (Al Azah and Chandler-Wilde 2021, arXiv:2010.05659, theorem 1.1: the
error of w is below 0.7 exp(-11 pi) = 7e-16 with the step and range used here). Every term of the
sum is positive, so the relative accuracy holds for any gamma and arbitrarily far into the tails,
where the difference formula w' = -2 z w + 2 i / sqrt(pi) loses all digits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pullfactory._jax import jax, jnp

from ._family import Family, FloatArray
from ._normal import LOG_SQRT_2PI
from ._voigt_quantile import quantile, upper_tail

_STEP = math.sqrt(math.pi / 6.0)
_QUARTER = 0.25
_FREQUENCY = 2.0 * math.pi / _STEP
_NODES = _STEP * np.arange(-12, 13)
_WEIGHTS = np.exp(-0.5 * _NODES**2)
_SHIFTED_WEIGHTS = np.exp(-0.5 * (_NODES + 0.5 * _STEP) ** 2)


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
        return jnp.log(_density(u, self.gamma)[0])

    def derivatives(self, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """All three from one pass over the nodes; see `Family.derivatives`."""
        density, first, second = _density(u, self.gamma)
        slope = first / density
        return jnp.log(density), slope, second / density - slope * slope

    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution by quadrature, about a microsecond a value; see `Family.cdf`."""
        tail = upper_tail(np.abs(u), self.gamma)
        return np.where(u < 0.0, tail, 1.0 - tail)

    def from_normal(self, z: FloatArray) -> FloatArray:
        """Interpolation in a table, relative error below 1e-9; see `Family.from_normal`."""
        return quantile(z, self.gamma)


def _density(u: jax.Array, gamma: float) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The density f and its first two derivatives by the trapezoidal rule and its residues.

    The nodes are multiples of the step, or are shifted by half of it: for each u the grid is
    taken that stays a quarter of a step away, so that sum and residue never nearly cancel.

    Args:
        u: Standardised variable, any shape.
        gamma: Half width of the Lorentzian.

    Returns:
        f, f', f'' at u, each the shape of `u`.
    """
    cells = u / _STEP
    between = jnp.abs(cells - jnp.floor(cells) - 0.5) < _QUARTER
    shifted = u - jnp.where(between, 0.0, 0.5 * _STEP)

    def add_node(
        sums: tuple[jax.Array, jax.Array, jax.Array], node: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
        position, weight, shifted_weight = node
        distance = shifted - position
        lorentz = 1.0 / (distance * distance + gamma * gamma)
        term = jnp.where(between, weight, shifted_weight) * lorentz
        first = term * lorentz * distance
        second = term * lorentz * (4.0 * distance * distance * lorentz - 1.0)
        return (sums[0] + term, sums[1] + first, sums[2] + second), None

    nothing = jnp.zeros_like(u)
    nodes = (jnp.asarray(_NODES), jnp.asarray(_WEIGHTS), jnp.asarray(_SHIFTED_WEIGHTS))
    sums, _ = jax.lax.scan(add_node, (nothing, nothing, nothing), nodes)
    norm = _STEP * gamma / math.pi * math.exp(-LOG_SQRT_2PI)
    f, df, d2f = norm * sums[0], -2.0 * norm * sums[1], 2.0 * norm * sums[2]
    if gamma < _FREQUENCY:
        residue, d_residue, d2_residue = _residue(u, gamma, jnp.where(between, 1.0, -1.0))
        f, df, d2f = f + residue, df + d_residue, d2f + d2_residue
    return f, df, d2f


def _residue(u: jax.Array, gamma: float, sign: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What the poles of the integrand add to its trapezoidal sum.

    Re C with C(z) = 2 phi(z) / (1 - v), v = sign exp(-i frequency z), z = u + i gamma. From
    dv/dz = -i frequency v follow C' = C L with L = -z - i frequency v / (1 - v), and
    C'' = C (L^2 - 1 - frequency^2 v / (1 - v)^2).

    Args:
        u: Standardised variable, any shape.
        gamma: Half width of the Lorentzian; the poles matter below `_FREQUENCY`.
        sign: 1 where the nodes are multiples of the step, -1 where they are shifted.

    Returns:
        Re C, Re C', Re C'' at u, each the shape of `u`.
    """
    grown = sign * math.exp(_FREQUENCY * gamma)
    v = jax.lax.complex(grown * jnp.cos(_FREQUENCY * u), -grown * jnp.sin(_FREQUENCY * u))
    height = 2.0 * jnp.exp(0.5 * (gamma * gamma - u * u) - LOG_SQRT_2PI)
    inverse = 1.0 / (1.0 - v)
    ratio = v * inverse
    phase = jax.lax.complex(jnp.cos(gamma * u), -jnp.sin(gamma * u))
    c = height * phase * inverse
    slope = -(u + 1j * gamma) - 1j * _FREQUENCY * ratio
    bend = slope * slope - 1.0 - _FREQUENCY**2 * ratio * inverse
    return jnp.real(c), jnp.real(c * slope), jnp.real(c * bend)
