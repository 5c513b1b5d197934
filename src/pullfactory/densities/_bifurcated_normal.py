"""Two half normals of different width, joined at their common peak."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import ndtr, ndtri

from pullfactory._jax import jax, jnp

from ._family import LOG_SQRT_2PI, Family, FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class BifurcatedNormal(Family):
    """A normal of width 1 below the peak u = 0 and of width r = `sigma_ratio` above.

    f(u) = 2 / (1 + r) * exp(-u^2 / (2 w^2)) / sqrt(2 pi) with w = 1 for u < 0 and w = r for
    u >= 0 (Wallis 2014, arXiv:1405.4995, equation 1, where it is the two-piece normal). mu is the
    peak and sigma the lower width, not mean and standard deviation.

    Attributes:
        sigma_ratio: upper width over lower width, dimensionless.
    """

    name: ClassVar[str] = "bifurcated_normal"
    shape_limits: ClassVar[Mapping[str, tuple[float, float]]] = {"sigma_ratio": (1e-3, 1e3)}

    sigma_ratio: float

    @property
    def mean(self) -> float:
        """Mean of u: sqrt(2 / pi) (r - 1), by integration of the two halves."""
        return math.sqrt(2.0 / math.pi) * (self.sigma_ratio - 1.0)

    @property
    def std(self) -> float:
        """Standard deviation of u: the second moment is (1 + r^3) / (1 + r) = 1 - r + r^2."""
        asymmetry = self.sigma_ratio - 1.0
        return math.sqrt(self.sigma_ratio + (1.0 - 2.0 / math.pi) * asymmetry**2)

    def log_density(self, u: jax.Array) -> jax.Array:
        """Normalised log f(u), once continuously differentiable; see `Family.log_density`."""
        scaled = u / jnp.where(u < 0.0, 1.0, self.sigma_ratio)
        return -0.5 * scaled * scaled - LOG_SQRT_2PI - math.log(0.5 * (1.0 + self.sigma_ratio))

    def tail(self, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The half on the side of u; see `Family.tail`."""
        above = u > 0.0
        width = jnp.where(above, self.sigma_ratio, 1.0)
        half = jax.scipy.special.ndtr(-jnp.abs(u) / width)
        return 2.0 * width * half / (1.0 + self.sigma_ratio), above

    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution, the sum of the two halves; see `Family.cdf`."""
        lower: FloatArray = ndtr(np.minimum(u, 0.0))
        upper: FloatArray = ndtr(np.maximum(u, 0.0) / self.sigma_ratio) - 0.5
        return 2.0 * (lower + self.sigma_ratio * upper) / (1.0 + self.sigma_ratio)

    def from_normal(self, z: FloatArray) -> FloatArray:
        """Each half from its own tail probability; see `Family.from_normal`."""
        share = 0.5 * (1.0 + self.sigma_ratio)
        below = z < ndtri(0.5 / share)
        tail = ndtr(np.where(below, z, -z)) * np.where(below, share, share / self.sigma_ratio)
        u: FloatArray = np.where(below, 1.0, -self.sigma_ratio) * ndtri(tail)
        return u
