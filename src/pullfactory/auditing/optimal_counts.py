"""The optimal combination of the counts of an audit: `binned_optimal` beside `binned`.

The covariance of the counts is that of the simulated events, whose observables belong together,
raked to the rates at the estimate of the product. Factors of a `staterror` are not fitted: their
values are measured by simulated events, those of bins of different channels by the same ones, and
their covariance adds to that of the counts (what is left when they are profiled).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.prediction import ErrorModel
from pullfactory.auditing.tally import GROUPS
from pullfactory.likelihoods._likelihood import Observation
from pullfactory.likelihoods.auxiliary import gamma_terms
from pullfactory.likelihoods.bin_rates import (
    BinRates,
    measured_slopes,
    rates_of,
    shared_counts,
    without_totals,
)
from pullfactory.likelihoods.channels import Channels, PairCounts
from pullfactory.likelihoods.optimal import (
    Constraints,
    Directions,
    OptimalData,
    OptimalLikelihood,
    OptimalPairs,
    combination,
)
from pullfactory.methods.binned_optimal import BINNED_OPTIMAL
from pullfactory.methods.method import FirstFit, Method
from pullfactory.settings.document import total_name

_KEPT = 0.05
"""Interpolation between samples does not keep totals exactly: what it leaves says nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OptimalCounts:
    """What the counts of an audit say together.

    Attributes:
        model: Of the observables taken as independent.
    """

    model: AuditModel

    @cached_property
    def method(self) -> Method:
        """The fit, which comes after that of the product.

        Raises:
            LikelihoodError: If a combination of the bins would determine a parameter exactly.
        """
        product, first = self.model.method, self.model.likelihood
        return Method(
            name=BINNED_OPTIMAL.name,
            likelihood=self.likelihood,
            observe=product.observe,
            scatter=self._scatter,
            expect=product.expect,
            aux_scatter=self._aux_scatter,
            first=FirstFit(first, self._weigh),
            null=self.directions.null,
        )

    @cached_property
    def scores(self) -> BinRates:
        """What is combined."""
        first = self.model.likelihood
        return BinRates(
            likelihood=first,
            channels=tuple((one.start, one.stop) for one in self._slices),
            measured=tuple(first.aux_index[term] for term in self._gammas),
            parts=self.model.channels.centred,
        )

    @cached_property
    def likelihood(self) -> OptimalLikelihood:
        """Without the factors of bins, and what changes the total of a channel only."""
        first = self.model.likelihood
        totals = [total_name(name) for name, _ in first.channels]
        held = first.held | np.isin(first.names, totals)
        held[list(self.scores.measured)] = True
        information = first.aux_precision
        information[self._gammas] = information[:, self._gammas] = 0.0
        return OptimalLikelihood(
            scores=self.scores,
            constraints=Constraints(
                np.array(first.aux_index, dtype=int), first.aux_factor, information
            ),
            first=first.start,
            limits=first.limits,
            held=held,
            names=first.names,
        )

    @cached_property
    def nominal(self) -> OptimalData:
        """Expected events at the nominal point, a toy without fluctuations."""
        first, theta = self.model.likelihood, self.model.likelihood.init[None]
        aux = np.asarray(first.expected_aux(theta[0]))[None]
        counts = self._placed(self._pairs.counts)
        return self._data(theta, counts, aux, None)

    @cached_property
    def directions(self) -> Directions:
        """Combinations of the counts that are measurements."""
        reference = self._nominal_reference[None]
        theta = self.model.likelihood.init
        covariance = self._covariance(theta[None], reference, np.ones(1))[0]
        return Directions.of(self.likelihood, covariance, theta, reference[0], _KEPT)

    @cached_property
    def change(self) -> NDArray[np.float64]:
        """From counts to what is compared, shape (bins, bins)."""
        nominal = self._placed(self._pairs.counts)
        unit = np.eye(nominal.shape[1])
        if not self.scores.parts:
            return unit
        return np.asarray(without_totals(self._slices, nominal, unit[None])[0].T)

    @cached_property
    def _pairs(self) -> PairCounts:
        """Expected counts of the simulated events, in pairs of channels."""
        return ErrorModel.of(self.model).drawn(np.ones((1, GROUPS))).pairs

    def _placed(self, channels: tuple[NDArray[np.float64], ...]) -> NDArray[np.float64]:
        """Numbers of the bins of each observable in the order of the rates, shape (toys, bins)."""
        found = np.zeros((len(channels[0]), self.model.likelihood.n_main))
        for where, each in zip(self._slices, channels, strict=True):
            found[:, where] = each
        return found

    @property
    def _slices(self) -> tuple[slice, ...]:
        return self.model.channels.slices

    @cached_property
    def _gammas(self) -> NDArray[np.int_]:
        """Auxiliary terms of the bins' own factors."""
        if not self.model.expected.config.workspace.staterror:
            return np.zeros(0, dtype=int)
        return gamma_terms(self.model.likelihood)

    @cached_property
    def _nominal_reference(self) -> NDArray[np.float64]:
        first = self.model.likelihood
        aux = np.asarray(first.expected_aux(first.init))[None]
        found = self._reference(self._placed(self._pairs.counts), aux)
        return np.asarray(found[0])

    def _reference(
        self, counts: NDArray[np.float64], aux: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Measured factors and the events of each channel, shape (toys, measured + channels)."""
        factor = self.model.likelihood.aux_factor[self._gammas]
        totals = [counts[:, where].sum(axis=1) for where in self._slices]
        return np.concatenate([aux[:, self._gammas] / factor, np.stack(totals, axis=1)], axis=1)

    @cached_property
    def _factor_noise(self) -> NDArray[np.float64] | float:
        """What the noise of the measured factors does to the counts, shape (bins, bins)."""
        if not len(self._gammas):
            return 0.0
        first = self.model.likelihood
        at = jnp.asarray(first.init), jnp.asarray(self._nominal_reference)
        slopes = np.asarray(measured_slopes(self.scores, *at)) / first.aux_factor[self._gammas]
        noise = self.model.aux_covariance[np.ix_(self._gammas, self._gammas)]
        return np.asarray(slopes @ noise @ slopes.T)

    def _covariance(
        self,
        theta: NDArray[np.float64],
        reference: NDArray[np.float64],
        scale: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Of the counts of toys, whose weighted events scatter so much more than their number."""
        rates = np.asarray(rates_of(self.scores, theta, reference))
        rates = np.maximum(rates, np.finfo(float).tiny)
        nominal = self._placed(self._pairs.counts)[0]
        found = shared_counts(self._slices, nominal, self._pairs.joint, rates)
        if self.scores.parts:
            unit = np.broadcast_to(np.eye(rates.shape[1]), found.shape)
            around = without_totals(self._slices, rates, unit)
            found = around.transpose(0, 2, 1) @ found @ around
        return np.asarray(scale[:, None, None] * found + self._factor_noise)

    def _data(
        self,
        theta: NDArray[np.float64],
        counts: NDArray[np.float64],
        aux: NDArray[np.float64],
        squares: NDArray[np.float64] | None,
    ) -> OptimalData:
        """What the combination takes, at estimates of the product."""
        reference = self._reference(counts, aux)
        scale = np.ones(len(counts))
        if squares is not None and self.model.expected.config.repeated != "cluster":
            scale = squares.sum(axis=1) / counts.sum(axis=1)
        weight = self.directions.weight(self._covariance(theta, reference, scale))
        return OptimalData(np.ones(len(counts)), counts, reference, weight, aux)

    def _weigh(self, theta: NDArray[np.float64], seen: Observation) -> Observation:
        pairs: PairCounts = seen.pairs
        n, both = self.model.likelihood.n_main, np.asarray(seen.data)
        squares = None if pairs.squares is None else self._placed(pairs.squares)
        data = self._data(theta, both[:, :n], both[:, n:], squares)
        return Observation(data, OptimalPairs(data, pairs))

    def _scatter(self, theta: NDArray[np.float64], pairs: OptimalPairs) -> NDArray[np.float64]:
        """Covariance of the combined score of the events, from the toy's own pairs of bins."""
        combined, rates = map(np.asarray, combination(self.likelihood, theta, pairs.data))
        if self.scores.parts:
            combined = without_totals(self._slices, rates, combined)
        return self._own.scatter(combined, pairs.sums)

    @cached_property
    def _own(self) -> Channels:
        """Counts around what is expected of them, however many there are."""
        edges = self.model.channels.edges
        return Channels(edges=edges, slices=self._slices, centred=False, partial=True)

    @cached_property
    def _aux_scatter(self) -> NDArray[np.float64]:
        """Covariance of the combined score of auxiliary values, and of the bins' own factors."""
        found = self.model.aux_scatter.copy()
        measured = list(self.scores.measured)
        found[measured] = found[:, measured] = 0.0
        if len(self._gammas):
            theta = self.model.likelihood.init[None]
            combined = np.asarray(combination(self.likelihood, theta, self.nominal)[0])[0]
            found += combined.T @ self._factor_noise @ combined
        return found
