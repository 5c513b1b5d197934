"""Events in a CSV file, compressed by gzip or not."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import from_arrow, require
from ._damage import reading, watched
from ._encoding import first_line, refuse_encoding
from ._file import FileSource

_MOST = 10_000  # columns, whose names and readers fit into memory
_BLOCK = 2**23  # bytes that pyarrow parses at once, hence the longest line
_HEAD = 64  # values
_MISSING = ("", "nan", "NaN", "-nan", "NA", "N/A", "n/a", "NULL", "null", "None")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSource(FileSource):
    """A CSV file with commas and a first line of names; see `Source`.

    A chunk of a column is the first of int64, uint64, float64, bool and text that holds all its
    values, so that identifiers stay exact and decimals may come late. A file without compression
    that was cut inside its last column, or between two rows, looks complete.
    """

    format = "CSV"
    endings = MappingProxyType({".csv": b"", ".csv.gz": b"\x1f\x8b"})

    def names(self) -> tuple[str, ...]:
        """Names of the columns; see `Source.names`."""
        with self._opened(()) as reader, reading(self.place):
            return tuple(reader.schema.names)

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces; see `Source.chunks`."""
        wanted = require(self.names(), columns, place=self.place)
        with self._opened(wanted) as reader:
            for table in self._regrouped(self._batches(reader)):
                yield {
                    name: from_arrow(_typed(table.column(name)), name=name, place=self.place)
                    for name in wanted
                }

    def _batches(self, reader: Any) -> Iterator[Any]:

        batches = watched(iter(reader), self.place)
        while True:
            with self._decoding():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        """Within it, an error at a text that is no UTF-8 says in which line that is."""
        try:
            yield
        except EventsError as error:
            if "invalid UTF8" in str(error):
                with reading(self.place):
                    refuse_encoding(self.path, self.place)
            if found := re.search(r"Expected \d+ columns, got \d+", str(error)):
                raise EventsError(
                    f"{self.place}: a row has not one value for each name in line 1 ({found[0]}); "
                    "leave out lines of comment, and write rows whole"
                ) from None
            raise

    def _regrouped(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Tables of `chunk` rows each, the last of fewer."""
        import pyarrow as pa

        held: list[Any] = []
        rows = 0
        for batch in batches:
            held.append(batch)
            rows += batch.num_rows
            if rows < self.chunk:
                continue
            table = pa.Table.from_batches(held)
            full = rows - rows % self.chunk
            for start in range(0, full, self.chunk):
                yield table.slice(start, self.chunk)
            held = table.slice(full).to_batches()
            rows -= full
        if rows:
            yield pa.Table.from_batches(held)

    @contextmanager
    def _opened(self, wanted: tuple[str, ...]) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import csv

        with reading(self.place):
            refuse_encoding(self.path, self.place, lines=1)
            refuse_head(first_line(self.path), self.place)
        with self._decoding(), reading(self.place):
            reader = csv.open_csv(
                self.path,
                read_options=csv.ReadOptions(block_size=_BLOCK),
                convert_options=csv.ConvertOptions(
                    include_columns=list(wanted),
                    column_types=dict.fromkeys(wanted, pa.string()),
                    strings_can_be_null=True,
                    null_values=list(_MISSING),
                ),
            )
        with reader:
            yield reader


def refuse_head(line: bytes, place: str) -> None:
    """Refuse a first line that does not name columns as we read them.

    Args:
        line: Of a file.
        place: What the file is called in messages.

    Raises:
        EventsError: If its columns are not separated by commas, or too many.
    """
    columns = line.count(b",") + 1
    if columns > _MOST:
        raise EventsError(
            f"{place}: has {columns} columns, more than {_MOST}; write those you need"
        )
    for mark, name in ((b";", "semicolons"), (b"\t", "tabs")):
        if columns == 1 and mark in line:
            raise EventsError(
                f"{place}: {name} separate its columns; write commas, and points in numbers"
            )
    if columns == 1 and line.startswith(b"#"):
        raise EventsError(f"{place}: begins with a comment; leave it out, line 1 names the columns")


def _typed(texts: Any) -> Any:
    """The texts as the first kind of value that all of them are."""
    import pyarrow as pa
    from pyarrow import compute

    kinds = (pa.int64(), pa.uint64(), pa.float64(), pa.bool_())
    for trim in (False, True):
        values = compute.utf8_trim_whitespace(texts) if trim else texts
        for kind in kinds:
            try:
                values.slice(0, _HEAD).cast(kind)  # most wrong kinds show at once
                return values.cast(kind)
            except pa.ArrowInvalid:
                continue
    return texts
