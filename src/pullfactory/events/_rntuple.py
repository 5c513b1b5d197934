"""The fields of an RNTuple."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import from_awkward
from ._tree import TreeReader


@dataclass(frozen=True, slots=True, kw_only=True)
class RNTupleReader(TreeReader):
    """Reads fields by clusters, the units that RNTuple is compressed in.

    A field inside others has the others' names and dots before its own.
    """

    def _columns(self) -> list[tuple[str, Any]]:
        return list(self.tree.iteritems(recursive=True, full_paths=True))

    def _ranges(self, columns: Mapping[str, Any]) -> Iterator[tuple[int, int]]:  # noqa: ARG002
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

    def _read(self, name: str, column: Any, start: int, stop: int) -> NDArray[Any]:
        rows = {"entry_start": start, "entry_stop": stop, "library": "ak", "array_cache": None}
        if column.top_level:  # whose name uproot would split at its dots
            here = column.field_id
            values = self.tree.arrays(filter_field=lambda one: one.field_id == here, **rows)[name]
        else:
            values = column.array(**rows)
        return from_awkward(values, name=name, place=self.place)
