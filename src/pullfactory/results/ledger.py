"""Every fit of every toy, in parts: memory does not grow with their number."""

import io
import json
import os
import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import IO, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pullfactory.errors import OutputError
from pullfactory.files import open_plain
from pullfactory.results.damage import undamaged
from pullfactory.results.identity import makers_differ
from pullfactory.results.part import Head, Span
from pullfactory.results.sums import Key, Series, added
from pullfactory.results.toy_fits import STATUS_NAMES, ToyFits, read_fits

__all__ = [
    "STATUS_NAMES",
    "PartFiles",
    "PartFolder",
    "PartScratch",
    "PartStore",
    "Parts",
    "SingleFile",
    "ToyTable",
    "link_or_copy",
    "table_at",
]


class ToyTable(ABC):
    """Every fit of every toy: one row per toy, rho, method and parameter."""

    @abstractmethod
    def read(self) -> pa.Table:
        """The whole table."""

    @abstractmethod
    def fits(self) -> Iterator[ToyFits]:
        """The fits of some toys with each method at each rho, in the order they were made.

        Raises:
            OSError, ValueError, LookupError: If the table cannot be read, or is none of toys.
        """

    @abstractmethod
    def mixed(self, versions: Mapping[str, str]) -> tuple[str, ...]:
        """What other packages or processors have made some of the toys, in words.

        Args:
            versions: Of the packages that made what is told of them.
        """

    @abstractmethod
    def copy_to(self, path: Path) -> None:
        """Copy it.

        Args:
            path: Of the copy.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleFile(ToyTable):
    """A table as earlier versions wrote it.

    Attributes:
        path: A Parquet file.
        block: Toys that were summed at once where the file does not say it; None: all.
    """

    path: Path
    block: int | None = None

    def read(self) -> pa.Table:
        """The whole table."""
        with open_plain(self.path) as file:
            return pq.ParquetFile(file).read()

    def fits(self) -> Iterator[ToyFits]:
        """The fits of each block of toys, as in `ToyTable`."""
        with open_plain(self.path) as file:
            yield from read_fits(file, self.block)

    def mixed(self, versions: Mapping[str, str]) -> tuple[str, ...]:  # noqa: ARG002
        """Nobody else: it was made at once."""
        return ()

    def copy_to(self, path: Path) -> None:
        """Copy the file."""
        shutil.copyfile(self.path, path)


class Parts(ToyTable):
    """A table in parts, each with the sums over its toys."""

    @property
    @abstractmethod
    def spans(self) -> tuple[Span, ...]:
        """Which parts there are, in order."""

    @abstractmethod
    def open(self, span: Span) -> IO[bytes]:
        """The file of a part.

        Args:
            span: One of `spans`.
        """

    def place(self, span: Span) -> str:
        """Where a part is, in words.

        Args:
            span: One of `spans`.
        """
        return span.name

    def read(self) -> pa.Table:
        """The whole table."""
        tables = []
        for span in self.spans:
            with self.open(span) as file, undamaged(self.place(span)):
                tables.append(pq.ParquetFile(file, page_checksum_verification=True).read())
        return pa.concat_tables(tables).replace_schema_metadata(None)

    def fits(self) -> Iterator[ToyFits]:
        """The fits of each part, as in `ToyTable`."""
        for span in self.spans:
            with self.open(span) as file, undamaged(self.place(span)):
                yield from read_fits(file)

    def heads(self) -> Iterator[Head]:
        """What each part says of itself.

        Raises:
            OSError, ValueError, LookupError: If one is no part.
        """
        for span in self.spans:
            with self.open(span) as file:
                yield Head.of(file)

    def sums(self) -> dict[Key, Series]:
        """Over all toys, part by part: the same whoever made them, and in which order."""
        found: dict[Key, Series] = {}
        for head in self.heads():
            found = added(found, head.unpacked())
        return found

    def mixed(self, versions: Mapping[str, str]) -> tuple[str, ...]:
        """What others have made some of the toys, as in `ToyTable`."""
        found: dict[str, None] = {}
        texts = dict.fromkeys(head.identity for head in self.heads())
        makers = [json.loads(text) for text in texts]
        for its in makers:
            mine = {"versions": versions, "instructions": makers[0]["instructions"]}
            found |= dict.fromkeys(makers_differ(mine, its))
        return tuple(found)

    def copy_to(self, path: Path) -> None:
        """Copy every part into a new folder."""
        path.mkdir()
        for span in self.spans:
            with self.open(span) as file, (path / span.name).open("xb") as copy:
                shutil.copyfileobj(file, copy)


class PartStore(Parts):
    """Where parts are kept as they are made."""

    def store(self, span: Span, content: bytes) -> None:
        """Keep a part, whole or not at all.

        Args:
            span: Which.
            content: Of its file.

        Raises:
            OutputError: If it cannot be kept.
        """
        try:
            self._store(span, content)
        except OSError as error:
            raise OutputError(
                f"toys cannot be kept ({error.strerror or error}); make room, or choose another "
                "place"
            ) from None

    @abstractmethod
    def _store(self, span: Span, content: bytes) -> None:
        """As `store`; what the system refuses is raised."""

    @abstractmethod
    def chosen(self, spans: Iterable[Span]) -> "Parts":
        """The same with some of the parts.

        Args:
            spans: Which, in order.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFiles(Parts):
    """Parts that lie in several places.

    Attributes:
        places: The file of each.
    """

    places: Mapping[Span, Path]

    @property
    def spans(self) -> tuple[Span, ...]:
        """Which parts there are, in order."""
        return tuple(sorted(self.places))

    def open(self, span: Span) -> IO[bytes]:
        """The file of a part."""
        return open_plain(self.places[span])

    def place(self, span: Span) -> str:
        """Where a part is."""
        return str(self.places[span])


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFolder(PartStore):
    """Parts in a folder, which holds nothing else.

    Attributes:
        path: The folder.
        some: Which of them, in order; None for all.
        passing: Whether the folder goes when its result is written: files are linked then, and not
            copied, where they can be.
    """

    path: Path
    some: tuple[Span, ...] | None = None
    passing: bool = False

    @property
    def spans(self) -> tuple[Span, ...]:
        """Which parts there are, in order."""
        if self.some is not None:
            return self.some
        return tuple(sorted(filter(None, (Span.of(path.name) for path in self.path.iterdir()))))

    def open(self, span: Span) -> IO[bytes]:
        """The file of a part."""
        return open_plain(self.path / span.name)

    def place(self, span: Span) -> str:
        """Where a part is."""
        return str(self.path / span.name)

    def _store(self, span: Span, content: bytes) -> None:
        """Keep a part: written beside the folder, on the disk before it has its name."""
        beside = self.path.with_name(f".{span.name}-{token_hex(4)}")
        try:
            with beside.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path / span.name)
        finally:
            beside.unlink(missing_ok=True)

    def chosen(self, spans: Iterable[Span]) -> "PartFolder":
        """The same with some of the parts."""
        return type(self)(path=self.path, some=tuple(spans), passing=self.passing)

    def copy_to(self, path: Path) -> None:
        """Copy every part into a new folder, or link it."""
        path.mkdir()
        copy = link_or_copy if self.passing else shutil.copyfile
        for span in self.spans:
            copy(self.path / span.name, path / span.name)


