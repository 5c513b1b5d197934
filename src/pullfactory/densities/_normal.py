"""The normal density."""

from dataclasses import dataclass
from typing import ClassVar

from scipy.special import ndtr

from pullfactory._jax import jax, jnp

from ._family import LOG_SQRT_2PI, Family, FloatArray


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

    def tail(self, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Phi(-|u|); see `Family.tail`."""
        return jax.scipy.special.ndtr(-jnp.abs(u)), u > 0.0

    def to_normal(self, u: jax.Array) -> jax.Array:
        """`u` itself; see `Family.to_normal`."""
        return u

    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution Phi(u); see `Family.cdf`."""
        probability: FloatArray = ndtr(u)
        return probability

    def from_normal(self, z: FloatArray) -> FloatArray:
        """`z` itself, not a copy; see `Family.from_normal`."""
        return z
