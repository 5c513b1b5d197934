"""What independent units of the simulated events contribute to rates, slopes and scores.

Templates are sums over events, and a group of events that is counted once more moves them by what
it contributes. The groups of one family of samples, which have events in common, are independent
of each other and of those of other families, so that the noise of anything that follows from
templates is a sum over the groups: to first order var f = sum_u (df . u)^2 (Efron 1981,
doi:10.2307/3314608), and the mean of a square of noise is a sum of squares, exactly.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.influence import Side, centred, influence, normalised, sides_of
from pullfactory.auditing.prediction import ErrorModel
from pullfactory.auditing.tally import GROUPS
from pullfactory.likelihoods.channels import Channels, PairCounts
from pullfactory.settings.samples import ProcessSamples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitFamily:
    """What the groups of one family of samples add, centred over the groups.

    Attributes:
        columns: Positions of the parameters whose slopes it moves, shape (columns,).
        slopes: E of each group, shape (groups, bins, columns).
        log_slopes: Of log rates, D / r = E / r - J R / r^2 with what it adds to the rates, R, same
            shape.
        information: Of the information of the data, at fixed slopes of log rates, shape (groups,
            parameters, parameters); None for events that no rate is made of.
        scores: Of the covariance of the score of the data, as `information`.
        learnt: What densities that are learnt from these events add to both; None for templates.
    """

    columns: NDArray[np.intp]
    slopes: NDArray[np.float64]
    log_slopes: NDArray[np.float64]
    information: NDArray[np.float64] | None
    scores: NDArray[np.float64] | None
    learnt: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None

    def column(self, k: int) -> NDArray[np.float64] | None:
        """What it adds to the slopes with respect to one parameter; None if nothing.

        Args:
            k: Position of the parameter.

        Returns:
            Shape (groups, bins).
        """
        for i in np.flatnonzero(self.columns == k):
            column = self.slopes[:, :, i]
            return column if column.any() else None
        return None


def measure_units(model: ErrorModel) -> tuple[UnitFamily, ...]:
    """What the groups of events of all samples contribute at the nominal point.

    Args:
        model: Of the observables taken as independent.
    """
    return tuple(
        _family(model, members) for members in _families(model.audit.expected.processes).values()
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Members:
    """Samples of one family."""

    nominal: tuple[ProcessSamples, ...]
    varied: tuple[Side, ...]


def _families(processes: Iterable[ProcessSamples]) -> dict[str, _Members]:
    """Samples that slopes and rates are made of, by what events they have in common."""
    nominal: dict[str, tuple[ProcessSamples, ...]] = {}
    varied: dict[str, tuple[Side, ...]] = {}
    for process in processes:
        family = process.nominal.family
        nominal[family] = (*nominal.get(family, ()), process)
        for name in process.parameters:
            for side in sides_of(process, name):
                varied[side.family] = (*varied.get(side.family, ()), side)
    return {
        family: _Members(nominal=nominal.get(family, ()), varied=varied.get(family, ()))
        for family in dict.fromkeys((*nominal, *varied))
    }


def _family(model: ErrorModel, members: _Members) -> UnitFamily:
    likelihood, n_bins = model.audit.likelihood, len(model.rates)
    if members.nominal:
        columns = np.arange(len(likelihood.names))
    else:
        names = dict.fromkeys(one.parameter for one in members.varied)
        columns = np.array([likelihood.positions(name)[0] for name in names])
    place = {int(k): i for i, k in enumerate(columns)}
    slopes = np.zeros((GROUPS, n_bins, len(columns)))
    rates = np.zeros((GROUPS, n_bins))
    for process in members.nominal:
        rates += _norm(model, process, slopes)
    if members.nominal:
        for k in model.proportional:
            slopes[:, :, k] += model.slopes[:, k] * rates / model.rates
    steps = {one.name: one.step for one in model.audit.expected.config.parameter}
    for one in members.varied:
        (k,) = likelihood.positions(one.parameter)
        moved = _bins(model, _smooth(model, one))
        slopes[:, :, place[k]] += one.times / steps[one.parameter] * moved
    slopes, rates = centred(slopes), centred(rates)
    own = model.slopes / model.rates[:, None]
    nominal = bool(members.nominal)
    moved = slopes
    if nominal:
        moved = slopes - (rates / model.rates)[:, :, None] * model.slopes[:, columns]
    return UnitFamily(
        columns=columns,
        slopes=slopes,
        log_slopes=moved / model.rates[:, None],
        information=own.T @ (rates[:, :, None] * own) if nominal else None,
        scores=centred(_scores(model, members.nominal)) if nominal else None,
    )


def _smooth(model: ErrorModel, side: Side) -> Iterator[NDArray[np.float64]]:
    """What groups of a sample add to the bins of each observable, smoothed as its templates."""
    for o, groups in enumerate(influence(model.audit.expected, side.role)):
        yield model.audit.smoothing.project(o, groups)


def _bins(model: ErrorModel, channels: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Numbers of all bins in the order of the rates, shape (groups, bins)."""
    found = np.zeros((GROUPS, len(model.rates)))
    for where, each in zip(model.audit.channels.slices, channels, strict=True):
        found[:, where] = each
    return found


def _norm(
    model: ErrorModel, process: ProcessSamples, slopes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add what a process contributes to the slope of its own rate, and return that to rates."""
    expected = model.audit.expected
    role = process.nominal.role
    moved = _bins(model, influence(expected, role))
    if name := process.norm_name:
        (k,) = model.audit.likelihood.positions(name)
        sample = expected.sample(role)
        own = np.zeros(len(model.rates))
        for o, where in enumerate(model.audit.channels.slices):
            own[where] = sample.template(o)
        part = np.divide(moved, own, where=own != 0, out=np.zeros_like(moved))
        slopes[:, :, k] += model.slopes[:, k] * part
    return moved


def _scores(model: ErrorModel, processes: Iterable[ProcessSamples]) -> NDArray[np.float64]:
    """What each group adds to the covariance of the score, slopes of log rates as they are.

    With a fixed number n of events their mean score takes m m^T / n off, with the sum m.
    """
    audit, log_slopes = model.audit, model.slopes / model.rates[:, None]
    expected, channels = audit.expected, audit.channels
    apart = Channels(edges=channels.edges, slices=channels.slices, centred=False, partial=True)
    n_par = log_slopes.shape[1]
    found = np.zeros((GROUPS, n_par, n_par))
    total, events = log_slopes.T @ model.rates, expected.n_independent
    for process in processes:
        role = process.nominal.role
        counts, factor = expected.read(role).counts, expected.factors[role]
        part = normalised(expected, role)
        own = apart.scatter(log_slopes[None], PairCounts(counts.channels, counts.products))
        found += factor * (own - part[:, None, None] * own.sum(axis=0))
        if channels.centred:
            moved = _bins(model, influence(expected, role)) @ log_slopes
            outer = moved[:, :, None] * total
            numbers = factor * (counts.numbers - part * counts.numbers.sum())
            found -= (outer + outer.transpose(0, 2, 1)) / events
            found += numbers[:, None, None] * np.outer(total, total) / events**2
    return found
