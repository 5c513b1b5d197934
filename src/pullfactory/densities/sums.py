"""Sums over events of a location-scale density's log and of its derivatives."""

from collections.abc import Sequence
from operator import add
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jnp
from pullfactory.densities._family import Family

_LOG_NORM = 0.5 * float(np.log(2 * np.pi))


class EventSums(NamedTuple):
    """Weighted sums over the events of one observable.

    With z = (x - mu) / sigma and f the log of the standardised density. From these follow the
    negative log-likelihood and its derivatives with respect to (mu, sigma).

    Attributes:
        events: Sum of weights.
        f: Sum of f(z).
        df: Sum of f'(z).
        z_df: Sum of z f'(z).
        d2f: Sum of f''(z).
        z_d2f: Sum of z f''(z).
        z2_d2f: Sum of z^2 f''(z).
    """

    events: jax.Array
    f: jax.Array
    df: jax.Array
    z_df: jax.Array
    d2f: jax.Array
    z_d2f: jax.Array
    z2_d2f: jax.Array

    def nll(self, sigma: jax.Array) -> jax.Array:
        """Negative log-likelihood, scalar; sigma is that of the sums."""
        return self.events * jnp.log(sigma) - self.f

    def gradient(self, sigma: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Derivatives of `nll` with respect to mu and sigma; arguments as in `nll`."""
        return self.df / sigma, (self.events + self.z_df) / sigma

    def hessian(self, sigma: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Second ones: (mu, mu), (mu, sigma) and (sigma, sigma); arguments as in `nll`."""
        return (
            -self.d2f / sigma**2,
            -(self.z_d2f + self.df) / sigma**2,
            -(self.events + 2 * self.z_df + self.z2_d2f) / sigma**2,
        )


def event_sums(
    member: Family,
    mu: jax.Array,
    sigma: jax.Array,
    observed: Array,
    weights: Array | None = None,
) -> EventSums:
    """Sum over the events of one sample.

    Args:
        member: Density family.
        mu: Location, scalar.
        sigma: Scale, scalar.
        observed: `event_moments` of the sample, shape (3,), if the family has sufficient
            statistics; else the events, shape (events,).
        weights: Event weights, shape (events,), 0 for padding; None for ones. Sufficient
            statistics have them already.
    """
    if member.sufficient:
        count, mean, spread = jnp.asarray(observed)
        z = count * (mean - mu) / sigma
        z2 = (spread + count * (mean - mu) ** 2) / sigma**2
        return EventSums(count, -0.5 * z2 - count * _LOG_NORM, -z, -z2, -count, -z, -z2)
    z = (jnp.asarray(observed) - mu) / sigma
    f, df, d2f = member.derivatives(z)
    terms: tuple[jax.Array, ...] = f, jnp.ones_like(z), df, z * df, d2f, z * d2f, z * z * d2f
    if weights is not None:
        terms = tuple(jnp.where(weights > 0, weights * term, 0.0) for term in terms)
    total, events, *others = _sum_together(terms)
    return EventSums(events, total, *others)


def event_nll(
    member: Family,
    mu: jax.Array,
    sigma: jax.Array,
    observed: Array,
    weights: Array | None = None,
) -> jax.Array:
    """Negative log-likelihood of one sample, differentiable by JAX as `event_sums` is not.

    Arguments as in `event_sums`.
    """
    if member.sufficient:
        return event_sums(member, mu, sigma, observed).nll(sigma)
    terms = jnp.log(sigma) - member.log_density((jnp.asarray(observed) - mu) / sigma)
    if weights is not None:
        terms = jnp.where(weights > 0, weights * terms, 0.0)
    return jnp.sum(terms)


def _sum_together(terms: Sequence[jax.Array]) -> tuple[jax.Array, ...]:
    """Sums of all terms in one pass, in which none is stored; the first to the last digit.

    A minimiser compares sums of f that hardly differ, so what each addition of it rounds off is
    summed too (Knuth 1997, The Art of Computer Programming, volume 2, section 4.2.2, theorem B).
    """

    def join(left: Sequence[jax.Array], right: Sequence[jax.Array]) -> tuple[jax.Array, ...]:
        total = left[0] + right[0]
        added = total - left[0]
        lost = (left[0] - (total - added)) + (right[0] - added)
        return total, left[1] + right[1] + lost, *map(add, left[2:], right[2:])

    operands = (terms[0], jnp.zeros_like(terms[0]), *terms[1:])
    total, lost, *others = jax.lax.reduce(operands, (0.0,) * len(operands), join, (0,))
    return total + lost, *others


def event_moments(
    events: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Sufficient statistics of a Gaussian for each of several samples.

    Args:
        events: Shape (samples, events).
        weights: Shape (samples, events), or None for ones.

    Returns:
        Sum of weights, mean, and sum of squared deviations from the mean; shape (samples, 3).
    """
    if weights is None:
        count = np.full(len(events), float(events.shape[1]))
        mean = events.mean(axis=1)
        deviations = events - mean[:, None]
        spread = np.einsum("te,te->t", deviations, deviations)
    else:
        count = weights.sum(axis=1)
        mean = np.einsum("te,te->t", weights, events) / np.where(count > 0, count, 1.0)
        deviations = events - mean[:, None]
        spread = np.einsum("te,te,te->t", weights, deviations, deviations)
    return np.stack([count, mean, spread], axis=1)
