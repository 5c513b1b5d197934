"""What is counted of several rows that belong to one event.

The score of an event is the sum of those of its rows. Its square has a term for every pair of rows,
and these are counted here: whatever is summed over events and squared needs them besides what is
counted row by row. Rows of one event may be anywhere in a sample, so all are held until its end.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.events import first_rows, row_pairs

_EQUAL = 1e-5  # of a weight, which float32 keeps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Repeats:
    """Sums over events and over pairs of rows of one event.

    Attributes:
        events: Number of events.
        largest: Rows of the event that has most.
        apart: Events whose rows are no neighbours.
        unequal: Events whose rows have different weights.
        numbers: As in `Counts`, shape (groups,).
        pairs: Expected pairs of rows, for each pair of observables of shape (groups, bins, bins):
            of one observable with itself each once, of two both ways; empty for data.
        pair_squares: The same of products of weights, of data too, without groups, and without
            pairs of rows in the same bin of the same observable.
        squares: Twice the sum of products of weights of rows in the same bin, one array of shape
            (bins,) per observable.
        shared: Sum of products of weights of each row in a bin with all others, likewise.
        square: Twice the sum of the products of all pairs.
        joint_squares: As `squares`, of the bins of the observables together.
    """

    events: int
    largest: int
    apart: int
    unequal: int
    numbers: NDArray[np.float64]
    pairs: dict[tuple[int, int], NDArray[np.float64]]
    pair_squares: dict[tuple[int, int], NDArray[np.float64]]
    squares: tuple[NDArray[np.float64], ...]
    shared: tuple[NDArray[np.float64], ...]
    square: float
    joint_squares: NDArray[np.float64]


class HeldRows:
    """Rows of one sample, until all rows of every event are there.

    Args:
        groups: Number of groups of the bootstrap.
        sizes: Bins of each observable, one more than there are: the last is that of rows that
            lack it.
        joint: Bins of the observables together, of all patterns, likewise.
        paired: Whether pairs of observables are counted.
        expected: As in `Tally`; the rows of an event then have one weight, that of the event.
    """

    def __init__(
        self, groups: int, sizes: Sequence[int], joint: int, *, paired: bool, expected: bool
    ) -> None:
        self._groups, self._sizes, self._joint_size = groups, tuple(sizes), joint
        self._paired, self._expected = paired, expected
        self._keys: list[NDArray[np.uint64]] = []
        self._weights: list[NDArray[np.float64]] = []
        self._bins: list[NDArray[np.int32]] = []

    def add(
        self,
        keys: NDArray[np.uint64],
        weights: NDArray[np.float64],
        bins: Sequence[NDArray[np.intp]],
        joint: NDArray[np.intp],
    ) -> None:
        """Hold more rows: keys, weights, the bin of each observable, and that of all together."""
        self._keys.append(keys)
        self._weights.append(weights)
        self._bins.append(np.stack([*bins, joint]).astype(np.int32))

    def counts(self) -> Repeats:
        """What was counted."""
        keys, weights = np.concatenate(self._keys), np.concatenate(self._weights)
        *bins, joint = np.concatenate(self._bins, axis=1)
        first = first_rows(keys)
        own = first == np.arange(len(first))
        group = (keys % np.uint64(self._groups)).astype(np.intp)
        number = range(len(bins))
        chosen = [(i, j) for i, j in itertools.product(number, number) if i <= j and self._paired]
        shapes = {(i, j): (self._sizes[i], self._sizes[j]) for i, j in chosen}
        pair_squares = {key: np.zeros(shape) for key, shape in shapes.items()}
        pairs = {
            key: np.zeros((self._groups, *shape)) for key, shape in shapes.items() if self._expected
        }
        squares = [np.zeros(size) for size in self._sizes]
        shared = [np.zeros(size) for size in self._sizes]
        joint_squares, square = np.zeros(self._joint_size), 0.0
        for one, other in row_pairs(first):
            product = weights[one] * weights[other]
            square += 2.0 * float(product.sum())
            same = joint[one] == joint[other]
            joint_squares += np.bincount(joint[one][same], 2.0 * product[same], self._joint_size)
            for o, column in enumerate(bins):
                same = column[one] == column[other]
                size = self._sizes[o]
                squares[o] += np.bincount(column[one][same], 2.0 * product[same], size)
                for rows in (one, other):
                    shared[o] += np.bincount(column[rows], product, size)
            for (i, j), into in pair_squares.items():
                for a, b in ((one, other), (other, one))[: 1 if i == j else 2]:
                    at = np.ravel_multi_index((bins[i][a], bins[j][b]), shapes[i, j])
                    counted = product * (bins[i][a] != bins[j][b]) if i == j else product
                    _count(into, at, counted)
                    if self._expected:
                        _count(pairs[i, j], group[one] * into.size + at, weights[one])
        differ = np.abs(weights - weights[first]) > _EQUAL * np.abs(weights[first])
        rows = np.bincount(first)
        used = np.bincount(first, weights != 0, len(first)) > 0
        each = weights if self._expected else used.astype(np.float64)
        return Repeats(
            events=int(own.sum()),
            largest=int(rows.max(initial=0)),
            apart=_apart(first, rows),
            unequal=len(np.unique(first[differ])),
            numbers=np.bincount(group[own], each[own], self._groups).astype(np.float64),
            pairs={key: each[:, :-1, :-1] for key, each in pairs.items()},
            pair_squares={key: each[:-1, :-1] for key, each in pair_squares.items()},
            squares=tuple(each[:-1] for each in squares),
            shared=tuple(each[:-1] for each in shared),
            square=square,
            joint_squares=joint_squares[:-1],
        )


def _apart(first: NDArray[np.intp], rows: NDArray[np.intp]) -> int:
    """Events whose last row is further from the first than they have rows."""
    last = np.zeros(len(rows), dtype=np.intp)
    np.maximum.at(last, first, np.arange(len(first)))
    there = rows > 0
    return int(np.sum((last - np.arange(len(rows)) + 1)[there] != rows[there]))


def _count(
    into: NDArray[np.float64], index: NDArray[np.intp], weights: NDArray[np.float64]
) -> None:
    into += np.bincount(index, weights, into.size).reshape(into.shape)
