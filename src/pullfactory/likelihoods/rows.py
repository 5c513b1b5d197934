"""Rows of events, and the covariance of a score that is summed over them.

A row of weight w adds k w s to the score, where its event comes k times. The covariance is the sum
over events of k (sum of w s)(sum of w s)^T, with the inner sums over the rows of an event.
"""

from abc import abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jit, jnp
from pullfactory.likelihoods._likelihood import Likelihood
from pullfactory.simulation.toys import ToyBlock


class EventRows(NamedTuple):
    """Rows of toys, or of one toy without the first axis.

    Attributes:
        observables: Values of each observable, each of shape (toys, rows), in its unit.
        variances: k w^2, with no negative w, shape (toys, rows); None for ones.
        owners: As in `ToyBlock`.
    """

    observables: tuple[Array, ...]
    variances: Array | None
    owners: jax.Array | NDArray[np.intp] | None

    @classmethod
    def of(cls, block: ToyBlock) -> Self:
        """The rows of a block of toys.

        Args:
            block: Toys with events of shape (toys, events, observables).
        """
        values = tuple(np.moveaxis(block.events, -1, 0))
        return cls(values, block.variances, block.owners)

    def scatter(self, scores: jax.Array) -> jax.Array:
        """Covariance of the score of one toy.

        Args:
            scores: Of its rows, shape (parameters, rows).

        Returns:
            Shape (parameters, parameters).
        """
        if self.owners is None:
            counted = scores if self.variances is None else scores * self.variances
            return counted @ scores.T
        weighed = scores if self.variances is None else scores * jnp.sqrt(self.variances)
        summed = jnp.zeros_like(weighed).at[:, self.owners].add(weighed)
        return summed @ summed.T


class EventLikelihood(Likelihood):
    """A likelihood of single events, whose rows have scores."""

    @abstractmethod
    def scores(self, theta: jax.Array, events: jax.Array) -> jax.Array:
        """Derivatives of the log density of each event, shape (parameters, events).

        Args:
            theta: Shape (parameters,).
            events: Shape (events, observables), in the observables' units.
        """

    def scatter(self, theta: NDArray[np.float64], pairs: Any) -> NDArray[np.float64]:
        """Covariance of the score: sum over events, s summed over observables and rows.

        Args:
            theta: Shape (toys, parameters).
            pairs: Of an observation.

        Returns:
            Shape (toys, parameters, parameters).
        """
        return np.asarray(_scatter(self, theta, pairs))


@jit
def _scatter(likelihood: EventLikelihood, theta: jax.Array, pairs: EventRows) -> jax.Array:
    def one(at: jax.Array, rows: EventRows) -> jax.Array:
        return rows.scatter(likelihood.scores(at, jnp.stack(rows.observables, axis=-1)))

    return jax.vmap(one)(theta, pairs)


def sum_rows(columns: NDArray[np.float64], owners: NDArray[np.intp]) -> NDArray[np.float64]:
    """Sum over the rows of each event.

    Args:
        columns: Shape (toys, columns, rows).
        owners: As in `ToyBlock`.

    Returns:
        The sums at the first rows, and 0 at the others; same shape as the columns.
    """
    toys, n, rows = columns.shape
    at = np.arange(toys * n).reshape(toys, n, 1) * rows + owners[:, None, :]
    summed = np.bincount(at.ravel(), columns.ravel(), columns.size)
    return np.asarray(summed.reshape(columns.shape))
