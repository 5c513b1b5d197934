"""Errors without toys: claimed, and those of the event-paired sandwich, from expected events.

For weighted events the expected data have C = sum of w s s^T, with weights that add up to the
events expected in the data; the sum of w^2 s s^T is the noise of the templates instead.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.model import (
    AuditModel,
    rates_and_slopes,
)
from pullfactory.auditing.scatter import template_scatter
from pullfactory.auditing.tally import GROUPS
from pullfactory.errors import CalibrationError
from pullfactory.fitting.flatness import flat_parameters, listed
from pullfactory.fitting.information import inverted
from pullfactory.fitting.sandwich import sandwich_covariance
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.likelihoods.auxiliary import constraint_information
from pullfactory.likelihoods.channels import Channels, PairCounts
from pullfactory.settings.document import total_name

_BATCH = 50  # replicas at once


class GroupSums(NamedTuple):
    """Sums over the groups of nominal events, of which replicas draw.

    Attributes:
        information: Of each group, shape (groups, parameters, parameters).
        scatter: Covariance of the score of each, same shape.
        penalty: Information of the constraints, and the covariance of their score, shape
            (parameters, parameters).
        terms: Numbers that are summed up.
        size: Of the largest of them.
    """

    information: NDArray[np.float64]
    scatter: NDArray[np.float64]
    penalty: NDArray[np.float64]
    terms: int
    size: float

    def covariances(
        self, often: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Claimed and actual covariance, each of shape (replicas, parameters, parameters).

        Args:
            often: How often each group is there, shape (replicas, groups).
        """
        total = np.tensordot(often, self.information, 1) + self.penalty
        inverse = inverted(total, terms=self.terms, size=self.size)
        scatter = np.tensordot(often, self.scatter, 1)
        return inverse, sandwich_covariance(inverse, scatter, self.penalty)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictedErrors:
    """What is expected of the fit at the nominal point.

    Attributes:
        parameters: Names, in the order of every parameter axis.
        claimed: Covariance that the fit gives, shape (parameters, parameters), in their units.
        actual: Covariance of estimate - truth, same shape.
        claimed_error: Bootstrap errors of the claimed errors, shape (parameters,).
        actual_error: The same of the actual errors.
        width_error: The same of their ratio.
        template: What the noise of the nominal templates adds to one fit, a standard deviation,
            shape (parameters,).
    """

    parameters: tuple[str, ...]
    claimed: NDArray[np.float64]
    actual: NDArray[np.float64]
    claimed_error: NDArray[np.float64]
    actual_error: NDArray[np.float64]
    width_error: NDArray[np.float64]
    template: NDArray[np.float64]

    @classmethod
    def of_replicas(
        cls,
        parameters: tuple[str, ...],
        covariances: tuple[NDArray[np.float64], NDArray[np.float64]],
        replicas: tuple[NDArray[np.float64], NDArray[np.float64]],
        template: NDArray[np.float64],
    ) -> Self:
        """With bootstrap errors from the spread of replicas.

        Args:
            parameters: Names.
            covariances: Claimed and actual, in the units of the parameters.
            replicas: Claimed and actual errors of each, of shape (replicas, parameters).
            template: As the attribute.
        """
        claimed, actual = replicas
        return cls(
            parameters=parameters,
            claimed=covariances[0],
            actual=covariances[1],
            claimed_error=claimed.std(axis=0, ddof=1),
            actual_error=actual.std(axis=0, ddof=1),
            width_error=(actual / claimed).std(axis=0, ddof=1),
            template=template,
        )

    @property
    def errors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Claimed and actual errors, each of shape (parameters,)."""
        return np.sqrt(np.diag(self.claimed)), np.sqrt(np.diag(self.actual))

    @property
    def width(self) -> NDArray[np.float64]:
        """Pull widths: actual over claimed errors, shape (parameters,)."""
        claimed, actual = self.errors
        return np.asarray(actual / claimed)

    def uncorrected(self, parameters: Collection[str]) -> "PredictedErrors":
        """The same without the actual errors of some parameters, which are NaN.

        Args:
            parameters: Names.
        """
        hidden = np.isin(self.parameters, list(parameters))
        return replace(
            self,
            actual=np.where(hidden[:, None] | hidden, np.nan, self.actual),
            actual_error=np.where(hidden, np.nan, self.actual_error),
            width_error=np.where(hidden, np.nan, self.width_error),
        )


def predict_errors(model: "ErrorModel") -> PredictedErrors:
    """Predict claimed and actual errors at the nominal point, with bootstrap errors.

    The bootstrap draws the events of all samples again, so that the noise of the templates is in
    it as well as that of the correlation.

    Args:
        model: Of the observables taken as independent.

    Raises:
        CalibrationError: If the parameters are not determined.
    """
    expected, likelihood = model.audit.expected, model.audit.likelihood
    everything = tuple(range(len(model.audit.channels.slices)))
    once = np.ones((1, GROUPS))
    inverse, actual = model.covariances(model.drawn(once), everything)
    if not np.isfinite(inverse).all():
        raise CalibrationError(_undetermined(flat_parameters(likelihood, likelihood.init)))
    claimed_errors, actual_errors = [], []
    for some in _batches(expected.redraws()):
        inverses, actuals = model.covariances(model.drawn(some), everything)
        claimed_errors.append(_errors(inverses))
        actual_errors.append(_errors(actuals))
    claimed, spread = np.concatenate(claimed_errors), np.concatenate(actual_errors)
    chosen = model.audit.positions
    square = np.ix_([0], chosen, chosen)

    def scatter(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values[:, chosen].std(axis=0, ddof=1))

    return PredictedErrors(
        parameters=expected.parameters,
        claimed=inverse[square][0],
        actual=actual[square][0],
        claimed_error=scatter(claimed),
        actual_error=scatter(spread),
        width_error=scatter(spread / claimed),
        template=np.sqrt(np.maximum(np.diag(model.template_noise(inverse[0])), 0.0))[chosen],
    )


class SubsetErrors:
    """Errors of fits to some of the observables.

    Args:
        model: Of all observables.
    """

    def __init__(self, model: "ErrorModel") -> None:
        self._model = model
        self._chosen = model.audit.positions
        self._once = model.drawn(np.ones((1, GROUPS)))

    def predict(
        self, observables: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Claimed and actual errors of a fit to some of the observables.

        Args:
            observables: Positions of those taken, ascending.

        Returns:
            Each of shape (parameters,), of `expected.parameters`; NaN where they are not
            determined.
        """
        inverse, actual = self._model.covariances(self._once, tuple(observables))
        return _errors(inverse)[0, self._chosen], _errors(actual)[0, self._chosen]

    def replicas(self, sets: Sequence[Sequence[int]], parameter: int) -> NDArray[np.float64]:
        """Actual errors of one parameter in replicas of the events, the same for every set.

        Args:
            sets: Positions of the observables taken, ascending.
            parameter: Its position in `expected.parameters`.

        Returns:
            Shape (sets, replicas).
        """
        k, model = self._chosen[parameter], self._model
        found = []
        for some in _batches(model.audit.expected.redraws()):
            drawn = model.drawn(some)
            found.append(
                [_errors(model.covariances(drawn, tuple(taken))[1])[:, k] for taken in sets]
            )
        return np.concatenate(found, axis=1)


