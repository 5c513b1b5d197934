"""What the readers of single files share."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FileSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """A file, of which a subclass makes a `Source`.

    Attributes:
        path: The file.
        place: What it is called in messages.
        chunk: Most rows of a chunk.
    """

    path: Path
    place: str
    chunk: int
