"""What libraries raise at a file that is damaged, said in one line."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pullfactory.errors import EventsError

T = TypeVar("T")

# A flipped byte makes a library trip in any of its lines: over an offset, a length, a missing
# member, or the file of another kind that the bytes then describe.
_DAMAGE: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_SHOWN = 160


@contextmanager
def reading(place: str, *more: type[Exception]) -> Generator[None]:
    """Within it, what damage raises is an `EventsError`.

    Args:
        place: What is read, for messages.
        more: Classes that the reading library raises besides those of Python.

    Raises:
        EventsError: If anything of that kind is raised.
    """
    try:
        yield
    except EventsError:
        raise
    except (*_DAMAGE, *more) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines or [type(error).__name__])[0]
        reason = reason if len(reason) <= _SHOWN else f"{reason[: _SHOWN - 3]}..."
        raise EventsError(
            f"{place}: cannot be read ({reason}); it is damaged or of another kind, "
            "so write or copy it again"
        ) from error


def watched(items: Iterator[T], place: str, *more: type[Exception]) -> Iterator[T]:
    """The items of an iterator, each read as within `reading`.

    Args:
        items: What is read when it is asked for.
        place: As in `reading`.
        more: As in `reading`.

    Raises:
        EventsError: If an item cannot be read.
    """
    while True:
        with reading(place, *more):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
