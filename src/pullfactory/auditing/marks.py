"""Whether rows look as if several were one event, where no identifiers are named."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError
from pullfactory.events import Source, hash_events

_EVENT = ("event", "eventnumber", "eventid", "eventno", "evt", "evtnumber", "evtid", "evtno")
_OTHERS = (
    *("run", "runnumber", "runno", "runid", "runnr"),
    *("lumi", "lumiblock", "luminosityblock", "lumisection", "ls", "lb", "lbn"),
)
_PREFIXES = ("event.", "evt.", "info.", "eventinfo.", "eventauxiliary.")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marks:
    """What columns named like run, lumi and event hold, row by row.

    Attributes:
        names: Of the columns.
        hashes: The same where all columns have the same values, shape (rows,).
    """

    names: tuple[str, ...]
    hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any]]) -> "Marks | None":
        """The marks of some rows; None where a column is missing or holds no integers.

        Args:
            columns: Each of shape (rows,).
        """
        if not columns or any(column.dtype.kind not in "iu" for column in columns.values()):
            return None
        return cls(names=tuple(columns), hashes=hash_events(list(columns.values())))

    def select(self, chosen: NDArray[np.bool_]) -> "Marks":
        """Those of some of the rows."""
        return Marks(names=self.names, hashes=self.hashes[chosen])


class RepeatedRows:
    """Counts rows with the marks of the row before, chunk by chunk."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._known = True
        self._repeated = 0
        self._events = 0
        self._last: np.uint64 | None = None

    def add(self, marks: Marks | None) -> None:
        """Look at more rows."""
        self._known = self._known and marks is not None
        if marks is None or not len(marks.hashes):
            return
        self.names = marks.names
        changed = np.flatnonzero(marks.hashes[1:] != marks.hashes[:-1])
        again = self._last == marks.hashes[0]
        self._repeated += len(marks.hashes) - 1 - len(changed) + again
        self._events += len(changed) + (not again)
        self._last = marks.hashes[-1]

    @property
    def count(self) -> int | None:
        """Rows with the marks of the row before; None if they say nothing.

        Columns that are constant, such as an event number that was never filled, say nothing.
        """
        return self._repeated if self._known and self._events > 1 else None


def mark_columns(source: Source) -> tuple[str, ...]:
    """Columns of integers named like run, lumi and event; none without one named like event.

    Args:
        source: Events; few rows of the candidates are read.
    """
    named = {name: _plain(name) for name in source.names()}
    found = [n for n, plain in named.items() if plain in _EVENT + _OTHERS and _integers(source, n)]
    return tuple(found) if any(named[name] in _EVENT for name in found) else ()


def _plain(name: str) -> str:
    plain = name.lower()
    for prefix in _PREFIXES:
        plain = plain.removeprefix(prefix)
    return plain.replace("_", "").replace(" ", "")


def _integers(source: Source, name: str) -> bool:
    try:
        first = next(iter(source.chunks([name])), None)
    except EventsError:  # no column of one value per event, in some file
        return False
    return first is not None and first[name].dtype.kind in "iu"
