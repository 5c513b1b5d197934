"""What all fits of binned counts share, of studies and of audits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.likelihoods._likelihood import Observation
from pullfactory.likelihoods.binned import BinnedLikelihood
from pullfactory.likelihoods.channels import Channels, PairCounts
from pullfactory.likelihoods.log_slopes import log_slopes
from pullfactory.methods.method import Method
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFit:
    """How events become the counts that a likelihood takes.

    Attributes:
        likelihood: What is minimised.
        channels: Gives the covariance of the score.
        names: Of the channels, in the order of the counts.
        count: From a block of toys to its counts.
        expect: From a population to the counts of a toy without fluctuations; None where there is
            no closed form.
        arrange: From counts by channel, each of shape (toys, bins), and the auxiliary values of a
            block to the data of the likelihood.
        aux_scatter: As of a `Method`.
        leak: What is added to the covariance of the score, shape (parameters, parameters).
    """

    likelihood: BinnedLikelihood
    channels: Channels
    names: tuple[str, ...]
    count: Callable[[ToyBlock], PairCounts]
    expect: Callable[[Population], PairCounts | None]
    arrange: Callable[[Mapping[str, NDArray[np.float64]], NDArray[np.float64]], NDArray[np.float64]]
    aux_scatter: NDArray[np.float64]
    leak: NDArray[np.float64] | float = 0.0

    def method(self, name: str) -> Method:
        """The method.

        Args:
            name: As in the study file.
        """
        return Method(
            name=name,
            likelihood=self.likelihood,
            observe=lambda block: self._observation(self.count(block), block.aux),
            scatter=self._scatter,
            expect=self._expected,
            aux_scatter=self.aux_scatter,
        )

    def _observation(self, pairs: PairCounts, aux: NDArray[np.float64]) -> Observation:
        counts = dict(zip(self.names, pairs.counts, strict=True))
        return Observation(self.arrange(counts, aux), pairs)

    def _expected(self, population: Population) -> Observation | None:
        pairs = self.expect(population)
        return None if pairs is None else self._observation(pairs, population.aux[None])

    def _scatter(self, theta: NDArray[np.float64], pairs: PairCounts) -> NDArray[np.float64]:
        slopes = np.asarray(log_slopes(self.likelihood, theta))
        return self.channels.scatter(slopes, pairs) + self.leak