class _Scratch:
    """A temporary file without a name, which goes with its last user."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            self._descriptor = os.dup(file.fileno())
        weakref.finalize(self, os.close, self._descriptor)

    def append(self, content: bytes) -> int:
        """Write, and say where that begins."""
        start = os.lseek(self._descriptor, 0, os.SEEK_END)
        left = memoryview(content)
        while left:
            left = left[os.write(self._descriptor, left) :]
        return start

    def read(self, start: int, size: int) -> bytes:
        """What stands at a place; fewer bytes where the file ends."""
        return os.pread(self._descriptor, size, start)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartScratch(PartStore):
    """Parts in a temporary file without a name, which goes with this process or its last user.

    Attributes:
        file: Where they are, one after the other.
        places: Where each begins, and how long it is.
    """

    file: _Scratch = field(default_factory=_Scratch)
    places: dict[Span, tuple[int, int]] = field(default_factory=dict)

    @property
    def spans(self) -> tuple[Span, ...]:
        """Which parts there are, in order."""
        return tuple(sorted(self.places))

    def open(self, span: Span) -> IO[bytes]:
        """The file of a part.

        Args:
            span: One of `spans`.

        Raises:
            OSError: If the temporary file was cut.
        """
        start, size = self.places[span]
        content = self.file.read(start, size)
        if len(content) < size:
            raise OSError(0, "a temporary file is shorter than it was", span.name)
        return io.BytesIO(content)

    def _store(self, span: Span, content: bytes) -> None:
        """Keep a part."""
        self.places[span] = self.file.append(content), len(content)

    def chosen(self, spans: Iterable[Span]) -> Self:
        """The same with some of the parts."""
        return type(self)(file=self.file, places={span: self.places[span] for span in spans})


def link_or_copy(source: Path, copy: Path) -> None:
    """Let a file be in a second place too; where it cannot be linked, its content.

    Args:
        source: The file, which nobody changes.
        copy: The place.
    """
    try:
        copy.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, copy)


def table_at(path: Path, block: int | None = None) -> ToyTable:
    """The table of a result.

    Args:
        path: A folder of parts, or a file of an earlier version.
        block: Of `SingleFile`.
    """
    return PartFolder(path=path) if path.is_dir() else SingleFile(path=path, block=block)
