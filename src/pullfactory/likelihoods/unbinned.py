"""The single-event likelihood: the product of one density per observable.

-log L = sum over events and observables of -log p_o(x_o | theta)
         + sum over constrained parameters of (theta_k - a_k)^2 / 2,

with the inverse of their correlation between them where constraints are correlated.

All densities are location-scale families, so the likelihood depends on theta through the
location mu and scale sigma of each observable only: seven sums over the events give value and
derivatives with respect to (mu, sigma), and the chain rule through the response the gradient
and the exact Hessian in theta.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jit, jnp, require_double_precision
from pullfactory.densities import Family
from pullfactory.densities.sums import event_moments, event_nll, event_sums
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods._likelihood import Expansion, Observation
from pullfactory.likelihoods.rows import EventLikelihood, EventRows, sum_rows
from pullfactory.settings.document import Document
from pullfactory.simulation.population import Population
from pullfactory.simulation.response import Response
from pullfactory.simulation.toys import ToyBlock

_GROUP = 16  # events whose spread is small beside the width of a density
_WORTH_GROUPING = 1024  # events per toy


class UnbinnedData(NamedTuple):
    """What the single-event likelihood takes from toys.

    Attributes:
        observables: One array per observable. For a family with sufficient statistics: number
            of events, mean, and sum of squared deviations from it, shape (toys, 3); for any
            other the events, shape (toys, events), in the observable's unit.
        weights: Event weights, shape (toys, events); None if all are 1.
        aux: Auxiliary values of the constrained parameters, shape (toys, constrained).
    """

    observables: tuple[Array, ...]
    weights: Array | None
    aux: Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnbinnedLikelihood(EventLikelihood):
    """Product over events and observables of calibrated densities.

    Attributes:
        response: Calibrated response of location and scale.
        limits: Bounds of the parameters, shape (parameters, 2).
        names: Names of the parameters.
        families: Density family of each observable.
        constrained: Positions of the parameters with a unit Gaussian constraint.
        coupling: Inverse correlation of the constraints, less 1, shape (constrained, constrained);
            None where they are independent.
    """

    exact: ClassVar[bool] = True

    response: Response
    limits: NDArray[np.float64]
    names: tuple[str, ...] = field(metadata={"static": True})
    families: tuple[Family, ...] = field(metadata={"static": True})
    constrained: tuple[int, ...] = field(metadata={"static": True})
    coupling: NDArray[np.float64] | None = None

    def nll(self, theta: jax.Array, data: UnbinnedData) -> jax.Array:
        """Negative log-likelihood of one toy; theta of shape (parameters,)."""
        require_double_precision()
        location, scale = self.response(theta)
        total = self._penalty(theta, data)
        for o, member in enumerate(self.families):
            total = total + event_nll(
                member, location[o], scale[o], data.observables[o], data.weights
            )
        return total

    def expansion(self, theta: jax.Array, data: UnbinnedData) -> Expansion:
        """Value, gradient and exact Hessian through (mu, sigma) of each observable."""
        require_double_precision()
        location, scale = self.response(theta)
        slope = jax.jacfwd(self.response.__call__)(theta)
        bend = jax.jacfwd(jax.jacfwd(self.response.__call__))(theta)
        selected = jnp.array(self.constrained, dtype=int)
        nll = self._penalty(theta, data)
        pulls = theta[selected] - data.aux
        gradient = jnp.zeros_like(theta).at[selected].set(pulls)
        curvature = jnp.zeros((theta.size, theta.size)).at[selected, selected].set(1.0)
        if self.coupling is not None:
            gradient = gradient.at[selected].add(self.coupling @ pulls)
            curvature = curvature.at[jnp.ix_(selected, selected)].add(self.coupling)
        for o, member in enumerate(self.families):
            sigma = scale[o]
            sums = event_sums(member, location[o], sigma, data.observables[o], data.weights)
            nll = nll + sums.nll(sigma)
            d_mu, d_sigma = sums.gradient(sigma)
            d_mu_mu, d_mu_sigma, d_sigma_sigma = sums.hessian(sigma)
            to_mu, to_sigma = slope[0][o], slope[1][o]
            cross = jnp.outer(to_mu, to_sigma)
            gradient = gradient + d_mu * to_mu + d_sigma * to_sigma
            curvature = (
                curvature
                + d_mu_mu * jnp.outer(to_mu, to_mu)
                + d_mu_sigma * (cross + cross.T)
                + d_sigma_sigma * jnp.outer(to_sigma, to_sigma)
                + d_mu * bend[0][o]
                + d_sigma * bend[1][o]
            )
        return Expansion(nll, gradient, curvature)

    def hessian(self, theta: jax.Array, data: UnbinnedData) -> jax.Array:
        """Observed information; the expansion has it already."""
        found: jax.Array = self.expansion(theta, data).curvature
        return found

    def coarsen(self, data: UnbinnedData) -> UnbinnedData | None:
        """Neighbouring events of each observable replaced by their mean, `_GROUP` at a time.

        Not for weights other than 0 and 1: the groups of the observables would weigh differently.
        """
        events = [
            np.shape(x)[1] for x, member in self._with_families(data) if not member.sufficient
        ]
        if not events or events[0] < _WORTH_GROUPING:
            return None
        shape = (len(data.aux), events[0])
        weights = np.ones(shape) if data.weights is None else np.asarray(data.weights)
        if not np.all((weights == 0) | (weights == 1)):
            return None
        return UnbinnedData(
            observables=tuple(
                x if member.sufficient else _group(np.asarray(x), weights)
                for x, member in self._with_families(data)
            ),
            weights=_fold(weights).sum(axis=-1),
            aux=data.aux,
        )

    def observe(self, block: ToyBlock) -> Observation:
        """Take from a block of toys what this likelihood needs of them.

        Args:
            block: Toys with events of shape (toys, events, observables).

        Raises:
            LikelihoodError: If events have negative weights.
        """
        refuse_negative(block)
        events = [block.events[..., o] for o in range(len(self.families))]
        sums, variances, owners = block.sums, block.variances, block.owners
        if self._sufficient:
            gram = self._gram(events, sums)
            moments = tuple(self._moments(gram, o) for o in range(len(events)))
            same = variances is sums and owners is None
            pairs = gram if same else self._gram(events, variances, owners)
            return Observation(UnbinnedData(moments, None, block.aux), pairs)
        observed = tuple(
            event_moments(x, sums) if member.sufficient else x
            for x, member in zip(events, self.families, strict=True)
        )
        return Observation(UnbinnedData(observed, sums, block.aux), EventRows.of(block))

    def expect(self, population: Population) -> Observation | None:
        """What it would take of a toy without fluctuations, if all families are Gaussian.

        Args:
            population: What the events are distributed like.
        """
        if not self._sufficient:
            return None
        n, scale = float(population.n_events), population.scale
        data = UnbinnedData(
            observables=tuple(
                np.array([[n, mu, n * sigma**2]])
                for mu, sigma in zip(population.location, scale, strict=True)
            ),
            weights=None,
            aux=population.aux[None],
        )
        mean = (population.location - self.response.mu) / self.response.sigma
        spread = scale / np.asarray(self.response.sigma)
        covariance = population.correlation * np.outer(spread, spread)
        return Observation(data, n * _moments_of_squares(mean, covariance)[None])

    def scores(self, theta: jax.Array, events: jax.Array) -> jax.Array:
        """As of every likelihood of single events, summed over the observables."""
        location, scale = self.response(theta)
        slope = jax.jacfwd(self.response.__call__)(theta)
        found = jnp.zeros((len(theta), 1))
        for o, member in enumerate(self.families):
            z = (events[:, o] - location[o]) / scale[o]
            _, df, _ = member.derivatives(z)
            found = (
                found
                - (slope[0][o][:, None] * df + slope[1][o][:, None] * (1.0 + z * df)) / scale[o]
            )
        return found

    def scatter(
        self, theta: NDArray[np.float64], pairs: NDArray[np.float64] | EventRows
    ) -> NDArray[np.float64]:
        """As of every likelihood of single events, from `_gram` if that is what was observed."""
        if isinstance(pairs, EventRows):
            return EventLikelihood.scatter(self, theta, pairs)
        return np.asarray(_scatter_of_gram(self, theta, pairs))

    def _moments(self, gram: NDArray[np.float64], observable: int) -> NDArray[np.float64]:
        """`event_moments` of one observable, from the sums of powers of u."""
        mu, sigma = self.response.mu[observable], self.response.sigma[observable]
        column = 1 + 2 * observable
        count, first, second = gram[:, 0, 0], gram[:, 0, column], gram[:, column, column]
        mean = first / np.where(count > 0, count, 1.0)
        spread = second - first * mean
        return np.stack([count, mu + sigma * mean, sigma**2 * spread], axis=1)

    @property
    def _sufficient(self) -> bool:
        return all(member.sufficient for member in self.families)

    def _gram(
        self,
        events: list[NDArray[np.float64]],
        weights: NDArray[np.float64] | None,
        owners: NDArray[np.intp] | None = None,
    ) -> NDArray[np.float64]:
        """Sums over events of all products of 1, u and u^2, with u = (x - mu) / sigma at 0.

        Where an event has several rows, its 1, u and u^2 are sums over these. The columns are 1,
        then u and u^2 of each observable; shape (toys, columns, columns).
        """
        columns = np.ones((len(events[0]), 1 + 2 * len(events), events[0].shape[1]))
        for o, x in enumerate(events):
            u = columns[:, 1 + 2 * o]
            np.subtract(x, self.response.mu[o], out=u)
            u /= self.response.sigma[o]
            np.square(u, out=columns[:, 2 + 2 * o])
        if owners is not None:
            columns = sum_rows(
                columns if weights is None else columns * np.sqrt(weights)[:, None, :], owners
            )
            return np.asarray(columns @ columns.transpose(0, 2, 1))
        counted = columns if weights is None else columns * weights[:, None, :]
        return np.asarray(counted @ columns.transpose(0, 2, 1))

    def _with_families(self, data: UnbinnedData) -> Iterator[tuple[Array, Family]]:
        return zip(data.observables, self.families, strict=True)

    def _penalty(self, theta: jax.Array, data: UnbinnedData) -> jax.Array:
        pulls = theta[jnp.array(self.constrained, dtype=int)] - data.aux
        total = 0.5 * jnp.sum(pulls**2)
        return total if self.coupling is None else total + 0.5 * pulls @ self.coupling @ pulls


def constraint_coupling(document: Document[Any, Any]) -> NDArray[np.float64] | None:
    """What the constraints of a study or an audit have beyond independent ones.

    Args:
        document: With its constraints.

    Returns:
        Inverse correlation less 1, shape (constrained, constrained); None where it is nothing.
    """
    if not document.correlated:
        return None
    information = document.constraint_information
    where = np.flatnonzero(np.diag(information))
    return np.asarray(information[np.ix_(where, where)] - np.eye(len(where)))


def refuse_negative(block: ToyBlock) -> None:
    """Refuse events that a likelihood of single events cannot take.

    Args:
        block: Toys.

    Raises:
        LikelihoodError: If events have negative weights: the likelihood may have no maximum.
    """
    weights = block.event_weights
    if weights is not None and (negative := int(np.sum(weights < 0))):
        raise LikelihoodError(
            f"{negative} events have negative weights (such as {weights[weights < 0][0]:g}), and "
            "an unbinned likelihood may have no maximum with them; fit them binned"
        )


def _moments_of_squares(
    mean: NDArray[np.float64], covariance: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Expected products of 1, u and u^2 of correlated normals, in the order of `_gram`."""
    square = mean**2 + np.diag(covariance)
    first = np.stack([mean, square], axis=1).ravel()
    linear = covariance + np.outer(mean, mean)
    mixed = np.outer(mean, square) + 2 * covariance * mean
    squares = np.outer(square, square) + 4 * covariance * np.outer(mean, mean) + 2 * covariance**2
    n = len(mean)
    result = np.empty((1 + 2 * n, 1 + 2 * n))
    result[0, 0] = 1.0
    result[0, 1:] = result[1:, 0] = first
    result[1::2, 1::2] = linear
    result[1::2, 2::2] = mixed
    result[2::2, 1::2] = mixed.T
    result[2::2, 2::2] = squares
    return result


