"""The fields of an RNTuple."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import from_awkward, require

__all__ = ["RNTupleReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RNTupleReader:
    """Reads top-level fields by clusters, the units that RNTuple is compressed in.

    Attributes:
        tree: The RNTuple of uproot.
        place: File and tree, for messages.
        chunk: Most rows of a chunk.
    """

    tree: Any
    place: str
    chunk: int

    @property
    def entries(self) -> int:
        """Number of rows."""
        return int(self.tree.num_entries)

    def names(self) -> tuple[str, ...]:
        """Names of the top-level fields."""
        return tuple(self.tree.keys(recursive=False))

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces."""
        wanted = require(self.names(), columns, place=self.place)
        for start, stop in self._ranges():
            records = self.tree.arrays(
                filter_field=lambda field: field.path in wanted,
                entry_start=start,
                entry_stop=stop,
                library="ak",
            )
            if len(records) != stop - start:
                raise EventsError(
                    f"{self.place}: has {len(records)} of the rows {start} to {stop}; "
                    "write or copy it again"
                )
            arrays = {
                name: from_awkward(records[name], name=name, place=self.place) for name in wanted
            }
            for row in range(0, stop - start, self.chunk):
                yield {name: array[row : row + self.chunk] for name, array in arrays.items()}

    def _ranges(self) -> Iterator[tuple[int, int]]:
        """Rows of one or more whole clusters, as many as fit into a chunk."""
        start = stop = 0
        for cluster in self.tree.cluster_summaries:
            end = int(cluster.num_first_entry + cluster.num_entries)
            if cluster.num_first_entry != stop:
                raise EventsError(
                    f"{self.place}: rows {stop} to {cluster.num_first_entry} are not there; "
                    "write or copy it again"
                )
            if end - start > self.chunk and stop > start:
                yield start, stop
                start = stop
            stop = end
        if stop > start:
            yield start, stop
