"""The Gaussian copula: what correlated observables add to the product of their densities.

With standardised observables z_o = (x_o - mu_o) / sigma_o, normal scores q_o = Phi^-1(F_o(z_o))
and a correlation matrix R, the density of one event is the product of its marginals times c,

log c = -1/2 log det R - 1/2 q^T (R^-1 - 1) q

(Song 2000, doi:10.1111/1467-9469.00191). R = 1 + r C has the eigenvectors of C for
every r, so log det R, R^-1 and their derivatives are functions of the eigenvalues alone.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jnp
from pullfactory.densities import Family
from pullfactory.likelihoods._likelihood import Expansion

_EDGE = 1e-6  # of the range of r, at its ends: R is nearly singular there
_LOG_SQRT_2PI = 0.5 * float(np.log(2.0 * np.pi))


class ScoreSums(NamedTuple):
    """Sums over events of products of normal scores q and of their derivatives.

    With first = (q', z q') of all observables, 2 observables rows, as a score changes with
    location and scale, and second = (q'', z q'', z^2 q''); primes are derivatives with respect
    to z.

    Attributes:
        events: Sum of weights.
        q_q: Sums of q_a q_b, shape (observables, observables).
        first_q: Sums of first_i q_b, shape (2 observables, observables).
        first_first: Sums of first_i first_j, shape (2 observables, 2 observables).
        second_q: Sums of second_ka q_b, shape (3, observables, observables).
    """

    events: jax.Array
    q_q: jax.Array
    first_q: jax.Array
    first_first: jax.Array
    second_q: jax.Array


def sums_of_moments(
    count: jax.Array, mean: jax.Array, spread: jax.Array, mu: jax.Array, sigma: jax.Array
) -> ScoreSums:
    """For Gaussian observables, whose scores are q = z.

    Args:
        count: Sum of weights, scalar.
        mean: Shape (observables,).
        spread: Sums of products of deviations from the means, shape (observables, observables).
        mu: Locations, shape (observables,).
        sigma: Scales, shape (observables,).
    """
    n = len(mu)
    offset = mean - mu
    z_z = (spread + count * jnp.outer(offset, offset)) / jnp.outer(sigma, sigma)
    one_z = jnp.broadcast_to(count * offset / sigma, (n, n))
    return ScoreSums(
        events=count,
        q_q=z_z,
        first_q=jnp.concatenate([one_z, z_z]),
        first_first=jnp.block([[jnp.full((n, n), count), one_z], [one_z.T, z_z]]),
        second_q=jnp.zeros((3, n, n)),
    )


def sums_of_events(
    families: Sequence[Family],
    events: Sequence[Array],
    weights: Array | None,
    mu: jax.Array,
    sigma: jax.Array,
) -> ScoreSums:
    """For observables of any density.

    Args:
        families: Density family of each observable.
        events: One array of shape (events,) per observable, in its unit.
        weights: Event weights, shape (events,), 0 for padding; None for ones.
        mu: Locations, shape (observables,).
        sigma: Scales, shape (observables,).
    """
    rows = [
        scores_of_events(member, (jnp.asarray(x) - mu[o]) / sigma[o])
        for o, (member, x) in enumerate(zip(families, events, strict=True))
    ]
    z, q, slope, log_slope = (jnp.stack(row) for row in zip(*rows, strict=True))
    bend = slope * (log_slope + q * slope)  # q''
    first = jnp.concatenate([slope, z * slope])
    second = jnp.stack([bend, z * bend, z * z * bend])
    weight = jnp.ones_like(z[0]) if weights is None else jnp.asarray(weights)
    weighted = weight * q
    return ScoreSums(
        events=jnp.sum(weight),
        q_q=weighted @ q.T,
        first_q=first @ weighted.T,
        first_first=(weight * first) @ first.T,
        second_q=second @ weighted.T,
    )


def scores_of_events(
    member: Family, z: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Normal scores of standardised events.

    Args:
        member: Density family, with density f.
        z: Any shape.

    Returns:
        z, q, q' = f / phi(q) and (log f)'.
    """
    q = member.to_normal(z)
    value, log_slope, _ = member.derivatives(z)
    return z, q, jnp.exp(value + 0.5 * q * q + _LOG_SQRT_2PI), log_slope


