"""A likelihood of which some parameters are held, each toy at values of its own."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jnp
from pullfactory.likelihoods import Expansion, Likelihood


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldLikelihood(Likelihood):
    """The same likelihood, with parameters that stay where a fit starts.

    Which ones are held is a number like others: all share a compiled fit.

    Attributes:
        inner: The likelihood.
        held: Parameters that stay besides those that it holds itself, shape (parameters,).
    """

    inner: Likelihood
    held: NDArray[np.bool_]

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """As that of the likelihood."""
        return self.inner.exact

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of all parameters."""
        return self.inner.parameters

    @property
    def start(self) -> NDArray[np.float64]:
        """Where the fit of all parameters starts."""
        return self.inner.start

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Those of all parameters."""
        return self.inner.bounds

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Those that are held here or there."""
        return self.inner.fixed | self.held

    @property
    def folded(self) -> tuple[int, ...]:
        """Those that are looked at on both sides of 0; none that is held is."""
        return tuple(k for k in self.inner.folded if not self.held[k])

    @property
    def block(self) -> int:
        """As that of the likelihood."""
        return self.inner.block

    @property
    def batch(self) -> int:
        """As that of the likelihood."""
        return self.inner.batch

    def nll(self, theta: jax.Array, data: Any) -> jax.Array:
        """As that of the likelihood."""
        return self.inner.nll(theta, data)

    def coarsen(self, data: Any) -> Any | None:
        """As that of the likelihood."""
        return self.inner.coarsen(data)

    def constant(self, data: Any) -> jax.Array:
        """As that of the likelihood."""
        return self.inner.constant(data)

    def expansion(self, theta: jax.Array, data: Any) -> Expansion:
        """As that of the likelihood."""
        return self.inner.expansion(theta, data)

    def hessian(self, theta: jax.Array, data: Any) -> jax.Array:
        """As that of the likelihood."""
        return jnp.asarray(self.inner.hessian(theta, data))
