"""Texts that are no UTF-8, said in one line."""

import codecs
import gzip
from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import IO

from pullfactory.errors import EventsError

_LONGEST = 2**23  # bytes of a line
_SHOWN = 20  # characters
_MARKS: Mapping[bytes, str] = MappingProxyType(
    {
        codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16, whose mark it begins with
        codecs.BOM_UTF32_BE: "UTF-32",
        codecs.BOM_UTF16_LE: "UTF-16",
        codecs.BOM_UTF16_BE: "UTF-16",
    }
)


def refuse_encoding(path: Path, place: str, *, lines: int | None = None) -> None:
    """Refuse a text file that is no UTF-8, naming its first such line.

    Args:
        path: The file, compressed by gzip if its name says so.
        place: What it is called in messages.
        lines: How many lines to look at; None for all.

    Raises:
        EventsError: If so, or if the first line holds a null byte, as text of 16 bits does.
    """
    remedy = "save the file as UTF-8"
    with _opened(path) as stream:
        found = iter(partial(stream.readline, _LONGEST), b"")
        for number, line in enumerate(islice(found, lines), start=1):
            mark = next((name for mark, name in _MARKS.items() if line.startswith(mark)), None)
            if number == 1 and mark:
                raise EventsError(f"{place}: is {mark} text; {remedy}")
            if number == 1 and b"\0" in line:
                raise EventsError(f"{place}: line 1 holds a null byte; {remedy}")
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise EventsError(
                    f"{place}: line {number} is no UTF-8 (byte 0x{line[error.start]:02x} "
                    f"{_after(line[: error.start])}); {remedy}"
                ) from None


def first_line(path: Path) -> bytes:
    """The first line of a text file.

    Args:
        path: The file, compressed by gzip if its name says so.
    """
    with _opened(path) as stream:
        return stream.readline(_LONGEST)


def _opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    return gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb")


def _after(before: bytes) -> str:
    """Where a byte is, by the characters before it."""
    return f"after {before.decode()[-_SHOWN:]!a}" if before else "at its beginning"
