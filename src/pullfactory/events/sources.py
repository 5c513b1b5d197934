"""The user's own events: files of several formats, or tables in memory."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._csv import CsvSource
from ._file import FileSource, Source
from ._files import Formats, find_files
from ._npz import NpzSource
from ._parquet import ParquetSource
from ._root import RootSource
from ._tables import as_table

__all__ = ["FileSource", "Source", "open_source"]


GROUP = "pullfactory.sources"
"""Entry points of installed packages: further formats, each a subclass of `FileSource`."""
CHUNK = 2**18
"""Most rows of a chunk, if nothing is said."""

_FORMATS: tuple[type[FileSource], ...] = (RootSource, ParquetSource, CsvSource, NpzSource)


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
    chunk: int = CHUNK,
) -> Source:
    """Events from files or from memory.

    The files must be there now; what they hold is looked at when it is needed.

    Args:
        data: A path or pattern (``run*.root``), or several of them, of files that end in .root,
            .parquet, .pq, .csv, .csv.gz or .npz, or as a format of an installed package does. Or a
            table in memory: a mapping of column to array, a structured NumPy array, a pandas
            DataFrame, an awkward Array of records, or a pyarrow Table.
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
        parts = open_files(data, tree=tree, place=place, base=base, chunk=chunk)
        return parts[0] if len(parts) == 1 else _Files(parts=parts, place=place)
    table = as_table(data, place=place, chunk=chunk)
    if table is None:
        raise EventsError(
            f"{place}: {type(data).__name__} is no table with named columns; give paths of files, "
            "a mapping of arrays, a structured array, a DataFrame, an awkward Array or a pyarrow "
            "Table"
        )
    return table


def open_files(
    data: Sequence[str | PathLike[str]],
    *,
    tree: str | None = None,
    place: str,
    base: Path | None = None,
    chunk: int = CHUNK,
) -> tuple[Source, ...]:
    """Files, each as a source; see `open_source`."""
    return tuple(
        file.kind(path=file.path, file=f"file {file.name!r}", tree=tree, chunk=chunk)
        for file in find_files(data, _formats(data), place=place, base=base)
    )


def _formats(names: Sequence[str | PathLike[str]]) -> Formats:
    """By ending; those of installed packages only where files end otherwise than ours."""
    ours = _by_ending(_FORMATS)
    if all(fspath(name).lower().endswith(tuple(ours)) for name in names):
        return ours
    return {**ours, **_by_ending(_installed()), **ours}


def _by_ending(kinds: Iterable[type[FileSource]]) -> dict[str, type[FileSource]]:
    return {ending: kind for kind in kinds for ending in kind.endings}


def _installed() -> Iterator[type[FileSource]]:
    """What installed packages bring; one that is broken only warns, for others need it not."""
    for entry in entry_points(group=GROUP):
        where = f"format {entry.name!r} of {entry.value!r}"
        try:
            kind = entry.load()
        except Exception as error:  # noqa: BLE001
            warnings.warn(f"{where} cannot be loaded: {error}", stacklevel=2)
            continue
        if isinstance(kind, type) and issubclass(kind, FileSource):
            yield kind
        else:
            warnings.warn(f"{where} is no FileSource: {kind!r}", stacklevel=2)
