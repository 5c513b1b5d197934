"""Events in a Parquet file."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import from_arrow, refuse_jagged, require
from ._damage import reading, watched
from ._file import FileSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetSource(FileSource):
    """A Parquet file; see `Source`."""

    format = "Parquet"
    endings = MappingProxyType({".parquet": b"PAR1", ".pq": b"PAR1"})

    def names(self) -> tuple[str, ...]:
        """Names of the columns; see `Source.names`."""
        with self._opened() as file:
            return tuple(file.schema_arrow.names)

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces; see `Source.chunks`."""
        import pyarrow as pa

        with self._opened() as file:
            schema = file.schema_arrow
            wanted = require(schema.names, columns, place=self.place)
            for name in wanted:
                if pa.types.is_nested(schema.field(name).type):
                    refuse_jagged(name, self.place)
            with reading(self.place, pa.ArrowException):
                batches = file.iter_batches(batch_size=self.chunk, columns=list(wanted))
            rows = 0
            for batch in watched(batches, self.place, pa.ArrowException):
                rows += batch.num_rows
                with reading(self.place, pa.ArrowException):
                    chunk = {
                        name: from_arrow(batch.column(name), name=name, place=self.place)
                        for name in wanted
                    }
                yield chunk
            if rows != file.metadata.num_rows:
                raise EventsError(
                    f"{self.place}: has {rows} of its {file.metadata.num_rows} rows; "
                    "write or copy it again"
                )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with reading(self.place, pa.ArrowException):
            file = pq.ParquetFile(self.path, page_checksum_verification=True)
        with file:
            yield file
