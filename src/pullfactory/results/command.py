"""A command that made some blocks of toys, as it is given for others."""

import shlex
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What was asked for on the command line, without which blocks of it, and where they go.

    Attributes:
        words: Of the command, without the name of the program.
        directory: Where it was given, which files are named from.
    """

    words: tuple[str, ...]
    directory: str

    @classmethod
    def of(cls, content: Any) -> Self | None:
        """What `to_dict` gave; None if it is something else.

        Args:
            content: From a file.
        """
        with suppress(LookupError, TypeError):
            words = tuple(map(str, content["words"]))
            return cls(words=words, directory=str(content["directory"]))
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"words": list(self.words), "directory": self.directory}

    def line(self, blocks: tuple[int, int], output: Path) -> str:
        """What makes other blocks, as a shell takes it.

        Args:
            blocks: First and last.
            output: Folder of their result.
        """
        here = Path(self.directory) == Path.cwd()
        place = str(output if here else output.absolute())
        more = ("--blocks", range_text(blocks), "--output", place)
        line = shlex.join(["pullfactory", *self.words, *more])
        return line if here else f"(cd {shlex.quote(self.directory)} && {line})"


def ranges_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """First and last of numbers that follow each other.

    Args:
        numbers: In order.
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        first = found.pop()[0] if found and found[-1][1] == number - 1 else number
        found.append((first, number))
    return found


def range_text(blocks: tuple[int, int]) -> str:
    """A range of blocks, as `--blocks` takes it.

    Args:
        blocks: First and last.
    """
    first, last = blocks
    return str(first) if first == last else f"{first}-{last}"
