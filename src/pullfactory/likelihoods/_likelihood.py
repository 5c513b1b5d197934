"""What the minimiser knows of a likelihood."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jnp
from pullfactory.likelihoods.arrow import Arrow, Layout


class Expansion(NamedTuple):
    """Second-order expansion of the negative log-likelihood of one toy.

    Attributes:
        nll: Scalar, up to the likelihood's `constant`.
        gradient: Shape (parameters,).
        curvature: Shape (parameters, parameters), or an arrow; the Hessian or an approximation
            of it that agrees with it well enough near the minimum to step with.
    """

    nll: jax.Array
    gradient: jax.Array
    curvature: Any


class Likelihood(ABC):
    """A negative log-likelihood of one toy, written in JAX.

    A subclass gives `nll`; what else the minimiser needs defaults to its derivatives and may be
    given in a cheaper exact form. Subclasses are frozen dataclasses registered with JAX as
    trees of arrays: two likelihoods that differ in numbers only share a compiled fit.

    Attributes:
        exact: Whether the curvature of `expansion` is the Hessian.
        names: Names of the parameters; a field of a subclass, unless that gives `parameters`.
        limits: Bounds of the parameters, shape (parameters, 2); likewise, of `bounds`.
    """

    exact: ClassVar[bool] = False

    names: tuple[str, ...]
    limits: NDArray[np.float64]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names, in the order of every parameter axis; those of the field unless it says more."""
        return self.names

    @property
    def start(self) -> NDArray[np.float64]:
        """Where the fit starts, shape (parameters,); 0 unless a subclass says so."""
        return np.zeros(len(self.parameters))

    @property
    def bounds(self) -> NDArray[np.float64]:
        """Lower and upper bound of each parameter, shape (parameters, 2)."""
        return self.limits

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Parameters held at `start`, none unless a subclass says so; shape (parameters,)."""
        return np.zeros(len(self.parameters), dtype=bool)

    @property
    def folded(self) -> tuple[int, ...]:
        """Positions of parameters with similar effects on either side of 0.

        There may be a minimum on each side, and the minimiser looks at both.
        """
        return ()

    @property
    def block(self) -> int:
        """Toys that one stream of random numbers gives: a function of the model alone."""
        return 256

    @property
    def batch(self) -> int:
        """Toys fitted at once, which have nothing to do with random numbers.

        Those of a block: the last digits of a fit depend on the shape that it is compiled for, and
        larger ones are no faster on a processor.
        """
        return self.block

    @property
    def abreast(self) -> int | None:
        """Toys of a batch that are computed side by side, or None for all of them."""
        return None

    @property
    def layout(self) -> Layout | None:
        """Of the arrows of `outline`, or None if its curvature is a matrix."""
        return None

    @abstractmethod
    def nll(self, theta: jax.Array, data: Any) -> jax.Array:
        """Negative log-likelihood.

        Args:
            theta: Shape (parameters,), in the parameters' units.
            data: One toy's data, without the toy axis.

        Returns:
            Scalar.
        """

    def coarsen(self, data: Any) -> Any | None:  # noqa: ARG002  (the default needs none)
        """Fewer data with nearly the same minimum, for a start near it; None if not worth it.

        Args:
            data: Data of many toys, every array with a leading toy axis.
        """
        return None

    def constant(self, data: Any) -> jax.Array:  # noqa: ARG002  (the default needs none)
        """What `expansion` leaves out of `nll`, a scalar that depends on the data alone.

        Args:
            data: One toy's data, without the toy axis.
        """
        return jnp.zeros(())

    def expansion(self, theta: jax.Array, data: Any) -> Expansion:
        """What the minimiser steps with; arguments as in `nll`."""
        nll, gradient = jax.value_and_grad(self.nll)(theta, data)
        return Expansion(nll, gradient, self.hessian(theta, data))

    def information(self, theta: jax.Array, data: Any) -> jax.Array:
        """The Hessian of data without fluctuations; arguments as in `nll`."""
        found: jax.Array = self.expansion(theta, data).curvature
        return found

    def outline(self, theta: jax.Array, data: Any) -> Expansion:
        """The expansion, with a curvature that may be an arrow; arguments as in `nll`."""
        return self.expansion(theta, data)

    def outlined_hessian(self, theta: jax.Array, data: Any) -> jax.Array | Arrow:
        """The Hessian, which may be an arrow; arguments as in `nll`."""
        return self.hessian(theta, data)

    def hessian(self, theta: jax.Array, data: Any) -> jax.Array:
        """Observed information, shape (parameters, parameters); arguments as in `nll`."""
        return jnp.asarray(jax.hessian(self.nll)(theta, data))


class Observation(NamedTuple):
    """What a likelihood takes from a block of toys.

    Attributes:
        data: Data of the likelihood, arrays with a leading toy axis.
        pairs: What the covariance of its score needs: values of different observables of the
            same event, or their sums.
    """

    data: Any
    pairs: Any
