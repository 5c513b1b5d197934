"""Events in NumPy's archive of arrays."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import require
from ._damage import reading
from ._file import FileSource
from ._tables import Table

_LARGE = 500_000_000  # bytes of a column
_MOST_FOLDED = 100  # times that measured numbers are folded, and more


@dataclass(frozen=True, slots=True, kw_only=True)
class NpzSource(FileSource):
    """A file of `numpy.savez`, one array per column; see `Source`.

    The wanted columns are read as a whole, because the archive cannot be read by rows.
    """

    format = "NPZ"
    endings = MappingProxyType({".npz": b"PK"})

    def names(self) -> tuple[str, ...]:
        """Names of the columns; see `Source.names`."""
        with self._opened() as archive:
            return tuple(archive.files)

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces; see `Source.chunks`."""
        wanted = require(self.names(), columns, place=self.place)
        with self._opened() as archive:
            self._refuse_unfolding(archive)
            arrays = {name: self._array(archive, name) for name in wanted}
        yield from Table(columns=arrays, place=self.place, chunk=self.chunk).chunks(wanted)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        with (
            reading(self.place),
            self.path.open("rb") as stream,
            np.load(stream, allow_pickle=False) as archive,
        ):
            yield archive

    def _refuse_unfolding(self, archive: Any) -> None:
        """Refuse what is small as a file, and would fill the memory."""
        for one in archive.zip.infolist():
            if one.file_size > max(_LARGE, _MOST_FOLDED * one.compress_size):
                raise EventsError(
                    f"{self.place}: {one.filename!r} unfolds from {one.compress_size / 1e6:.3g} to "
                    f"{one.file_size / 1e6:.0f} MB; write events as Parquet, which is read in "
                    "pieces"
                )

    def _array(self, archive: Any, name: str) -> NDArray[Any]:
        try:
            # A column may be called as the file of another is, "x.npy".
            inside = f"{name}.npy"
            key = inside if inside in archive.zip.namelist() else name
            array: NDArray[Any] = archive[key]
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise EventsError(
                f"{self.place}: column {name!r} holds Python objects, which could run code; "
                "save numbers, or strings of a fixed width"
            ) from None
        return array
