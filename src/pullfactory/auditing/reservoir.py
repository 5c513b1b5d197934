"""A random part of a sample, of bounded size, whatever the order it is read in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MIX = np.uint64(0x9E3779B97F4A7C15)
_ROOM = 2  # times the capacity, before what does not belong is dropped


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Events kept.

    Attributes:
        values: Shape (events, observables), in their units; NaN where an event lacks one.
        weights: Shape (events,).
        keys: Shape (events,).
    """

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    keys: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.weights)


class Reservoir:
    """Keeps the events whose keys come first in an order that looks random.

    Which events these are does not depend on the order or the pieces in which they come, and
    samples of the same events keep the same ones.

    Args:
        capacity: Events kept at most.
        observables: Number of observables.
    """

    def __init__(self, capacity: int, observables: int) -> None:
        self._capacity = capacity
        self._parts: list[Rows] = [
            Rows(
                values=np.empty((0, observables)),
                weights=np.empty(0),
                keys=np.empty(0, dtype=np.uint64),
            )
        ]
        self._waiting = 0
        self._limit: np.uint64 | None = None  # places from here on do not belong

    def add(
        self,
        values: NDArray[np.float64],
        weights: NDArray[np.float64],
        keys: NDArray[np.uint64],
    ) -> None:
        """Offer events; shapes as in `Rows`."""
        if self._limit is not None:
            chosen = _place(keys) < self._limit
            values, weights, keys = values[chosen], weights[chosen], keys[chosen]
        self._parts.append(Rows(values=values, weights=weights, keys=keys))
        self._waiting += len(keys)
        if self._waiting > _ROOM * self._capacity:
            self._parts = [self._settled()]
            self._waiting = self._capacity

    def rows(self) -> Rows:
        """What is kept, in an order that does not depend on how it came."""
        kept = self._settled()
        order = np.argsort(_place(kept.keys), kind="stable")
        return Rows(values=kept.values[order], weights=kept.weights[order], keys=kept.keys[order])

    def _settled(self) -> Rows:
        values = np.concatenate([part.values for part in self._parts])
        weights = np.concatenate([part.weights for part in self._parts])
        keys = np.concatenate([part.keys for part in self._parts])
        if len(keys) <= self._capacity:
            return Rows(values=values, weights=weights, keys=keys)
        places = _place(keys)
        order = np.argpartition(places, self._capacity)
        self._limit = places[order[self._capacity]]
        chosen = np.flatnonzero(places < self._limit)  # the rows of one event, or none of them
        if not len(chosen):
            chosen = np.sort(order[: self._capacity])
        return Rows(values=values[chosen], weights=weights[chosen], keys=keys[chosen])


def _place(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Where an event is in the order; a product modulo 2^64."""
    return keys * _MIX
