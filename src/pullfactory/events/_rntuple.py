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
    """Reads fields by clusters, the units that RNTuple is compressed in.

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
        """Names of the fields; those inside others with the others' names and dots before them."""
        return tuple(name for name, _ in self._fields())

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces."""
        found = self._fields()
        wanted = require((name for name, _ in found), columns, place=self.place)
        fields = dict(found)
        for start, stop in self._ranges():
            arrays = {name: self._read(name, fields[name], start, stop) for name in wanted}
            for row in range(0, stop - start, self.chunk):
                yield {name: array[row : row + self.chunk] for name, array in arrays.items()}

    def _fields(self) -> list[tuple[str, Any]]:
        return list(self.tree.iteritems(recursive=True, full_paths=True))

    def _read(self, name: str, field: Any, start: int, stop: int) -> NDArray[Any]:
        """Some rows of a field, from the field itself: others may have its name."""
        rows = {"entry_start": start, "entry_stop": stop, "library": "ak", "array_cache": None}
        if field.top_level:  # whose name uproot would split at its dots
            here = field.field_id
            values = self.tree.arrays(filter_field=lambda one: one.field_id == here, **rows)[name]
        else:
            values = field.array(**rows)
        array = from_awkward(values, name=name, place=self.place)
        if len(array) != stop - start:
            raise EventsError(
                f"{self.place}: has {len(array)} of the rows {start} to {stop}; "
                "write or copy it again"
            )
        return array

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
