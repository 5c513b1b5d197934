"""What the readers of TTrees and RNTuples share."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import require


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeReader(ABC):
    """Reads the columns of a tree in a ROOT file by ranges of rows.

    Attributes:
        tree: The TTree or RNTuple of uproot.
        place: File and tree, for messages.
        chunk: Most rows of a chunk.
    """

    tree: Any
    place: str
    chunk: int

    @property
    def entries(self) -> int:
        """Number of rows."""
        return int(self.tree.num_entries)

    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(name for name, _ in self._columns())

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces; see `Source.chunks`."""
        found = self._columns()
        by_name = dict(found)
        names = [name for name, _ in found]
        if not by_name.keys() >= set(columns):  # others are proposed
            names = [n for n, column in found if n in columns or self._is_flat(n, column)]
        wanted = require(names, columns, place=self.place)
        chosen = {name: by_name[name] for name in wanted}
        for start, stop in self._ranges(chosen):
            arrays = {
                name: self._whole(self._read(name, column, start, stop), start, stop)
                for name, column in chosen.items()
            }
            for row in range(0, stop - start, self.chunk):
                yield {name: array[row : row + self.chunk] for name, array in arrays.items()}

    def _whole(self, array: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
        if len(array) != stop - start:
            raise EventsError(
                f"{self.place}: has {len(array)} of the rows {start} to {stop}; "
                "write or copy it again"
            )
        return array

    def _is_flat(self, name: str, column: Any) -> bool:
        """Whether a branch or field has one value per event, and can be proposed."""
        try:
            next(self._ranges({name: column}), None)
        except Exception:  # noqa: BLE001  such as one of a kind that uproot cannot read
            return False
        return True

    @abstractmethod
    def _columns(self) -> list[tuple[str, Any]]:
        """Names and branches or fields; a name is there twice where two have it."""

    @abstractmethod
    def _ranges(self, columns: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        """First row, and that after the last, of what is read at once of these columns."""

    @abstractmethod
    def _read(self, name: str, column: Any, start: int, stop: int) -> NDArray[Any]:
        """Some rows of a branch or field, from itself: another may have its name."""
