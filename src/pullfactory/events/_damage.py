"""What libraries raise at a file that is damaged, said in one line."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TypeVar

from pullfactory.errors import EventsError

T = TypeVar("T")

_SHOWN = 160


@contextmanager
def reading(place: str) -> Generator[None]:
    """Within it, what damage raises is an `EventsError`.

    Args:
        place: What is read, for messages.

    Raises:
        EventsError: If anything of that kind is raised.
    """
    try:
        yield
    except EventsError:
        raise
    except Exception as error:
        # A flipped byte makes a library trip in any of its lines: over an offset, a length, a
        # missing member, or the file of another kind that the bytes then describe.
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines or [type(error).__name__])[0]
        reason = reason if len(reason) <= _SHOWN else f"{reason[: _SHOWN - 3]}..."
        raise EventsError(
            f"{place}: cannot be read ({reason}); it is damaged or of another kind, "
            "so write or copy it again"
        ) from error


def watched(items: Iterator[T], place: str) -> Iterator[T]:
    """The items of an iterator, each read as within `reading`.

    Args:
        items: What is read when it is asked for.
        place: As in `reading`.

    Raises:
        EventsError: If an item cannot be read.
    """
    while True:
        with reading(place):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
