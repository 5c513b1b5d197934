"""The density of all observables of an event, by a triangular map in calibrated coordinates.

x -> z = (x - mu(theta)) / sigma(theta) -> q = Phi^-1(F(z)) -> S(q), independent standard normal
numbers. With the densities f of the families,

log p(x | theta) = sum over observables of [log f(z) - log sigma - log phi(q)]
                   + sum over k of [log phi(S_k) + log dS_k / dq_k].
"""

from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jit, jnp
from pullfactory.densities import Family
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.sums import event_gradients
from pullfactory.simulation.response import Response

_LOG_SQRT_2PI = 0.5 * float(np.log(2.0 * np.pi))


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlowDensity:
    """An autoregressive density of one layer: exact, positive and normalised for every theta.

    Attributes:
        response: Calibrated response of location and scale.
        coefficients: Of the map of each observable in turn, c with c_0 + sum_k theta_k c_k; each of
            shape (1 + parameters, size), or (0, 0) where there is no map. Rows that are not
            `linear` are 0.
        families: Density family of each observable, in the study's order.
        order: Positions of the observables in the order of the map.
        maps: The map of each observable in turn; None where it is the identity, and the family is
            the exact marginal.
        linear: Whether the map of each in turn changes with each parameter, shape (observables,
            parameters).
    """

    response: Response
    coefficients: tuple[Array, ...]
    families: tuple[Family, ...] = field(metadata={"static": True})
    order: tuple[int, ...] = field(metadata={"static": True})
    maps: tuple[Conditional | None, ...] = field(metadata={"static": True})
    linear: tuple[tuple[bool, ...], ...] = field(metadata={"static": True})

    def log_prob(self, x: Array, theta: Array) -> jax.Array:
        """Log density of events, shape (events,).

        Args:
            x: Shape (events, observables), in the observables' units and the study's order.
            theta: Shape (parameters,), in the parameters' units.
        """
        found: jax.Array = _log_prob(self, x, theta)
        return found

    def __call__(self, x: Array, theta: Array) -> jax.Array:
        """`log_prob`, as likelihoods call a density."""
        return self.log_prob(x, theta)

    def normal_scores(self, x: Array, theta: Array) -> jax.Array:
        """Q of the observables in the order of the map, shape (observables, events).

        Args:
            x: As in `log_prob`.
            theta: As in `log_prob`.
        """
        found: jax.Array = _normal_scores(self, x, theta)
        return found

    def residuals(self, x: Array, theta: Array) -> jax.Array:
        """S, independent standard normal numbers if the density is right; (observables, events).

        Args:
            x: As in `log_prob`.
            theta: As in `log_prob`.
        """
        found: jax.Array = _residuals(self, x, theta)
        return found

    def coefficients_at(self, k: int, theta: Array) -> jax.Array:
        """Coefficients of the k-th map at theta, shape (size,)."""
        rows = jnp.asarray(self.coefficients[k])
        found = rows[0]
        for row, changes in enumerate(self.linear[k], start=1):
            if changes:
                found = found + jnp.asarray(theta)[row - 1] * rows[row]
        return found

    def shape_scores(self, x: Array, theta: Array) -> jax.Array:
        """Derivatives of the log density by the coefficients at theta, map by map.

        Args:
            x: As in `log_prob`.
            theta: As in `log_prob`.

        Returns:
            Shape (events, coefficients).
        """
        found: jax.Array = _shape_scores(self, x, theta)
        return found

    def left_out(self, parameter: int) -> NDArray[np.bool_]:
        """Which coefficients, as in `shape_scores`, do not depend on a parameter.

        Args:
            parameter: Position.

        Returns:
            Shape (coefficients,).
        """
        parts = [
            np.full(conditional.size, not self.linear[k][parameter])
            for k, conditional in enumerate(self.maps)
            if conditional is not None
        ]
        return np.concatenate([np.zeros(0, dtype=bool), *parts])

    def rows(self, k: int) -> tuple[int, ...]:
        """Rows of the coefficients of the k-th map that are learnt."""
        return (0, *(1 + p for p, changes in enumerate(self.linear[k]) if changes))

    @property
    def free(self) -> jax.Array:
        """All coefficients that are learnt: map by map, row by row; shape (coefficients,)."""
        parts = [
            jnp.asarray(self.coefficients[k])[jnp.array(self.rows(k))].ravel()
            for k, conditional in enumerate(self.maps)
            if conditional is not None
        ]
        return jnp.concatenate(parts) if parts else jnp.zeros(0)

    def with_free(self, values: Array) -> Self:
        """The same with other coefficients.

        Args:
            values: In the order of `free`, same shape.
        """
        found, first = [], 0
        for k, conditional in enumerate(self.maps):
            old = jnp.asarray(self.coefficients[k])
            if conditional is None:
                found.append(old)
                continue
            rows = self.rows(k)
            last = first + len(rows) * conditional.size
            new = jnp.asarray(values)[first:last].reshape(len(rows), conditional.size)
            found.append(old.at[jnp.array(rows)].set(new))
            first = last
        return replace(self, coefficients=tuple(found))


