"""The branches of a TTree."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import from_numpy, refuse_jagged
from ._tree import TreeReader


@dataclass(frozen=True, slots=True, kw_only=True)
class TTreeReader(TreeReader):
    """Reads branches by their full names, or by short ones that only one inside others has."""

    def _columns(self) -> list[tuple[str, Any]]:
        full = list(self.tree.iteritems(recursive=True, full_paths=True))
        taken = {name for name, _ in full}
        short = Counter(branch.name for _, branch in full)
        alone = [(b.name, b) for _, b in full if short[b.name] == 1 and b.name not in taken]
        return [*full, *alone]

    def _ranges(self, columns: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
        for name, branch in columns.items():
            self._check(name, branch)
        for start in range(0, self.entries, self.chunk):
            yield start, min(start + self.chunk, self.entries)

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

    def _read(self, name: str, column: Any, start: int, stop: int) -> NDArray[Any]:
        array = column.array(entry_start=start, entry_stop=stop, library="np", array_cache=None)
        return from_numpy(array, name=name, place=self.place)
