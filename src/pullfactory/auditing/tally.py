"""What is counted of the events of one sample in one pass.

Events are dealt into groups by their keys, and everything that a bootstrap needs is counted for
each group: drawing groups again is drawing events again, for any number of events in the same
memory. Group sizes are random as numbers of events are, so counts have the covariance of a
Poisson number of events.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.repeats import HeldRows, Repeats
from pullfactory.auditing.values import Chunk
from pullfactory.binning.joint import JointBins

GROUPS = 128
"""Groups of events of the bootstrap; its errors are known to 1 / sqrt(2 * 127), 6 %."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Axis:
    """Bins of one observable.

    Attributes:
        edges: Shape (bins + 1,), increasing, in its unit.
        open_ends: Whether the outermost bins take what is beyond.
    """

    edges: NDArray[np.float64]
    open_ends: bool

    @property
    def size(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    @property
    def centre(self) -> float:
        """A value amid the bins, in the unit of the edges."""
        return float(self.edges[len(self.edges) // 2])

    def index(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        """Bin of each value, an edge belongs to the bin above it; `size` where there is none.

        Args:
            values: Any shape, in the unit of the edges; NaN where there is none.
        """
        inner = self.edges[1:-1] if self.open_ends else self.edges
        found = np.searchsorted(inner, values, side="right")
        if self.open_ends:
            return np.where(np.isnan(values), self.size, found)
        return np.where((found == 0) | (found > self.size), self.size, found - 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """What was counted; sums of weights.

    Attributes:
        events: Of all selected events of each group, shape (groups,).
        numbers: Independent events among these, each once however many rows it has: of data those
            with a weight that is not 0, else how many are expected, sums of weights; shape
            (groups,).
        channels: One array of shape (groups, bins) per observable.
        moments: For each observable the sum of x and of x^2 over what is in its bins, with x the
            distance of the value from `Axis.centre`, shape (groups, observables, 2).
        squares: Sums over events of the squared weight that they have in a bin, one array of shape
            (bins,) per observable.
        shared: The same of the product of that weight and all that the event has; `squares` where
            every row is an event.
        pairs: For each pair of observables of a row, shape (groups, bins, bins); of nominal events
            alone.
        products: The same of all rows of an event, of one observable with itself too: each pair of
            rows once, of two observables both ways. `pairs` where every row is an event.
        pair_squares: As `products`, of the product of the weights, shape (bins, bins), but without
            what is in `squares`; of nominal events and data.
        joint: For each pattern of observables that events have together, shape (groups, bins).
        joint_squares: As `squares`, shape (bins,), likewise.
    """

    events: NDArray[np.float64]
    numbers: NDArray[np.float64]
    channels: tuple[NDArray[np.float64], ...]
    moments: NDArray[np.float64]
    squares: tuple[NDArray[np.float64], ...]
    shared: tuple[NDArray[np.float64], ...]
    pairs: dict[tuple[int, int], NDArray[np.float64]]
    products: dict[tuple[int, int], NDArray[np.float64]]
    pair_squares: dict[tuple[int, int], NDArray[np.float64]]
    joint: dict[tuple[int, ...], NDArray[np.float64]]
    joint_squares: dict[tuple[int, ...], NDArray[np.float64]]


class Tally:
    """Counts the events of one sample, chunk by chunk.

    Args:
        axes: Bins of each observable.
        joint: Bins of the observables together, for each pattern; empty for none.
        paired: Whether pairs of observables are counted.
        expected: Whether weights are numbers of events, as those of simulated events are, and not
            what single events count for, as in data.
        held: Takes in rows where several may be one event; None where every row is one.
    """

    def __init__(
        self,
        axes: Sequence[Axis],
        joint: dict[tuple[int, ...], JointBins],
        *,
        paired: bool,
        expected: bool,
        held: HeldRows | None = None,
    ) -> None:
        self._held, self._expected = held, expected
        self._axes = tuple(axes)
        self._joint = joint
        sizes = [axis.size for axis in axes]
        pairs = list(itertools.combinations(range(len(sizes)), 2)) if paired else []
        self._events, self._numbers = np.zeros(GROUPS), np.zeros(GROUPS)
        self._channels = [np.zeros((GROUPS, size + 1)) for size in sizes]
        self._moments = np.zeros((GROUPS, len(sizes), 2))
        self._squares = [np.zeros(size + 1) for size in sizes]
        self._pair_squares = {(i, j): np.zeros((sizes[i] + 1, sizes[j] + 1)) for i, j in pairs}
        self._pairs = {
            key: np.zeros((GROUPS, *each.shape))
            for key, each in self._pair_squares.items()
            if expected
        }
        self._patterns = {key: np.zeros((GROUPS, bins.size)) for key, bins in joint.items()}
        self._pattern_squares = {key: np.zeros(bins.size) for key, bins in joint.items()}

    def add(self, chunk: Chunk) -> None:
        """Count more events."""
        groups = (chunk.keys % np.uint64(GROUPS)).astype(np.intp)
        equal = bool(len(chunk.weights)) and bool(np.all(chunk.weights == 1.0))
        weights = None if equal else chunk.weights
        squares = None if equal else chunk.weights**2  # of ones: ones again
        self._events += np.bincount(groups, weights, GROUPS)
        used = None if equal else (chunk.weights != 0).astype(np.float64)
        self._numbers += np.bincount(groups, weights if self._expected else used, GROUPS)
        bins = [axis.index(chunk.values[:, o]) for o, axis in enumerate(self._axes)]
        for o, axis in enumerate(self._axes):
            _count(self._channels[o], groups * (axis.size + 1) + bins[o], weights)
            _count(self._squares[o], bins[o], squares)
            away = np.where(bins[o] < axis.size, chunk.values[:, o] - axis.centre, 0.0)
            with np.errstate(over="ignore", invalid="ignore"):  # of values that no bin should have
                for power in (0, 1):
                    moment = away ** (power + 1) * chunk.weights
                    self._moments[:, o, power] += np.bincount(groups, moment, GROUPS)
        for (i, j), into in self._pair_squares.items():
            both = bins[i] * (self._axes[j].size + 1) + bins[j]
            _count(into, both, squares)
            if self._expected:
                _count(self._pairs[i, j], groups * into.size + both, weights)
        together = self._add_joint(chunk, bins, groups, weights, squares)
        if self._held:
            self._held.add(chunk.keys, chunk.weights, bins, together)

    def _add_joint(
        self,
        chunk: Chunk,
        bins: list[NDArray[np.intp]],
        groups: NDArray[np.intp],
        weights: NDArray[np.float64] | None,
        squares: NDArray[np.float64] | None,
    ) -> NDArray[np.intp]:
        """Count in the bins of all observables together, which are numbered through."""
        first, last = 0, sum(bins.size for bins in self._joint.values())
        together = np.full(len(chunk.weights), last)
        if not self._joint:
            return together
        has = np.stack([b < axis.size for b, axis in zip(bins, self._axes, strict=True)], axis=1)
        whole = bool(has.all())
        for pattern, joint in self._joint.items():
            wanted = np.isin(np.arange(has.shape[1]), pattern)
            chosen = slice(None) if whole else np.all(has == wanted, axis=1)
            if whole and len(pattern) < has.shape[1]:
                first += joint.size
                continue
            index = joint.index([chunk.values[chosen, o] for o in pattern])
            together[chosen] = first + index
            first += joint.size
            some = None if weights is None else weights[chosen]
            _count(self._patterns[pattern], groups[chosen] * joint.size + index, some)
            _count(
                self._pattern_squares[pattern], index, None if squares is None else squares[chosen]
            )
        return together

    @property
    def weight_squares(self) -> NDArray[np.float64]:
        """Sum of the squared weights of all rows, of those without a first observable too."""
        return self._squares[0]

    def counts(self) -> tuple[Counts, Repeats | None]:
        """What was counted so far, without events that lack an observable."""
        squares = tuple(each[:-1] for each in self._squares)
        pairs = {key: each[:, :-1, :-1] for key, each in self._pairs.items()}
        counts = Counts(
            events=self._events,
            numbers=self._numbers,
            channels=tuple(each[:, :-1] for each in self._channels),
            moments=self._moments,
            squares=squares,
            shared=squares,
            pairs=pairs,
            products=pairs,
            pair_squares={key: each[:-1, :-1] for key, each in self._pair_squares.items()},
            joint=self._patterns,
            joint_squares=self._pattern_squares,
        )
        if not self._held:
            return counts, None
        repeats = self._held.counts()
        return _together(counts, repeats), repeats


def _together(counts: Counts, repeats: Repeats) -> Counts:
    """What was counted of rows and of pairs of rows of one event."""
    ends = np.cumsum([len(each) for each in counts.joint_squares.values()])[:-1]
    joint = np.split(repeats.joint_squares, ends)
    return replace(
        counts,
        numbers=repeats.numbers,
        products={key: each + counts.pairs.get(key, 0.0) for key, each in repeats.pairs.items()},
        squares=tuple(a + b for a, b in zip(counts.squares, repeats.squares, strict=True)),
        shared=tuple(a + b for a, b in zip(counts.squares, repeats.shared, strict=True)),
        pair_squares={
            key: each + counts.pair_squares.get(key, 0.0)
            for key, each in repeats.pair_squares.items()
        },
        joint_squares={
            key: each + more
            for (key, each), more in zip(counts.joint_squares.items(), joint, strict=False)
        },
    )


def _count(
    into: NDArray[np.float64], index: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> None:
    into += np.bincount(index, weights, into.size).reshape(into.shape)
