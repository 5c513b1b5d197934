"""The branches of a TTree."""

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
        """Full names of the branches, and the short ones of branches inside others."""
        return tuple(self._branches())

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces."""
        branches = self._branches()
        wanted = require(branches, columns, place=self.place)
        for name in wanted:
            self._check(name, branches[name])
        # One by one, since branches inside others may share a short name.
        streams = [self._stream(branches[name]) for name in wanted]
        for arrays in zip(*streams, strict=True):
            yield {
                name: from_numpy(array, name=name, place=self.place)
                for name, array in zip(wanted, arrays, strict=True)
            }

    def _branches(self) -> dict[str, Any]:
        branches = dict(self.tree.iteritems(recursive=True, full_paths=True))
        short: dict[str, list[Any]] = {}
        for branch in branches.values():
            short.setdefault(branch.name, []).append(branch)
        alone = {name: found[0] for name, found in short.items() if len(found) == 1}
        return {**branches, **{n: b for n, b in alone.items() if n not in branches}}

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

    def _stream(self, branch: Any) -> Iterator[NDArray[Any]]:
        for arrays in self.tree.iterate(
            filter_branch=lambda other: other is branch, step_size=self.chunk, library="np"
        ):
            (array,) = arrays.values()
            yield array
