"""What every density family offers: the protocol between sampling and likelihoods."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jnp

FloatArray = NDArray[np.float64]

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family(ABC):
    """A density of the standardised variable u = (x - mu) / sigma, so that p(x) = f(u) / sigma.

    The fields of a family are its shape parameters, dimensionless and fixed in a fit. A family is
    hashable, so that it can be a static argument of a compiled function.

    Attributes:
        name: What the study calls the family.
        sufficient: Whether the number of events, their mean and their second central moment
            determine the likelihood, so that they can replace the events.
        shape_limits: The open interval allowed for each shape parameter.
    """

    name: ClassVar[str]
    sufficient: ClassVar[bool] = False
    shape_limits: ClassVar[Mapping[str, tuple[float, float]]] = {}

    @property
    @abstractmethod
    def mean(self) -> float:
        """Mean of u; nan where the integral does not exist."""

    @property
    @abstractmethod
    def std(self) -> float:
        """Standard deviation of u; inf where the second moment diverges."""

    @abstractmethod
    def log_density(self, u: jax.Array) -> jax.Array:
        """Normalised log f(u), twice differentiable by JAX.

        Args:
            u: Standardised variable, any shape, dimensionless.

        Returns:
            log f, the shape of `u`.
        """

    def derivatives(self, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Value, first and second derivative of `log_density` at each u.

        Args:
            u: Standardised variable, any shape, dimensionless.

        Returns:
            log f, d log f / du and d^2 log f / du^2, each the shape of `u`.
        """
        along = jnp.ones_like(u)

        def value_and_slope(v: jax.Array) -> tuple[jax.Array, jax.Array]:
            value, slope = jax.jvp(self.log_density, (v,), (along,))
            return value, slope

        (value, slope), (_, curvature) = jax.jvp(value_and_slope, (u,), (along,))
        return value, slope, curvature

    @abstractmethod
    def cdf(self, u: FloatArray) -> FloatArray:
        """Cumulative distribution F(u).

        Args:
            u: Standardised variable, any shape, dimensionless.

        Returns:
            Probabilities, the shape of `u`, absolute error below 1e-12.
        """

    @abstractmethod
    def from_normal(self, z: FloatArray) -> FloatArray:
        """The increasing map from a standard normal variable to u: F(u) = Phi(z).

        Both tails keep their relative accuracy: neither is had from one minus the other.

        Args:
            z: Standard normal variable, any shape, |z| < 37 where Phi(-|z|) is a normal double.

        Returns:
            u, the shape of `z`.
        """

    @abstractmethod
    def tail(self, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Probability beyond u, as seen from the peak, by JAX.

        Args:
            u: Standardised variable, any shape, dimensionless.

        Returns:
            The probability, and whether it is that above u and not that below; each the shape of
            `u`.
        """

    def to_normal(self, u: jax.Array) -> jax.Array:
        """The inverse of `from_normal` by JAX, any number of times differentiable where f is.

        Args:
            u: Standardised variable, any shape, dimensionless.

        Returns:
            z with Phi(z) = F(u), the shape of `u`, accurate in both tails.
        """
        return _to_normal(self, u)

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...]) -> FloatArray:
        """Draw independent u.

        Args:
            rng: Source of standard normals, one for each value drawn.
            size: Shape of the result.

        Returns:
            u, of shape `size`, dimensionless.
        """
        return self.from_normal(rng.standard_normal(size))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _to_normal(member: Family, u: jax.Array) -> jax.Array:
    probability, above = member.tail(u)
    # beyond 37 standard deviations a tail has no number any more; scores stay finite there
    z = jax.scipy.special.ndtri(jnp.maximum(probability, np.finfo(np.float64).tiny))
    return jnp.where(above, -z, z)


@_to_normal.defjvp
def _along_normal(
    member: Family, primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Dz / du = f(u) / phi(z)."""
    (u,) = primals
    z = _to_normal(member, u)
    return z, tangents[0] * jnp.exp(member.log_density(u) + 0.5 * z * z + LOG_SQRT_2PI)
