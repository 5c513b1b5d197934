"""The double-sided Crystal Ball density: a normal core with two power-law tails."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import ndtr, ndtri

from pullfactory._jax import jax, jnp

from ._family import Family, FloatArray

_SQRT_2PI = math.sqrt(2.0 * math.pi)
_LEAST_POWER = 1.1  # below, the square of a quantile at z = 8 does not fit into a double
_FINITE_MEAN = 2.0
_FINITE_VARIANCE = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CrystalBall(Family):
    """exp(-u^2 / 2) between -alpha_low and alpha_high, a power law beyond.

    A tail is exp(-alpha^2 / 2) (1 + alpha s / n)^-n at the distance s beyond alpha: value and
    slope are continuous there (Gaiser 1982, SLAC-R-255, appendix F, which has one tail). mu is
    the peak and sigma the width of the core, not mean and standard deviation.

    Attributes:
        alpha_low: Where the lower tail begins, in units of sigma below the peak.
        n_low: Power of the lower tail.
        alpha_high: Where the upper tail begins, in units of sigma above the peak.
        n_high: Power of the upper tail.
    """

    name: ClassVar[str] = "crystal_ball"
    shape_limits: ClassVar[Mapping[str, tuple[float, float]]] = {
        "alpha_low": (1e-3, 30.0),
        "n_low": (_LEAST_POWER, 1e6),
        "alpha_high": (1e-3, 30.0),
        "n_high": (_LEAST_POWER, 1e6),
    }

    alpha_low: float
    n_low: float
    alpha_high: float
    n_high: float

    @property
    def mean(self) -> float:
        """Mean of u; nan if a power is at most 2."""
        if min(self.n_low, self.n_high) <= _FINITE_MEAN:
            return math.nan
        return (self._high.first_moment - self._low.first_moment) / self._mass

    @property
    def std(self) -> float:
        """Standard deviation of u; inf if a power is at most 3."""
        if min(self.n_low, self.n_high) <= _FINITE_VARIANCE:
            return math.inf
        second_moment = (self._high.second_moment + self._low.second_moment) / self._mass
        return math.sqrt(second_moment - self.mean**2)

    def log_density(self, u: jax.Array) -> jax.Array:
        """Normalised log f(u), once continuously differentiable; see `Family.log_density`."""
        core = jnp.clip(u, -self.alpha_low, self.alpha_high)
        below = jnp.maximum(-self.alpha_low - u, 0.0)
        above = jnp.maximum(u - self.alpha_high, 0.0)
        return (
            -0.5 * core * core
            - self.n_low * jnp.log1p(self.alpha_low / self.n_low * below)
            - self.n_high * jnp.log1p(self.alpha_high / self.n_high * above)
            - math.log(self._mass)
        )

    def tail(self, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        """On the side of u; see `Family.tail`."""
        above = u > 0.0
        distance = jnp.abs(u)
        beyond = jnp.where(above, self._high.tail(distance), self._low.tail(distance))
        return beyond / self._mass, above

    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution, the sum of the two sides; see `Family.cdf`."""
        lower = self._low.mass_beyond(np.maximum(-u, 0.0))
        upper = self._high.mass - self._high.mass_beyond(np.maximum(u, 0.0))
        return (lower + upper) / self._mass

    def from_normal(self, z: FloatArray) -> FloatArray:
        """Each side from its own tail probability; see `Family.from_normal`."""
        below = z < ndtri(self._low.mass / self._mass)
        above = ~below
        beyond: FloatArray = self._mass * ndtr(np.where(below, z, -z))
        u = np.empty_like(beyond)
        u[below] = -self._low.distance(beyond[below])
        u[above] = self._high.distance(beyond[above])
        return u

    @property
    def _low(self) -> "_Side":
        return _Side(alpha=self.alpha_low, n=self.n_low)

    @property
    def _high(self) -> "_Side":
        return _Side(alpha=self.alpha_high, n=self.n_high)

    @property
    def _mass(self) -> float:
        """Integral over both sides of the density that is 1 at the peak."""
        return self._low.mass + self._high.mass


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One side of the peak, as a function of the distance from it; 1 at the peak.

    Everything follows by integrating exp(-d^2 / 2) up to d = alpha and, with s = d - alpha,
    exp(-alpha^2 / 2) (1 + alpha s / n)^-n beyond.
    """

    alpha: float
    n: float

    @property
    def mass(self) -> float:
        return _SQRT_2PI * (0.5 - self._cut) + self._tail

    @property
    def first_moment(self) -> float:
        mean_excess = self._reach / (self.n - _FINITE_MEAN)
        return 1.0 - math.exp(-0.5 * self.alpha**2) + self._tail * (self.alpha + mean_excess)

    @property
    def second_moment(self) -> float:
        core = self.mass - self._tail - self.alpha * math.exp(-0.5 * self.alpha**2)
        mean_excess = self._reach / (self.n - _FINITE_MEAN)
        mean_square = 2.0 * mean_excess * self._reach / (self.n - _FINITE_VARIANCE)
        return core + self._tail * (self.alpha**2 + 2.0 * self.alpha * mean_excess + mean_square)

    def mass_beyond(self, distance: FloatArray) -> FloatArray:
        """Integral from `distance` outwards, the shape of `distance`."""
        core: FloatArray = ndtr(-np.minimum(distance, self.alpha)) - self._cut
        stretch = np.maximum(distance - self.alpha, 0.0) / self._reach
        return _SQRT_2PI * core + self._tail * np.exp((1.0 - self.n) * np.log1p(stretch))

    def tail(self, distance: jax.Array) -> jax.Array:
        """`mass_beyond` in JAX."""
        inside = distance < self.alpha
        core = jnp.where(inside, jax.scipy.special.ndtr(-distance) - self._cut, 0.0)
        stretch = jnp.maximum(distance - self.alpha, 0.0) / self._reach
        return _SQRT_2PI * core + self._tail * jnp.exp((1.0 - self.n) * jnp.log1p(stretch))

    def distance(self, mass: FloatArray) -> FloatArray:
        """The inverse of `mass_beyond`: at least 0, the shape of `mass`."""
        core: FloatArray = ndtri(np.maximum(mass - self._tail, 0.0) / _SQRT_2PI + self._cut)
        share = np.minimum(mass / self._tail, 1.0)
        return self._reach * np.expm1(np.log(share) / (1.0 - self.n)) - np.minimum(core, 0.0)

    @property
    def _cut(self) -> float:
        """Probability of a standard normal variable beyond alpha."""
        return float(ndtr(-self.alpha))

    @property
    def _tail(self) -> float:
        """Integral of the power law."""
        return math.exp(-0.5 * self.alpha**2) * self._reach / (self.n - 1.0)

    @property
    def _reach(self) -> float:
        """Distance over which the base of the power law grows by one."""
        return self.n / self.alpha
