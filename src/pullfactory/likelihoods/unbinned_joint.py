"""The joint single-event likelihood: calibrated densities coupled by a Gaussian copula.

-log L is that of `unbinned` minus the sum over events of log c(q_1, q_2, ...), see `_copula`.
The correlation matrix is R = 1 + r C: with r = 1 where it is known, or with r a further
parameter of the fit. Gaussian observables have sufficient statistics: means, and sums of
products of deviations from them.
"""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jnp
from pullfactory.likelihoods._copula import (
    Copula,
    ScoreSums,
    scores_of_events,
    sums_of_events,
    sums_of_moments,
)
from pullfactory.likelihoods._likelihood import Expansion, Observation
from pullfactory.likelihoods.rows import EventLikelihood, EventRows
from pullfactory.likelihoods.unbinned import UnbinnedData, UnbinnedLikelihood
from pullfactory.settings.sections import RHO
from pullfactory.simulation.toys import ToyBlock


class JointData(NamedTuple):
    """What the joint single-event likelihood takes from toys.

    Attributes:
        marginals: What the product of the densities takes.
        spread: If all observables are Gaussian, sums of products of deviations from the means,
            shape (toys, observables, observables); else None.
        events: Otherwise one array of events per observable, shape (toys, events), in its unit;
            else None.
    """

    marginals: UnbinnedData
    spread: Array | None
    events: tuple[Array, ...] | None


