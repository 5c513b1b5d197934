"""Bins of several observables together, unrolled into one channel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import CalibrationError

_CHUNK = 2**15  # events at a time, which stay in a processor's cache


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointBins:
    """Every observable is divided inside the bins of those before it.

    Bins are numbered with the last observable running fastest; the outermost ones are open.

    Attributes:
        edges: Inner edges, one array of shape (bins of all observables before, bins - 1) per
            observable, in its unit.
    """

    edges: tuple[NDArray[np.float64], ...]

    @classmethod
    def nested(cls, events: Sequence[NDArray[np.float64]], n_bins: Sequence[int]) -> Self:
        """Equal population: quantiles of each observable inside the bins of those before it.

        Args:
            events: One array of shape (events,) per observable, in its unit.
            n_bins: Bins of each observable.

        Raises:
            CalibrationError: If there are too few different values.
        """
        row = np.zeros(len(events[0]), dtype=np.intp)
        edges: list[NDArray[np.float64]] = []
        slices = 1
        for x, n in zip(events, n_bins, strict=True):
            order = np.argsort(row, kind="stable")
            parts = np.split(x[order], np.cumsum(np.bincount(row, minlength=slices))[:-1])
            levels = np.arange(1, n) / n
            if min(map(len, parts)) < n:
                raise CalibrationError(
                    f"{slices * n} joint bins are too many for {len(x)} calibration events; use "
                    "fewer bins (joint.n_bins) or more events"
                )
            edges.append(np.array([np.quantile(part, levels) for part in parts]))
            _divide(row, x, edges[-1])
            slices *= n
        return cls(edges=tuple(edges))

    @classmethod
    def grid(cls, edges: Sequence[NDArray[np.float64]]) -> Self:
        """The same bins of an observable everywhere.

        Args:
            edges: Inner edges of each observable, in its unit.
        """
        slices = np.cumprod([1, *(len(inner) + 1 for inner in edges[:-1])])
        return cls(
            edges=tuple(np.tile(inner, (int(n), 1)) for inner, n in zip(edges, slices, strict=True))
        )

    @property
    def size(self) -> int:
        """Number of bins."""
        slices, inner = self.edges[-1].shape
        return int(slices * (inner + 1))

    @property
    def rectangles(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper edges of each bin, shape (bins, observables), in their units."""
        low, high = [], []
        for inner in self.edges:
            slices, n = len(inner), inner.shape[1] + 1
            every = self.size // (slices * n)  # bins that share an edge
            ends = np.pad(inner, ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))
            low.append(np.repeat(ends[:, :-1].ravel(), every))
            high.append(np.repeat(ends[:, 1:].ravel(), every))
        return np.stack(low, axis=-1), np.stack(high, axis=-1)

    def index(self, events: Sequence[NDArray[np.float64]]) -> NDArray[np.intp]:
        """Bin of each event.

        Args:
            events: One array per observable, all of one shape, in its unit.
        """
        bins = np.zeros(events[0].shape, dtype=np.intp)
        for x, inner in zip(events, self.edges, strict=True):
            _divide(bins, x, inner)
        return bins

    def count(
        self,
        events: Sequence[NDArray[np.float64]],
        weights: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Histogram each toy of a block.

        Args:
            events: One array of shape (toys, events) per observable, in its unit.
            weights: Shape (toys, events), or None for ones.

        Returns:
            Counts, shape (toys, bins).
        """
        toys, width = events[0].shape
        counts = np.zeros((toys, self.size))
        for some, part in _chunks(toys, width):
            bins = self.index([x[some, part] for x in events])
            bins += self.size * np.arange(len(bins))[:, None]
            weight = None if weights is None else weights[some, part].ravel()
            found = np.bincount(bins.ravel(), weight, len(bins) * self.size)
            counts[some] += found.reshape(-1, self.size)
        return counts


def _divide(row: NDArray[np.intp], x: NDArray[np.float64], edges: NDArray[np.float64]) -> None:
    """Number the bins inside each row, in place: an event on an edge is above it."""
    inside = np.zeros(row.shape, dtype=np.uint8)
    for edge in np.ascontiguousarray(edges.T):
        inside += x >= (edge.take(row) if len(edge) > 1 else edge)
    row *= edges.shape[1] + 1
    row += inside


def _chunks(toys: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Ranges of toys, and of events if one toy is too large."""
    rows = max(_CHUNK // max(width, 1), 1)
    columns = width if rows > 1 else _CHUNK
    for first in range(0, toys, rows):
        for begin in range(0, width, columns):
            yield slice(first, min(first + rows, toys)), slice(begin, min(begin + columns, width))
