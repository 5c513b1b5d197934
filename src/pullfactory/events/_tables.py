"""Events in memory, in the tables of various libraries."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import as_column, require


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Columns in memory; see `Source`.

    Attributes:
        columns: Arrays of one value per event, of any library that `as_column` knows.
        place: What the table is called in messages.
        chunk: Most rows of a chunk.

    Raises:
        EventsError: If a column is no array, or their lengths differ.
    """

    columns: Mapping[str, Any]
    place: str
    chunk: int

    def __post_init__(self) -> None:
        lengths = {name: self._length(name) for name in self.columns}
        for name, length in lengths.items():
            first, wanted = next(iter(lengths.items()))
            if length != wanted:
                raise EventsError(
                    f"{self.place}: column {name!r} has {length} rows, column {first!r} {wanted}; "
                    "give each event one value in each column"
                )

    def names(self) -> tuple[str, ...]:
        """Names of the columns; see `Source.names`."""
        return tuple(self.columns)

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces; see `Source.chunks`."""
        wanted = require(self.columns, columns, place=self.place)
        for start in range(0, self._length(wanted[0]), self.chunk):
            rows = slice(start, start + self.chunk)
            yield {
                name: as_column(
                    getattr(self.columns[name], "iloc", self.columns[name])[rows],
                    name=name,
                    place=self.place,
                )
                for name in wanted
            }

    def _length(self, name: str) -> int:
        values = self.columns[name]
        try:
            if isinstance(values, str | bytes | Mapping | set):
                raise TypeError
            return len(values)
        except TypeError:
            raise EventsError(
                f"{self.place}: column {name!r} is no array but {type(values).__name__}; "
                "give one value per event"
            ) from None


def as_table(data: Any, *, place: str, chunk: int) -> Table | None:
    """A table of any library, or None if the object is none.

    Args:
        data: Mapping of column to array, structured NumPy array, pandas DataFrame, awkward Array
            of records, pyarrow Table, or what offers itself as an Arrow table.
        place: What to call it in messages.
        chunk: Most rows of a chunk.

    Raises:
        EventsError: If it is a table that cannot be used.
    """
    pandas, awkward = (sys.modules.get(library) for library in ("pandas", "awkward"))
    if isinstance(data, Mapping):
        pairs: Iterable[tuple[Any, Any]] = data.items()
    elif pandas is not None and isinstance(data, pandas.DataFrame):
        pairs = ((name, data.iloc[:, i]) for i, name in enumerate(data.columns))
    elif isinstance(data, np.ndarray) and data.dtype.names and data.ndim == 1:
        pairs = ((name, data[name]) for name in data.dtype.names)
    elif awkward is not None and isinstance(data, awkward.Array) and data.fields:
        pairs = ((name, data[name]) for name in data.fields)
    elif hasattr(data, "__arrow_c_stream__") and not hasattr(data, "iloc"):
        import pyarrow as pa

        table = pa.table(data)
        pairs = zip(table.column_names, table.columns, strict=True)
    else:
        return None
    columns: dict[str, Any] = {}
    for name, values in pairs:
        if not isinstance(name, str):
            raise EventsError(f"{place}: column {name!r} has no text for a name; rename it")
        if name in columns:
            raise EventsError(f"{place}: two columns are named {name!r}; rename one")
        columns[name] = values
    return Table(columns=columns, place=place, chunk=chunk)
