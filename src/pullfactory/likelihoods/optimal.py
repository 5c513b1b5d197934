"""The optimal linear combination of the observables' scores, as a likelihood to minimise.

u stacks the scores of all observables, summed over events: for a location-scale family those of
location and scale, for bins their contents. With m(theta) the expectation of the sums T under the
density of each observable alone, D = dm / dtheta and Omega the covariance of T, in which the
observables of an event belong together, the estimate that solves

    D^T Omega^-1 (T - m(theta)) = P (theta - a)

has the smallest variance of all linear combinations (Godambe, Ann. Math. Stat. 31 (1960) 1208;
Hansen, Econometrica 50 (1982) 1029). It is where (T - m)^T Omega^-1 (T - m) / 2 and the constraints
have their minimum while Omega is held: T is taken at the estimate of a fit that comes before, where
D is the derivative of the scores themselves, so that only expectations are differentiated. At the
minimum twice the value has a chi-square distribution if the model is right.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jit, jnp, require_double_precision
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods._likelihood import Expansion, Likelihood

_NULL = 1e-9
"""Variance, beside that of the elements alone, of what is no measurement: rounding adds up to less,
and what simulated events can tell is more."""
_MOVED = 1e-6  # of what the parameters do to an element: less is rounding


class Scores(Protocol):
    """What is combined: how it depends on the parameters."""

    @property
    def groups(self) -> tuple[slice, ...]:
        """The elements of each observable."""
        ...

    def __call__(self, theta: jax.Array, reference: jax.Array) -> jax.Array:
        """Expectation for one event.

        Args:
            theta: Shape (parameters,), in their units.
            reference: Of `OptimalData`, of one toy.

        Returns:
            Shape (elements,), dimensionless.
        """


class Constraints(NamedTuple):
    """Gaussian measurements, each of one parameter.

    Attributes:
        position: Of the parameter, shape (auxdata,).
        factor: Expected auxiliary value per unit of it, same shape.
        information: Inverse covariance of the auxiliary values; 0 of those that are not used;
            shape (auxdata, auxdata).
    """

    position: NDArray[np.int_]
    factor: NDArray[np.float64]
    information: NDArray[np.float64]


class OptimalData(NamedTuple):
    """What the optimal combination takes from toys.

    Attributes:
        events: Number of events, shape (toys,).
        totals: Sums of the scores, shape (toys, elements), dimensionless.
        reference: What the scores were taken at, shape (toys, ...).
        weight: Inverse of their covariance, shape (toys, elements, elements).
        aux: Auxiliary values, shape (toys, auxdata).
    """

    events: Array
    totals: Array
    reference: Array
    weight: Array
    aux: Array


class OptimalPairs(NamedTuple):
    """What the covariance of the score of an optimal combination needs.

    Attributes:
        data: Of the likelihood.
        sums: Sums over events of products of the scores of an event.
    """

    data: OptimalData
    sums: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptimalLikelihood(Likelihood):
    """Half the square of what is observed beyond the expectation, and the constraints.

    Attributes:
        scores: What is combined.
        constraints: Of the parameters.
        first: Where fits start, shape (parameters,).
        limits: Bounds of the parameters, shape (parameters, 2).
        held: Parameters that do not move, shape (parameters,).
        names: Names of the parameters.
    """

    exact: ClassVar[bool] = True

    scores: Scores
    constraints: Constraints
    first: NDArray[np.float64]
    limits: NDArray[np.float64]
    held: NDArray[np.bool_]
    names: tuple[str, ...] = field(metadata={"static": True})

    @property
    def start(self) -> NDArray[np.float64]:
        """Where the fit of the product starts."""
        return self.first

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """What the scores do not depend on."""
        return self.held

    @property
    def prior(self) -> NDArray[np.float64]:
        """Information of the constraints, shape (parameters, parameters)."""
        _, _, information = self.constraints
        slopes = self._aux_slopes
        return np.asarray(slopes.T @ information @ slopes)

    @property
    def _aux_slopes(self) -> NDArray[np.float64]:
        """Derivatives of the expected auxiliary values, shape (auxdata, parameters)."""
        position, factor, _ = self.constraints
        found = np.zeros((len(position), len(self.names)))
        found[np.arange(len(position)), position] = factor
        return found

    def nll(self, theta: jax.Array, data: OptimalData) -> jax.Array:
        """Half the chi-square of one toy; theta of shape (parameters,)."""
        return self.expansion(theta, data).nll

    def expansion(self, theta: jax.Array, data: OptimalData) -> Expansion:
        """Value, gradient and expected curvature, D^T Omega^-1 D and the constraints."""
        require_double_precision()
        position, factor, information = (jnp.asarray(part) for part in self.constraints)
        apart = jnp.zeros((len(position), theta.size)).at[jnp.arange(len(position)), position]
        measures = apart.set(factor)
        reference = jnp.asarray(data.reference)
        left = data.totals - data.events * self.scores(theta, reference)
        slopes = data.events * self.slopes(theta, reference)
        pulls = factor * theta[position] - data.aux
        weighed, pulled = data.weight @ left, information @ pulls
        return Expansion(
            0.5 * (jnp.dot(left, weighed) + jnp.dot(pulls, pulled)),
            measures.T @ pulled - slopes.T @ weighed,
            jnp.asarray(slopes.T @ data.weight @ slopes) + measures.T @ information @ measures,
        )

    def hessian(self, theta: jax.Array, data: OptimalData) -> jax.Array:
        """The information, whose inverse is the covariance of the estimate; not the observed one.

        That would have the noise of the scores in it.
        """
        curvature: jax.Array = self.expansion(theta, data).curvature
        return curvature

    def slopes(self, theta: jax.Array, reference: jax.Array) -> jax.Array:
        """Derivatives of the expectation for one event, D / N.

        Args:
            theta: Shape (parameters,), in their units.
            reference: Of `OptimalData`, of one toy.

        Returns:
            Shape (elements, parameters).
        """
        return jnp.asarray(jax.jacfwd(self.scores.__call__)(theta, reference))


@jit
def combination(
    likelihood: OptimalLikelihood, theta: jax.Array, data: OptimalData
) -> tuple[jax.Array, jax.Array]:
    """How the scores of an event are combined to that of the parameters.

    Args:
        likelihood: Of the combination.
        theta: Shape (toys, parameters).
        data: Of the toys.

    Returns:
        Omega^-1 D, shape (toys, elements, parameters), and the expectation of an event, shape
        (toys, elements).
    """

    def one(at: jax.Array, toy: OptimalData) -> tuple[jax.Array, jax.Array]:
        reference = jnp.asarray(toy.reference)
        slopes = toy.events * likelihood.slopes(at, reference)
        return jnp.asarray(toy.weight @ slopes), likelihood.scores(at, reference)

    return jax.vmap(one)(theta, data)


class Directions(NamedTuple):
    """Combinations of the scores that are measurements.

    Attributes:
        basis: Shape (elements, directions).
        null: Number of those that always have the same value, and are left out.
    """

    basis: NDArray[np.float64]
    null: int

    @classmethod
    def of(
        cls,
        likelihood: OptimalLikelihood,
        covariance: NDArray[np.float64],
        theta: NDArray[np.float64],
        reference: NDArray[np.float64],
        moved: float = _MOVED,
    ) -> Self:
        """All combinations but those without a variance, which depend on no parameter either.

        Args:
            likelihood: Gives the expectations.
            covariance: Of the scores of an event, shape (elements, elements).
            theta: Where, shape (parameters,), in the parameters' units.
            reference: As in `OptimalData`, of one toy.
            moved: What of the most that parameters do to a combination counts as nothing.

        Raises:
            LikelihoodError: If one without a variance depends on a parameter: it would determine
                that exactly.
        """
        all_slopes = likelihood.slopes(jnp.asarray(theta), jnp.asarray(reference))
        slopes = np.where(likelihood.held, 0.0, np.asarray(all_slopes))
        variance = np.diag(covariance)
        scale = np.sqrt(np.where(variance > 0, variance, 1.0))
        values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
        null = values < _NULL * len(values)
        basis = vectors / scale[:, None]
        known = np.abs(basis[:, null].T @ slopes)
        if np.any(known > moved * np.abs(basis.T @ slopes).max(axis=0, initial=1e-300)):
            raise LikelihoodError(
                "a combination of the observables always has the same value and depends on a "
                "parameter, which an optimal method would take for exactly known; leave out an "
                "observable, or take fewer bins"
            )
        return cls(basis[:, ~null], int(null.sum()))

    @property
    def number(self) -> int:
        """How many there are."""
        return int(self.basis.shape[1])

    def weight(self, covariance: NDArray[np.float64]) -> NDArray[np.float64]:
        """The inverse of covariances within these directions, shape (..., elements, elements).

        Args:
            covariance: Of the scores, same shape.
        """
        inverse = np.linalg.inv(self.basis.T @ covariance @ self.basis)
        return np.asarray(self.basis @ inverse @ self.basis.T)


def measured_weight(
    directions: Directions, covariance: NDArray[np.float64], events: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weights of toys that have only themselves, without the bias of an inverse.

    Hartlap, Simon, Schneider 2007, doi:10.1051/0004-6361:20066170, eq. 17.

    Args:
        directions: Of the scores.
        covariance: Of the sums, from the toys' own events, unbiased; shape (toys, elements,
            elements).
        events: Number of events, shape (toys,).
    """
    factor = (events - directions.number - 2.0) / (events - 1.0)
    return np.asarray(factor[:, None, None] * directions.weight(covariance))
