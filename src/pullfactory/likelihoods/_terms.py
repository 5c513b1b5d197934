"""Terms of auxiliary values: measurements of one parameter each, Gaussian or Poisson."""

from typing import Any, NamedTuple

import numpy as np
from jax.scipy.special import gammaln
from numpy.typing import NDArray

from pullfactory._jax import jax, jnp


class Term(NamedTuple):
    """One auxiliary value: a measurement of one parameter."""

    position: int
    poisson: bool
    factor: float
    sigma: float


def auxiliary_terms(config: Any) -> list[Term]:
    """The auxiliary terms of a model, in the order of its auxiliary data.

    Args:
        config: That of a pyhf model.
    """
    terms: list[Term] = []
    for name in config.auxdata_order:
        parameter = config.param_set(name)
        n = parameter.n_parameters
        poisson = parameter.pdf_type == "poisson"
        first = config.par_slice(name).start
        factors = parameter.factors if poisson else [1.0] * n
        sigmas = [1.0] * n if poisson else getattr(parameter, "sigmas", [1.0] * n)
        terms += [Term(first + i, poisson, float(factors[i]), float(sigmas[i])) for i in range(n)]
    return terms


class Auxiliary(NamedTuple):
    """The terms of all auxiliary values.

    Attributes:
        position: Of the parameter of each, shape (auxdata,).
        factor: Expected value per unit of it, same shape.
        sigma: Widths of Gaussian terms, 1 of others, same shape.
        used: 1 for a term of the likelihood, 0 for one that was dropped, same shape.
        poisson: Whether it is a Poisson term, same shape.
        coupling: Inverse correlation less 1, shape (auxdata, auxdata); None where all are
            independent.
        parameters: How many there are.
    """

    position: NDArray[np.int_]
    factor: NDArray[np.float64]
    sigma: NDArray[np.float64]
    used: NDArray[np.float64]
    poisson: NDArray[np.bool_]
    coupling: NDArray[np.float64] | None
    parameters: int

    @property
    def slopes(self) -> NDArray[np.float64]:
        """Derivatives of the expected values, shape (auxdata, parameters)."""
        measured: NDArray[np.float64] = np.eye(self.parameters)[self.position]
        return measured * self.factor[:, None]

    @property
    def root(self) -> NDArray[np.float64] | None:
        """Lower triangular factor of the correlation of the values.

        Shape (auxdata, auxdata); None where all are independent.
        """
        if self.coupling is None:
            return None
        precision = np.eye(len(self.coupling)) + self.coupling
        return np.asarray(np.linalg.cholesky(np.linalg.inv(precision)))

    @property
    def precision(self) -> NDArray[np.float64]:
        """Inverse covariance of the values of Gaussian terms that are used.

        Shape (auxdata, auxdata).
        """
        found = np.diag(self.used)
        if self.coupling is not None:
            found = found + self.coupling
        return np.asarray(found / np.outer(self.sigma, self.sigma))

    @property
    def coupled(self) -> tuple[int, ...]:
        """Positions of the parameters with correlated constraints."""
        if self.coupling is None:
            return ()
        some = np.flatnonzero(np.abs(self.coupling).sum(axis=0))
        return tuple(self.position[some].tolist())

    @property
    def coupled_information(self) -> NDArray[np.float64] | float:
        """What correlated constraints know beyond independent ones.

        Shape (parameters, parameters), in inverse products of their units; or 0.
        """
        if self.coupling is None:
            return 0.0
        pulls = self.slopes / self.sigma[:, None]
        found: NDArray[np.float64] = pulls.T @ self.coupling @ pulls
        return found

    def expected(self, theta: jax.Array) -> jax.Array:
        """Expected values, shape (auxdata,), for theta of shape (parameters,)."""
        return theta[self.position] * self.factor

    def constant(self, values: jax.Array) -> jax.Array:
        """Normalisation of the terms; values of shape (auxdata,)."""
        gauss = jnp.log(self.sigma) + 0.5 * np.log(2 * np.pi)
        counts = gammaln(jnp.where(self.poisson, values, 1.0) + 1.0)
        return jnp.sum(self.used * jnp.where(self.poisson, counts, gauss))

    def nll(self, theta: jax.Array, values: jax.Array) -> jax.Array:
        """Negative log-likelihood up to `constant`, without dropped terms."""
        expected = self.expected(theta)
        pulls = (values - expected) / self.sigma
        positive = jnp.where(self.poisson, expected, 1.0)  # keeps the unused branch finite
        counts = positive - values * jnp.log(positive)
        total = jnp.sum(self.used * jnp.where(self.poisson, counts, 0.5 * pulls**2))
        return total if self.coupling is None else total + 0.5 * pulls @ self.coupling @ pulls

    def expansion(
        self, theta: jax.Array, values: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Value and gradient of `nll`; of its Hessian what is not coupled, the diagonal."""
        own = theta[self.position]
        weight = self.factor / jnp.square(self.sigma)
        slope = jnp.where(
            self.poisson, self.factor - values / own, (self.factor * own - values) * weight
        )
        bend = jnp.where(self.poisson, values / own**2, self.factor * weight)
        zero = jnp.zeros(self.parameters)
        coupled = zero
        if self.coupling is not None:
            pulls = (self.expected(theta) - values) / self.sigma
            coupled = coupled + (self.slopes / self.sigma[:, None]).T @ (self.coupling @ pulls)
        return (
            self.nll(theta, values),
            coupled + zero.at[self.position].add(self.used * slope),
            zero.at[self.position].add(self.used * bend),
        )