@jax.tree_util.register_dataclass
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointLikelihood(EventLikelihood):
    """Calibrated densities coupled by a Gaussian copula.

    Attributes:
        marginals: The product of the densities, with the constraints.
        copula: Eigenvalues and eigenvectors of C.
        first: Where fits start, shape (parameters,).
        limits: Bounds of the parameters, shape (parameters, 2).
        fits_correlation: Whether r is the last parameter.
    """

    exact: ClassVar[bool] = True

    marginals: UnbinnedLikelihood
    copula: Copula
    first: NDArray[np.float64]
    limits: NDArray[np.float64]
    fits_correlation: bool = field(metadata={"static": True})

    @classmethod
    def known(cls, marginals: UnbinnedLikelihood, matrix: NDArray[np.float64]) -> Self:
        """Couple the observables of an unbinned likelihood.

        Args:
            marginals: What each observable contributes.
            matrix: Correlation matrix of the normal scores, shape (observables, observables).
        """
        return cls(
            marginals=marginals,
            copula=Copula.of(matrix),
            first=marginals.start,
            limits=marginals.limits,
            fits_correlation=False,
        )

    @classmethod
    def fitted(
        cls, marginals: UnbinnedLikelihood, pattern: NDArray[np.float64], rho: float
    ) -> Self:
        """Couple the observables with a correlation that is a parameter of the fit.

        Args:
            marginals: What each observable contributes.
            pattern: Correlation matrix of the normal scores for rho = 1, which need not be
                positive definite; shape (observables, observables).
            rho: Where its fit begins.
        """
        copula = Copula.of(pattern)
        return cls(
            marginals=marginals,
            copula=copula,
            first=np.append(marginals.start, np.clip(rho, *copula.limits)),
            limits=np.vstack([marginals.limits, copula.limits]),
            fits_correlation=True,
        )

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters in the study's order, then `rho` if it is one."""
        names = self.marginals.parameters
        return (*names, RHO) if self.fits_correlation else names

    @property
    def start(self) -> NDArray[np.float64]:
        """The nominal point, and the correlation of the toys."""
        return self.first

    def nll(self, theta: jax.Array, data: JointData) -> jax.Array:
        """Negative log-likelihood of one toy; theta of shape (parameters,)."""
        theta, r = self._split(theta)
        sums = self._sums(*self.marginals.response(theta), data)
        return self.marginals.nll(theta, data.marginals) + self.copula.nll(r, sums.events, sums.q_q)

    def expansion(self, theta: jax.Array, data: JointData) -> Expansion:
        """Value, gradient and exact Hessian through (mu, sigma) of each observable and r."""
        theta, r = self._split(theta)
        response = self.marginals.response.__call__
        location, scale = response(theta)
        first = self.copula.expansion(r, self._sums(location, scale, data), scale)
        slope = jnp.concatenate(jax.jacfwd(response)(theta))
        bend = jnp.concatenate(jax.jacfwd(jax.jacfwd(response))(theta))
        extra = int(self.fits_correlation)
        last = ((0, extra), (0, extra))
        chain = jnp.pad(slope, ((0, 1), (0, extra)))
        if extra:
            chain = chain.at[-1, -1].set(1.0)
        own = self.marginals.expansion(theta, data.marginals)
        curved = own.curvature + jnp.einsum("i,ikl->kl", first.gradient[:-1], bend)
        return Expansion(
            own.nll + first.nll,
            jnp.pad(own.gradient, (0, extra)) + chain.T @ first.gradient,
            jnp.pad(curved, last) + chain.T @ first.curvature @ chain,
        )

    def hessian(self, theta: jax.Array, data: JointData) -> jax.Array:
        """Observed information; the expansion has it already."""
        found: jax.Array = self.expansion(theta, data).curvature
        return found

    def observe(self, block: ToyBlock) -> Observation:
        """Take from a block of toys what this likelihood needs of them.

        Args:
            block: Toys with events of shape (toys, events, observables).
        """
        marginals = self.marginals.observe(block).data
        events = tuple(block.events[..., o] for o in range(block.events.shape[-1]))
        pairs = EventRows.of(block)
        if self._sufficient:
            return Observation(JointData(marginals, _spread(block, marginals), None), pairs)
        return Observation(JointData(marginals, None, events), pairs)

    def scores(self, theta: jax.Array, events: jax.Array) -> jax.Array:
        """As of every likelihood of single events, r last if it is a parameter."""
        theta, r = self._split(theta)
        response = self.marginals.response.__call__
        location, scale = response(theta)
        rows = [
            scores_of_events(member, (events[:, o] - location[o]) / scale[o])
            for o, member in enumerate(self.marginals.families)
        ]
        z, q, slope, df = (jnp.stack(row) for row in zip(*rows, strict=True))
        to_z, to_r = self.copula.slopes(r, q)
        own = df + slope * to_z
        to_mu, to_sigma = -own / scale[:, None], -(1.0 + z * own) / scale[:, None]
        d_mu, d_sigma = jax.jacfwd(response)(theta)
        found = d_mu.T @ to_mu + d_sigma.T @ to_sigma
        return jnp.vstack([found, to_r]) if self.fits_correlation else found

    @property
    def _sufficient(self) -> bool:
        return all(member.sufficient for member in self.marginals.families)

    def _split(self, theta: jax.Array) -> tuple[jax.Array, jax.Array | float]:
        """The parameters of the study, and r."""
        return (theta[:-1], theta[-1]) if self.fits_correlation else (theta, 1.0)

    def _sums(self, location: jax.Array, scale: jax.Array, data: JointData) -> ScoreSums:
        if data.spread is not None:
            moments = jnp.stack([jnp.asarray(row) for row in data.marginals.observables])
            return sums_of_moments(
                moments[0, 0], moments[:, 1], jnp.asarray(data.spread), location, scale
            )
        assert data.events is not None
        return sums_of_events(
            self.marginals.families, data.events, data.marginals.weights, location, scale
        )


def _spread(block: ToyBlock, marginals: UnbinnedData) -> NDArray[np.float64]:
    """Sums of products of deviations from the means, shape (toys, observables, observables)."""
    moments = np.stack([np.asarray(row) for row in marginals.observables], axis=1)
    n = moments.shape[1]
    spread, sums = np.empty((len(moments), n, n)), block.sums
    events = [block.events[..., o] - moments[:, o, 1, None] for o in range(n)]
    for a in range(n):
        spread[:, a, a] = moments[:, a, 2]
        for b in range(a):
            factors = [events[a], events[b]]
            factors += [] if sums is None else [sums]
            letters = ",".join(["te"] * len(factors))
            spread[:, a, b] = spread[:, b, a] = np.einsum(f"{letters}->t", *factors)
    return spread
