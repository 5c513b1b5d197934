"""The branches of a TTree."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import from_numpy, refuse_jagged, require

__all__ = ["TTreeReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TTreeReader:
    """Reads branches by ranges of entries.

    Attributes:
        tree: The TTree of uproot.
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
        """Full names of the branches, and the short ones that only one branch inside others has."""
        return tuple(name for name, _ in self._branches())

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces."""
        found = self._branches()
        wanted = require((name for name, _ in found), columns, place=self.place)
        branches = dict(found)
        for name in wanted:
            self._check(name, branches[name])
        for start in range(0, self.entries, self.chunk):
            stop = min(start + self.chunk, self.entries)
            yield {name: self._read(name, branches[name], start, stop) for name in wanted}

    def _branches(self) -> list[tuple[str, Any]]:
        """Names and branches; a full name is there twice where two branches have it."""
        full = list(self.tree.iteritems(recursive=True, full_paths=True))
        taken = {name for name, _ in full}
        short = Counter(branch.name for _, branch in full)
        alone = [(b.name, b) for _, b in full if short[b.name] == 1 and b.name not in taken]
        return [*full, *alone]

    def _check(self, name: str, branch: Any) -> None:
        from uproot.interpretation.numerical import Numerical
        from uproot.interpretation.objects import AsStridedObjects
        from uproot.interpretation.strings import AsStrings

        kind = branch.interpretation
        number = isinstance(kind, Numerical) and not isinstance(kind, AsStridedObjects)
        if not number and not isinstance(kind, AsStrings):
            refuse_jagged(name, self.place)
        if getattr(kind, "inner_shape", ()) or (number and kind.numpy_dtype.names):
            refuse_jagged(name, self.place)
        if branch.num_entries != self.entries:
            raise EventsError(
                f"{self.place}: branch {name!r} has {branch.num_entries} of {self.entries} "
                "entries; fill all branches together"
            )

    def _read(self, name: str, branch: Any, start: int, stop: int) -> NDArray[Any]:
        """Some rows of a branch, from the branch itself: the tree knows it by its short name."""
        array = branch.array(entry_start=start, entry_stop=stop, library="np", array_cache=None)
        if len(array) != stop - start:
            raise EventsError(
                f"{self.place}: has {len(array)} of the rows {start} to {stop}; "
                "write or copy it again"
            )
        return from_numpy(array, name=name, place=self.place)