@jit
def _log_prob(flow: FlowDensity, x: jax.Array, theta: jax.Array) -> jax.Array:
    scores, total = _place(flow, x, theta)
    for k, conditional in enumerate(flow.maps):
        if conditional is None:
            total = total - 0.5 * scores[k] * scores[k] - _LOG_SQRT_2PI
            continue
        own = flow.coefficients_at(k, theta)
        total = total + conditional.log_density(scores[:k], scores[k], own)
    return total


@jit
def _normal_scores(flow: FlowDensity, x: jax.Array, theta: jax.Array) -> jax.Array:
    return jnp.stack(_place(flow, x, theta)[0])


@jit
def _residuals(flow: FlowDensity, x: jax.Array, theta: jax.Array) -> jax.Array:
    scores = _place(flow, x, theta)[0]
    return jnp.stack(
        [
            score
            if conditional is None
            else conditional.map(scores[:k], score, flow.coefficients_at(k, theta))[0]
            for k, (conditional, score) in enumerate(zip(flow.maps, scores, strict=True))
        ]
    )


@jit
def _shape_scores(flow: FlowDensity, x: jax.Array, theta: jax.Array) -> jax.Array:
    scores = jnp.stack(_place(flow, x, theta)[0])
    parts = [
        event_gradients(conditional, scores[: k + 1], flow.coefficients_at(k, theta))
        for k, conditional in enumerate(flow.maps)
        if conditional is not None
    ]
    return jnp.concatenate([jnp.zeros((0, len(x))), *parts]).T


def _place(flow: FlowDensity, x: jax.Array, theta: jax.Array) -> tuple[list[jax.Array], jax.Array]:
    """Normal scores in the order of the map, and the log of the slope of all of them."""
    location, scale = flow.response(theta)
    scores, total = [], jnp.zeros_like(x[:, 0])
    for o in flow.order:
        z, member = (x[:, o] - location[o]) / scale[o], flow.families[o]
        score = member.to_normal(z)
        total = total - jnp.log(scale[o])
        if not member.sufficient:
            total = total + member.log_density(z) + 0.5 * score * score + _LOG_SQRT_2PI
        scores.append(score)
    return scores, total


def gaussian_flow(
    response: Response,
    families: tuple[Family, ...],
    correlation: NDArray[np.float64],
    order: tuple[int, ...],
) -> FlowDensity:
    """The flow that is a Gaussian copula.

    Args:
        response: Of location and scale.
        families: Density family of each observable.
        correlation: Of the normal scores, shape (observables, observables).
        order: Positions of the observables in the order of the map.
    """
    parameters = np.shape(response.mu_slopes)[1]
    ordered = np.asarray(correlation)[np.ix_(order, order)]
    whiten = np.linalg.inv(np.linalg.cholesky(ordered))
    maps: list[Conditional | None] = [None]
    coefficients = [np.zeros((0, 0))]
    for k in range(1, len(order)):
        conditional = Conditional(before=k, shift_degree=0, shape_degree=0)
        rows = np.zeros((1 + parameters, conditional.size))
        rows[0, 1 : 1 + k] = whiten[k, :k]
        rows[0, conditional.shifts :] = np.log(whiten[k, k])
        maps.append(conditional)
        coefficients.append(rows)
    return FlowDensity(
        response=response,
        coefficients=tuple(coefficients),
        families=families,
        order=order,
        maps=tuple(maps),
        linear=((False,) * parameters,) * len(order),
    )
