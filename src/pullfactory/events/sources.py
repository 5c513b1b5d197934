"""The user's own events: files of several formats, or tables in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._csv import CsvSource
from ._files import EventFile, find_files
from ._npz import NpzSource
from ._parquet import ParquetSource
from ._root import RootSource
from ._tables import as_table

__all__ = ["Source", "open_source"]


class Source(Protocol):
    """Events in rows, each column with one value per event; `open_source` makes one."""

    @property
    def place(self) -> str:
        """What it is called in messages, for example "file 'x.root', tree 'events'"."""

    def names(self) -> tuple[str, ...]:
        """Names of the columns there are, in all files; no event is read.

        Raises:
            EventsError: If the file or table cannot be used.
        """

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The rows in their order, in pieces.

        Args:
            columns: Names of the columns that are wanted, at least one.

        Yields:
            For each wanted column an array of numbers, booleans or strings, shape (rows,), with
            1 or more rows. A missing number is NaN and makes integers float64; a missing string
            is None. Kinds may differ from chunk to chunk of a CSV file, values never do.

        Raises:
            EventsError: If a column is missing or has several values per event, or a file is
                damaged, which may show only after some chunks.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """Several files, one after the other."""

    parts: tuple[Source, ...]
    place: str

    def names(self) -> tuple[str, ...]:
        first, *others = (part.names() for part in self.parts)
        shared = set(first).intersection(*others)
        return tuple(name for name in first if name in shared)

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        for part in self.parts:
            yield from part.chunks(columns)


def open_source(
    data: object,
    *,
    tree: str | None = None,
    place: str,
    base: Path | None = None,
    chunk: int = 2**18,
) -> Source:
    """Events from files or from memory.

    The files must be there now; what they hold is looked at when it is needed.

    Args:
        data: A path or pattern (``run*.root``), or several of them, of files that end in .root,
            .parquet, .pq, .csv, .csv.gz or .npz. Or a table in memory: a mapping of column to
            array, a structured NumPy array, a pandas DataFrame, an awkward Array of records, or a
            pyarrow Table.
        tree: Name of the TTree or RNTuple in ROOT files, with a cycle (``events;1``) or the latest.
            It may be left out if a file has one.
        place: What the events are called in messages, for example "sample 'nominal'".
        base: Folder of relative paths; None is the working folder.
        chunk: Most rows of a chunk.

    Raises:
        EventsError: If a file is missing, is given twice, cannot be opened or has an unknown
            format, if the columns of a table have different lengths, or if `data` is neither.
    """
    if chunk < 1:
        raise EventsError(f"{place}: chunk = {chunk} must be at least 1; raise it")
    if isinstance(data, str | PathLike):
        data = (data,)
    if isinstance(data, Sequence) and all(isinstance(item, str | PathLike) for item in data):
        parts = [
            _open_file(file, tree=tree, chunk=chunk)
            for file in find_files(data, place=place, base=base)
        ]
        return parts[0] if len(parts) == 1 else _Files(parts=tuple(parts), place=place)
    table = as_table(data, place=place, chunk=chunk)
    if table is None:
        raise EventsError(
            f"{place}: {type(data).__name__} is no table with named columns; give paths of files, "
            "a mapping of arrays, a structured array, a DataFrame, an awkward Array or a pyarrow "
            "Table"
        )
    return table


def _open_file(file: EventFile, *, tree: str | None, chunk: int) -> Source:
    place = f"file {file.name!r}"
    if file.kind == "ROOT":
        return RootSource(path=file.path, file=place, tree=tree, chunk=chunk)
    if file.kind == "Parquet":
        return ParquetSource(path=file.path, place=place, chunk=chunk)
    if file.kind == "CSV":
        return CsvSource(path=file.path, place=place, chunk=chunk)
    return NpzSource(path=file.path, place=place, chunk=chunk)
