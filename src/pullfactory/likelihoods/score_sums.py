"""Sums of the scores of location and scale over events, and of products of those of one event."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit, jnp
from pullfactory.densities import Family
from pullfactory.densities.sums import event_sums
from pullfactory.likelihoods.rows import EventRows
from pullfactory.likelihoods.unbinned import UnbinnedData, UnbinnedLikelihood
from pullfactory.simulation.response import Response

_NODES = np.linspace(-8.0, 8.0, 1601)
"""Normal scores of the points of an average: the trapezoidal rule is exact for smooth functions."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DensityScores:
    """Scores of the location and of the log scale of each observable, two a row, in widths.

    Attributes:
        response: Of location and scale.
        families: Density family of each observable.
    """

    response: Response
    families: tuple[Family, ...] = field(metadata={"static": True})

    @property
    def groups(self) -> tuple[slice, ...]:
        """The elements of each observable."""
        return tuple(slice(2 * o, 2 * o + 2) for o in range(len(self.families)))

    def __call__(self, theta: jax.Array, reference: jax.Array) -> jax.Array:
        """Expectation at theta of the scores that are taken at other locations and scales.

        Args:
            theta: Shape (parameters,), in their units.
            reference: Locations, then scales, shape (2, observables), in the observables' units.
        """
        location, scale = self.response(theta)
        found = []
        for o, member in enumerate(self.families):
            move = (location[o] - reference[0, o]) / reference[1, o]
            found.append(_expected_scores(member, move, scale[o] / reference[1, o]))
        return jnp.concatenate(found)


def _expected_scores(member: Family, move: jax.Array, widening: jax.Array) -> jax.Array:
    """Of location and log scale at 0 and 1, where the density has moved and is wider."""
    if member.sufficient:
        return jnp.stack([move, move**2 + widening**2 - 1.0])
    z = member.from_normal(_NODES)
    weight = np.exp(-0.5 * _NODES**2)
    weight /= weight.sum()
    there = jnp.stack(scores_of(member, move + widening * z))
    here = jnp.stack(scores_of(member, jnp.asarray(z)))
    return jnp.sum(weight * (there - here), axis=1)


def scores_of(member: Family, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Derivatives of the log density by location and log scale, in widths, each of z's shape.

    Args:
        member: Density family.
        z: Standardised values, any shape.
    """
    _, slope, _ = member.derivatives(z)
    return -slope, -(1.0 + z * slope)


@jit
def sum_scores(
    likelihood: UnbinnedLikelihood, theta: jax.Array, data: UnbinnedData
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sums of the scores of toys.

    Args:
        likelihood: Gives the response and the families.
        theta: Where they are taken, shape (toys, parameters).
        data: Of the toys.

    Returns:
        Number of events, shape (toys,); sums, shape (toys, elements), in the order of
        `DensityScores`; locations and scales, shape (toys, 2, observables).
    """

    def one(at: jax.Array, toy: UnbinnedData) -> tuple[jax.Array, jax.Array, jax.Array]:
        location, scale = likelihood.response(at)
        events, rows = jnp.zeros(()), []
        for o, member in enumerate(likelihood.families):
            sums = event_sums(member, location[o], scale[o], toy.observables[o], toy.weights)
            events = sums.events
            rows += [-sums.df, -(sums.events + sums.z_df)]
        return events, jnp.stack(rows), jnp.stack([location, scale])

    return jax.vmap(one)(theta, data)


def multiply_scores(
    likelihood: UnbinnedLikelihood,
    theta: NDArray[np.float64],
    pairs: NDArray[np.float64] | EventRows,
) -> NDArray[np.float64]:
    """Sums over events of products of 1 and the scores.

    Args:
        likelihood: Gives the response and the families.
        theta: Where they are taken, shape (toys, parameters).
        pairs: Of an observation of the likelihood.

    Returns:
        Shape (toys, 1 + elements, 1 + elements).
    """
    multiply = _of_events if isinstance(pairs, EventRows) else _of_gram
    return np.asarray(multiply(likelihood, theta, pairs))


@jit
def _of_gram(likelihood: UnbinnedLikelihood, theta: jax.Array, gram: jax.Array) -> jax.Array:
    """With z = a + b u the scores z and z^2 - 1 of a Gaussian are linear in 1, u and u^2."""

    def one(at: jax.Array, sums: jax.Array) -> jax.Array:
        location, scale = likelihood.response(at)
        a = (jnp.asarray(likelihood.response.mu) - location) / scale
        b = jnp.asarray(likelihood.response.sigma) / scale
        change = jnp.eye(1 + 2 * len(likelihood.families))
        for o in range(len(likelihood.families)):
            first, second = 1 + 2 * o, 2 + 2 * o
            change = change.at[first, 0].set(a[o]).at[first, first].set(b[o])
            change = change.at[second, 0].set(a[o] ** 2 - 1.0)
            change = change.at[second, first].set(2.0 * a[o] * b[o])
            change = change.at[second, second].set(b[o] ** 2)
        return change @ sums @ change.T

    return jax.vmap(one)(theta, gram)


@jit
def _of_events(likelihood: UnbinnedLikelihood, theta: jax.Array, pairs: EventRows) -> jax.Array:
    def one(at: jax.Array, events: EventRows) -> jax.Array:
        location, scale = likelihood.response(at)
        columns = [jnp.ones_like(jnp.asarray(events.observables[0]))]
        for o, member in enumerate(likelihood.families):
            columns += scores_of(member, (events.observables[o] - location[o]) / scale[o])
        return events.scatter(jnp.stack(columns))

    return jax.vmap(one)(theta, pairs)
