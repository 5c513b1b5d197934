"""The events of an audit's samples as a flow takes them: weighted mixtures at points.

At the nominal point and one step up and down in each parameter the events of all processes have
weights that add up to what is expected in the data. Points that differ in nothing but what is made
of the same events are one sample: the same event has the same place in all of them, with the weight
0 where a point does not have it. Places look random, whatever process an event is of.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected
from pullfactory.auditing.mixture import MixedEvents, Mixture, mixtures
from pullfactory.auditing.tally import GROUPS
from pullfactory.calibration.held_out import HeldOut
from pullfactory.errors import CalibrationError, EventsError

_COPY = np.uint64(0x9E3779B97F4A7C15)  # apart from each other: rows of one event
_MIX = np.uint64(0xBF58476D1CE4E5B9)  # an order of its own, not that of groups or reservoirs
_FEWEST = 1000
"""Events of a point: fewer do not tell a map of some dozen coefficients."""
_HALVES = np.uint64(2)


class FlowPoint(NamedTuple):
    """Events of all processes at one point.

    Attributes:
        theta: Where, in steps, shape (parameters,).
        events: Shape (events, observables), in their units.
        weights: Expected events in the data for each one, shape (events,); 0 for those that the
            point does not have.
        owner: Number of the independent sample: points of one number have the same events.
        families: Of the samples with events in common, the number, shape (events,).
        keys: The same for rows of one event, shape (events,).
    """

    theta: NDArray[np.float64]
    events: NDArray[np.float64]
    weights: NDArray[np.float64]
    owner: int
    families: NDArray[np.intp]
    keys: NDArray[np.uint64]

    @property
    def groups(self) -> NDArray[np.intp]:
        """Of the events, shape (events,)."""
        return (self.keys % np.uint64(GROUPS)).astype(np.intp)

    def half(self, which: int) -> "FlowPoint":
        """The same with one half of its events.

        Args:
            which: 0 or 1.
        """
        return self._part(self.keys // np.uint64(GROUPS) % _HALVES == which)

    def first(self, number: int) -> "FlowPoint":
        """The same with some of its events.

        Args:
            number: How many, at most.
        """
        return self._part(slice(0, number))

    def _part(self, kept: slice | NDArray[np.bool_]) -> "FlowPoint":
        return self._replace(
            events=self.events[kept],
            weights=self.weights[kept],
            families=self.families[kept],
            keys=self.keys[kept],
        )

    @property
    def number(self) -> int:
        """Events that it has."""
        return int(np.count_nonzero(self.weights))

    @property
    def training_weights(self) -> NDArray[np.float64]:
        """Weights with the mean 1 over the events that it has, shape (events,)."""
        return np.asarray(self.weights * (self.number / self.weights.sum()))

    @property
    def held_out(self) -> HeldOut:
        """As events that a density is judged by."""
        return HeldOut(self.theta, self.events, self.training_weights, self.owner)


class FlowPoints(NamedTuple):
    """All points of an audit.

    Attributes:
        points: The nominal one first.
        families: Names, of the samples with events in common.
        normalised: Whether their sum of weights is given, by family.
    """

    points: tuple[FlowPoint, ...]
    families: tuple[str, ...]
    normalised: tuple[bool, ...]


def refuse_unlearnable(expected: Expected) -> None:
    """Refuse samples that no flow can be learnt from.

    Args:
        expected: The samples.

    Raises:
        CalibrationError: If one is a mirror image, which has no events, or has too few.
        EventsError: If events have negative weights, or lack an observable.
    """
    for _, mixture in mixtures(expected):
        _refuse_mirrored(mixture)
        for sample in mixture.events():
            _refuse_unusable(sample, expected.config.observable_names)
        events = sum(int(np.count_nonzero(sample.weights)) for sample in mixture.events())
        if events < _FEWEST:
            raise CalibrationError(
                f"samples.{mixture.processes[0].sample.role}: {events} events are too few to learn "
                f"a flow from; give at least {_FEWEST}"
            )


def flow_points(expected: Expected, offsets: NDArray[np.float64]) -> FlowPoints:
    """The events of the samples of an audit.

    Args:
        expected: The samples; not those that `refuse_unlearnable` refuses.
        offsets: What is added to each observable, shape (observables,).
    """
    found = [(theta, list(mixture.events())) for theta, mixture in mixtures(expected)]
    families = tuple(dict.fromkeys(sample.family for _, own in found for sample in own))
    owners = dict.fromkeys(frozenset(sample.family for sample in own) for _, own in found)
    points: dict[int, FlowPoint] = {}
    for owner, members in enumerate(owners):
        at = [i for i, (_, own) in enumerate(found) if {s.family for s in own} == members]
        made = _aligned([found[i][1] for i in at], families)
        for i, (values, weights, family, keys) in zip(at, made, strict=True):
            points[i] = FlowPoint(
                theta=found[i][0],
                events=values + offsets,
                weights=weights,
                owner=owner,
                families=family,
                keys=keys,
            )
    normalised = {sample.family: sample.normalised for _, own in found for sample in own}
    return FlowPoints(
        points=tuple(points[i] for i in range(len(found))),
        families=families,
        normalised=tuple(normalised[name] for name in families),
    )


_Aligned = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp], NDArray[np.uint64]]


def _aligned(points: Sequence[Sequence[MixedEvents]], families: Sequence[str]) -> list[_Aligned]:
    """Values, weights, families and keys of the same events at some points."""
    joined = [_joined(own, families) for own in points]
    every = np.unique(np.concatenate([ids for ids, *_ in joined]))
    places = np.argsort(every * _MIX, kind="stable")
    rank = np.empty(len(every), dtype=np.intp)
    rank[places] = np.arange(len(every))
    wheres = [rank[np.searchsorted(every, ids)] for ids, *_ in joined]
    values = np.zeros((len(every), joined[0][1].shape[1]))
    family, keys = np.zeros(len(every), dtype=np.intp), np.zeros(len(every), dtype=np.uint64)
    for where, (_, own, _, of, key) in zip(wheres, joined, strict=True):
        values[where], family[where], keys[where] = own, of, key
    found = []
    for where, (_, own, weight, _, _) in zip(wheres, joined, strict=True):
        here, weights = values.copy(), np.zeros(len(every))
        here[where], weights[where] = own, weight
        found.append((here, weights, family, keys))
    return found


def _joined(
    samples: Sequence[MixedEvents], families: Sequence[str]
) -> tuple[
    NDArray[np.uint64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.intp],
    NDArray[np.uint64],
]:
    """Identifiers of rows, values, weights, families and keys of several samples."""
    ids = [sample.keys + _COPY * _copies(sample.keys) for sample in samples]
    of = [np.full(len(s.keys), families.index(s.family), dtype=np.intp) for s in samples]
    return (
        np.concatenate(ids),
        np.concatenate([sample.values for sample in samples]),
        np.concatenate([sample.weights for sample in samples]),
        np.concatenate(of),
        np.concatenate([sample.keys for sample in samples]),
    )


def _copies(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """How many rows of the same event come before each, shape (rows,)."""
    order = np.argsort(keys, kind="stable")
    first = np.flatnonzero(np.append(True, np.diff(keys[order]) != 0))
    sizes = np.diff(np.append(first, len(keys)))
    copies = np.empty(len(keys), dtype=np.uint64)
    copies[order] = np.arange(len(keys)) - np.repeat(first, sizes)
    return copies


def _refuse_mirrored(mixture: Mixture) -> None:
    for point in mixture.processes:
        if point.sample.mirrored:
            raise CalibrationError(
                f"samples.{point.sample.role} is the mirror image of the other side, and a flow "
                "learns from events; give both sides, or leave the section flow out"
            )


def _refuse_unusable(sample: MixedEvents, observables: Sequence[str]) -> None:
    if negative := int(np.sum(sample.weights < 0.0)):
        raise EventsError(
            f"samples.{sample.role}: {negative} of {len(sample.weights)} events have negative "
            "weights, with which the likelihood of a flow may have no maximum"
        )
    lacking = ~np.isfinite(sample.values)
    for name, column in zip(observables, lacking.T, strict=True):
        if missing := int(column.sum()):
            raise EventsError(
                f"samples.{sample.role}: {missing} of {len(column)} events have no {name!r} inside "
                "its edges, and a joint density needs every observable of every event"
            )