def claimed_errors(parameters: Sequence[str], likelihood: BinnedLikelihood) -> NDArray[np.float64]:
    """Errors that a fit of the expected events gives, such as one to the joint channels.

    Args:
        parameters: Names.
        likelihood: Of a workspace whose observations are what is expected.

    Returns:
        Shape (parameters,); NaN where they are not determined.
    """
    rates, slopes = rates_and_slopes(likelihood, likelihood.init)
    information = slopes.T @ (slopes / rates[:, None]) + constraint_information(likelihood)
    chosen = [likelihood.positions(name)[0] for name in parameters]
    return np.asarray(
        np.sqrt(np.diag(inverted(information, terms=len(rates), size=rates.sum())))[chosen]
    )


def _undetermined(groups: Sequence[Sequence[str]]) -> str:
    """What to do about templates that do not tell parameters apart."""
    names = groups[0] if groups else ()
    if len(names) == 1:
        return (
            f"parameter {names[0]!r}: its samples up and down are the same but for rounding, so "
            "that nothing measures it; check what varies"
        )
    which = f"a combination of {listed(names)}" if names else "the parameters"
    return f"the templates do not tell apart {which}; fix one of them, or add an observable"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Drawn:
    """Rates and pairs of replicas.

    Attributes:
        rates: Shape (replicas, bins).
        slopes: Their derivatives, shape (replicas, bins, parameters).
        pairs: Counts of each channel and pair of channels.
    """

    rates: NDArray[np.float64]
    slopes: NDArray[np.float64]
    pairs: PairCounts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ErrorModel:
    """Rates at the nominal point as sums over groups of events.

    Attributes:
        audit: The samples, and the likelihood that gives the slopes of the rates, which pyhf
            interpolates.
        rates: Of the bins, shape (bins,).
        slopes: Their derivatives, shape (bins, parameters).
        penalty: Information of the constraints, shape (parameters, parameters).
    """

    audit: AuditModel
    rates: NDArray[np.float64]
    slopes: NDArray[np.float64]
    penalty: NDArray[np.float64]

    @classmethod
    def of(cls, audit: AuditModel) -> "ErrorModel":
        """The model at the nominal point.

        Args:
            audit: The model of the observables taken as independent.
        """
        rates, slopes = rates_and_slopes(audit.likelihood, audit.likelihood.init)
        return cls(
            audit=audit,
            rates=rates,
            slopes=slopes,
            penalty=constraint_information(audit.likelihood),
        )

    def covariances(
        self, drawn: _Drawn, observables: tuple[int, ...]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Claimed and actual covariance of each replica with some of the observables.

        Args:
            drawn: Replicas.
            observables: Positions, ascending.

        Returns:
            Each of shape (replicas, parameters, parameters).
        """
        bins = np.concatenate([np.arange(len(self.rates))[self._slice(o)] for o in observables])
        slopes, rates = drawn.slopes[:, bins], drawn.rates[:, bins]
        log_slopes = _per_rate(drawn.slopes, drawn.rates)
        information = slopes.transpose(0, 2, 1) @ _per_rate(slopes, rates)
        information += self.penalty
        for k, o in self._totals().items():  # alone, it would not be determined
            information[:, k, k] += o not in observables
        inverse = inverted(information, terms=len(bins), size=rates.sum(axis=1))
        pairs = PairCounts(
            tuple(drawn.pairs.counts[o] for o in observables),
            {
                (a, b): drawn.pairs.joint[i, j]
                for a, i in enumerate(observables)
                for b, j in enumerate(observables)
                if (i, j) in drawn.pairs.joint
            },
            drawn.pairs.events,
        )
        some = Channels(
            edges=tuple(self.audit.channels.edges[o] for o in observables),
            slices=tuple(self._slice(o) for o in observables),
            centred=self.audit.channels.centred,
            partial=True,
        )
        scatter = some.scatter(log_slopes, pairs)
        return inverse, sandwich_covariance(inverse, scatter, self.audit.aux_scatter)

    @property
    def gammas(self) -> NDArray[np.bool_]:
        """Which parameters are the bins' own factors, shape (parameters,)."""
        names = self.audit.likelihood.names
        return np.array([name.startswith("staterror_") for name in names])

    @property
    def proportional(self) -> tuple[int, ...]:
        """Positions of the parameters whose slopes are rates: bins' own factors and totals."""
        return (*(int(k) for k in np.flatnonzero(self.gammas)), *self._totals())

    def _totals(self) -> dict[int, int]:
        """Position of each free total among the parameters, and the observable it belongs to."""
        names = [total_name(name) for name in self.audit.expected.config.observable_names]
        all_names = self.audit.likelihood.names
        return {k: names.index(name) for k, name in enumerate(all_names) if name in names}

    def _slice(self, observable: int) -> slice:
        return self.audit.channels.slices[observable]

    def drawn(self, often: NDArray[np.float64]) -> _Drawn:
        """Rates, slopes and pairs of replicas.

        Args:
            often: How often each group of events comes, shape (replicas, groups).
        """
        expected = self.audit.expected
        n_obs = len(expected.config.observable)
        channels = [np.zeros((len(often), axis.size)) for axis in expected.events.axes]
        pairs: dict[tuple[int, int], NDArray[np.float64]] = {}
        events = np.zeros(len(often))
        by_process = {}
        for process in expected.processes:
            role = process.nominal.role
            counts, factor = expected.read(role).counts, self._factors(role, often)
            events += factor * (often @ counts.numbers)
            own = [factor[:, None] * (often @ counts.channels[o]) for o in range(n_obs)]
            by_process[process.name] = own
            for o in range(n_obs):
                channels[o] += own[o]
            for key, groups in counts.products.items():
                joint = (often @ groups.reshape(GROUPS, -1)).reshape(-1, *groups.shape[1:])
                pairs[key] = pairs.get(key, 0.0) + factor[:, None, None] * joint
        rates = np.empty((len(often), len(self.rates)))
        for o in range(n_obs):
            rates[:, self._slice(o)] = channels[o]
        return _Drawn(
            rates=rates,
            slopes=self._drawn_slopes(often, rates, by_process),
            pairs=PairCounts(tuple(channels), pairs, events),
        )

    def _drawn_slopes(
        self,
        often: NDArray[np.float64],
        rates: NDArray[np.float64],
        by_process: dict[str, list[NDArray[np.float64]]],
    ) -> NDArray[np.float64]:
        """Slopes of the model, moved by what the templates are in each replica."""
        expected, likelihood = self.audit.expected, self.audit.likelihood
        slopes = np.tile(self.slopes, (len(often), 1, 1))
        ratio = rates / self.rates
        for k in self.proportional:
            slopes[:, :, k] *= ratio
        for process in expected.processes:
            if norm := process.norm_name:
                (k,) = likelihood.positions(norm)
                for o, own in enumerate(by_process[process.name]):
                    nominal = expected.sample(process.nominal.role).template(o)
                    part = np.divide(own, nominal, where=nominal != 0, out=np.ones_like(own))
                    slopes[:, self._slice(o), k] *= part
        for parameter in expected.config.parameter:
            (k,) = likelihood.positions(parameter.name)
            for process in expected.processes:
                if parameter.name not in process.parameters:
                    continue
                for side in (1, -1):
                    sample = process.at({parameter.name: side})
                    assert sample is not None
                    for role, times in process.terms(sample).items():
                        for o, each in enumerate(self._moved(role, often)):
                            change = self.audit.smoothing.project(o, each)
                            moved = side * times * change / (2 * parameter.step)
                            slopes[:, self._slice(o), k] += moved
        return slopes

    def _moved(self, role: str, often: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """How far the template of a sample is from itself in each replica."""
        counts, factor = self.audit.expected.read(role).counts, self._factors(role, often)
        once = self.audit.expected.factors[role]
        return [
            factor[:, None] * (often @ groups) - once * groups.sum(axis=0)
            for groups in counts.channels
        ]

    def _factors(self, role: str, often: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected events for each unit of weight in each replica."""
        factor, by = self.audit.expected.factors[role], self.audit.expected.normalised[role]
        if by is None:
            return np.full(len(often), factor)
        events = self.audit.expected.read(by).counts.events
        return np.asarray(factor * events.sum() / (often @ events))

    def template_noise(self, inverse: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance of the estimates from the finite number of nominal events.

        Args:
            inverse: Claimed covariance, shape (parameters, parameters).
        """
        scatter = template_scatter(
            self.audit.expected.nominal, self.audit.channels, self.slopes / self.rates[:, None]
        )
        return np.asarray(inverse @ scatter @ inverse)


def _per_rate(slopes: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slopes of log rates; 0 in bins that a replica leaves empty, which know nothing."""
    return np.divide(
        slopes, rates[:, :, None], where=rates[:, :, None] > 0, out=np.zeros_like(slopes)
    )


def _errors(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)))


def _batches(often: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for first in range(0, len(often), _BATCH):
        yield often[first : first + _BATCH]