@jit
def _scatter_of_gram(
    likelihood: UnbinnedLikelihood, theta: jax.Array, gram: jax.Array
) -> jax.Array:
    """With z = a + b u the scores z and z^2 - 1 of a Gaussian are linear in 1, u and u^2."""

    def one(at: jax.Array, sums: jax.Array) -> jax.Array:
        location, scale = likelihood.response(at)
        slope = jax.jacfwd(likelihood.response.__call__)(at)
        a = (jnp.asarray(likelihood.response.mu) - location) / scale
        b = jnp.asarray(likelihood.response.sigma) / scale
        to_mu, to_sigma = slope[0] / scale[:, None], slope[1] / scale[:, None]
        first = a[:, None] * to_mu + (a**2 - 1)[:, None] * to_sigma
        linear = b[:, None] * to_mu + (2 * a * b)[:, None] * to_sigma
        square = (b**2)[:, None] * to_sigma
        each = jnp.stack([linear, square], axis=1).reshape(-1, len(at))
        score = jnp.concatenate([first.sum(axis=0)[None], each])
        return score.T @ sums @ score

    return jax.vmap(one)(theta, gram)


def _group(events: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of groups of neighbours, padding last; shape (toys, groups)."""
    ordered = np.sort(np.where(weights > 0, events, np.inf), axis=1)
    used = _fold(weights)
    total = np.einsum("tgk,tgk->tg", used, _fold(np.where(np.isfinite(ordered), ordered, 0.0)))
    return np.asarray(total / np.maximum(used.sum(axis=-1), 1.0))


def _fold(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape (toys, groups, `_GROUP`), the last group filled with zeros."""
    missing = -values.shape[1] % _GROUP
    return np.pad(values, ((0, 0), (0, missing))).reshape(len(values), -1, _GROUP)
