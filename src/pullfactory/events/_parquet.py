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
            flat = [field.name for field in schema if not pa.types.is_nested(field.type)]
            for name in columns:
                self._refuse_nested(name, schema)
            wanted = require(flat, columns, place=self.place)
            with reading(self.place):
                batches = file.iter_batches(batch_size=self.chunk, columns=list(wanted))
            rows = 0
            for batch in watched(batches, self.place):
                rows += batch.num_rows
                with reading(self.place):
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

    def _refuse_nested(self, name: str, schema: Any) -> None:
        """Refuse a column that has fields or lists, and what names a field of one."""
        import pyarrow as pa

        whole, _, inner = name.partition(".")
        for outer in (name, whole) if name not in schema.names else (name,):
            if outer not in schema.names or not pa.types.is_nested(schema.field(outer).type):
                continue
            kind = schema.field(outer).type
            if pa.types.is_struct(kind):
                fields = ", ".join(repr(kind.field(i).name) for i in range(kind.num_fields))
                raise EventsError(
                    f"{self.place}: column {outer!r} is a struct (of {fields}); write the field "
                    f"{inner or fields} into a column of its own"
                )
            if outer == name:
                refuse_jagged(name, self.place)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        import pyarrow.parquet as pq

        with reading(self.place):
            file = pq.ParquetFile(self.path, page_checksum_verification=True)
        with file:
            yield file