class Copula(NamedTuple):
    """Correlation matrices R = 1 + r C.

    Attributes:
        values: Eigenvalues of C, shape (observables,), ascending.
        vectors: Eigenvectors of C in columns, shape (observables, observables).
    """

    values: Array
    vectors: Array

    @classmethod
    def of(cls, matrix: NDArray[np.float64]) -> Self:
        """The copula that has this R at r = 1.

        Args:
            matrix: Shape (observables, observables), symmetric, ones on its diagonal.
        """
        return cls(*np.linalg.eigh(matrix - np.eye(len(matrix))))

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest r for which R is well positive definite."""
        inside = 1.0 - _EDGE
        return -inside / float(self.values[-1]), -inside / float(self.values[0])

    def nll(self, r: Array | float, events: jax.Array, q_q: jax.Array) -> jax.Array:
        """Sum of -log c, scalar; arguments as in `ScoreSums`."""
        spectrum = 1.0 + r * self.values
        excess = self._matrix(1.0 / spectrum - 1.0)
        return 0.5 * (events * jnp.sum(jnp.log(spectrum)) + jnp.sum(excess * q_q))

    def slopes(self, r: Array | float, q: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Derivatives of log c with respect to the normal scores, and to r.

        Args:
            r: Scalar.
            q: Normal scores, shape (observables, events).

        Returns:
            Shapes (observables, events) and (events,).
        """
        spectrum = 1.0 + r * self.values
        ratio = self.values / spectrum
        bent = self._matrix(-ratio / spectrum) @ q
        to_r = -0.5 * (jnp.sum(ratio) + jnp.sum(q * bent, axis=0))
        return -self._matrix(1.0 / spectrum - 1.0) @ q, to_r

    def expansion(self, r: Array | float, sums: ScoreSums, sigma: jax.Array) -> Expansion:
        """Sum of -log c with gradient and Hessian in all locations, all scales, and r.

        Args:
            r: Scalar.
            sums: At the locations and scales.
            sigma: Scales, shape (observables,).
        """
        spectrum = 1.0 + r * self.values
        ratio = self.values / spectrum
        excess = self._matrix(1.0 / spectrum - 1.0)
        d_excess = self._matrix(-ratio / spectrum)
        d2_excess = self._matrix(2.0 * ratio * ratio / spectrum)
        unit = -1.0 / jnp.concatenate([sigma, sigma])
        gradient = unit * _contract(excess, sums.first_q)
        cross = unit * _contract(d_excess, sums.first_q)
        curvature = jnp.outer(unit, unit) * (
            jnp.tile(excess, (2, 2)) * sums.first_first + _second(excess, sums)
        )
        to_r = 0.5 * (sums.events * jnp.sum(ratio) + jnp.sum(d_excess * sums.q_q))
        to_r_r = 0.5 * (jnp.sum(d2_excess * sums.q_q) - sums.events * jnp.sum(ratio * ratio))
        return Expansion(
            self.nll(r, sums.events, sums.q_q),
            jnp.append(gradient, to_r),
            jnp.block([[curvature, cross[:, None]], [cross[None], to_r_r[None, None]]]),
        )

    def _matrix(self, values: Array) -> jax.Array:
        return jnp.asarray((self.vectors * values) @ self.vectors.T)


def _contract(matrix: jax.Array, products: jax.Array) -> jax.Array:
    """Sum over b of matrix_ab products_ab, for each block of rows of `products`."""
    blocks = products.reshape(-1, *matrix.shape)
    return jnp.sum(matrix * blocks, axis=-1).reshape(-1)


def _second(excess: jax.Array, sums: ScoreSums) -> jax.Array:
    """Curvature of the scores themselves, times sigma^2: each depends on its own mu and sigma."""
    bend = jnp.sum(excess * sums.second_q, axis=-1)
    d_mu, d_sigma = _contract(excess, sums.first_q).reshape(2, -1)
    mixed = jnp.diag(bend[1] + d_mu)
    return jnp.block([[jnp.diag(bend[0]), mixed], [mixed, jnp.diag(bend[2] + 2.0 * d_sigma)]])
