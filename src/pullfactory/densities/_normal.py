"""The normal density."""

import math
from dataclasses import dataclass
from typing import ClassVar

from scipy.special import ndtr

from pullfactory._jax import jax

from ._family import Family, FloatArray

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal(Family):
    """f(u) = exp(-u^2 / 2) / sqrt(2 pi)."""

    name: ClassVar[str] = "normal"
    sufficient: ClassVar[bool] = True

    @property
    def mean(self) -> float:
        """Mean of u: 0."""
        return 0.0

    @property
    def std(self) -> float:
        """Standard deviation of u: 1."""
        return 1.0

    def log_density(self, u: jax.Array) -> jax.Array:
        """Normalised log f(u); see `Family.log_density`."""
        return -0.5 * u * u - LOG_SQRT_2PI

    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution Phi(u); see `Family.cdf`."""
        probability: FloatArray = ndtr(u)
        return probability

    def from_normal(self, z: FloatArray) -> FloatArray:
        """`z` itself, not a copy; see `Family.from_normal`."""
        return z
