"""What the readers of single files share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray


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
class FileSource:
    """A file of one format, of which a subclass makes a `Source`.

    Attributes:
        path: The file.
        file: What it is called in messages.
        tree: What is asked for inside it, where a format has several tables; None is the only one.
        chunk: Most rows of a chunk.
    """

    format: ClassVar[str]
    """What people call the format."""
    endings: ClassVar[Mapping[str, bytes]]
    """Of the names of its files, and the bytes that such a file begins with."""

    path: Path
    file: str
    tree: str | None
    chunk: int

    @property
    def place(self) -> str:
        """What the events are called in messages."""
        return self.file

    def names(self) -> tuple[str, ...]:
        """Names of the columns; see `Source.names`."""
        raise NotImplementedError

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces; see `Source.chunks`."""
        raise NotImplementedError
