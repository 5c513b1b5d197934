"""Events in a ROOT file, in a TTree or an RNTuple."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._computed import computed
from ._damage import reading, watched
from ._file import FileSource
from ._rntuple import RNTupleReader
from ._tree import TreeReader
from ._ttree import TTreeReader

_TTREES = ("TTree", "TNtuple", "TNtupleD")
_RNTUPLES = ("ROOT::RNTuple", "ROOT::Experimental::RNTuple")


@dataclass(frozen=True, slots=True, kw_only=True)
class RootSource(FileSource):
    """A TTree or RNTuple of a ROOT file, its cycle named (``events;1``) or the latest one."""

    format = "ROOT"
    endings = MappingProxyType({".root": b"root"})

    @property
    def place(self) -> str:
        """The file and, if it was named, the tree."""
        return self.file if self.tree is None else f"{self.file}, tree {self.tree!r}"

    def names(self) -> tuple[str, ...]:
        """Names of the branches or fields; see `Source.names`."""
        with self._opened() as reader, reading(reader.place):
            return reader.names()

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """The columns, in pieces; see `Source.chunks`."""
        with self._opened() as reader:
            rows = 0
            for chunk in watched(reader.chunks(columns), reader.place):
                rows += len(next(iter(chunk.values())))
                yield chunk
            if rows != reader.entries:
                raise EventsError(
                    f"{reader.place}: has {rows} of its {reader.entries} rows; "
                    "write or copy it again"
                )

    def computed(self, texts: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """Values of expressions, in pieces, as uproot evaluates them.

        Args:
            texts: Expressions over the branches.

        Yields:
            For each text its numbers, shape (rows,), in the precision that uproot computes them in.

        Raises:
            EventsError: If it is an RNTuple, an expression is none or has no number for each event,
                or the file is damaged.
        """
        with self._opened() as reader:
            if not isinstance(reader, TTreeReader):
                raise EventsError(
                    f"{reader.place}: is an RNTuple, and uproot evaluates no expressions over "
                    "one; write a TTree, or leave language out"
                )
            yield from watched(computed(reader, tuple(dict.fromkeys(texts))), reader.place)

    @contextmanager
    def _opened(self) -> Iterator[TreeReader]:
        try:
            import cramjam  # noqa: F401  which uproot looks for when it is too late
            import uproot
        except ImportError as error:
            raise EventsError(
                f"{self.file}: needs uproot ({error}); run pip install 'pullfactory[io]'"
            ) from None
        with reading(self.place):
            # A mapping, because a text would be split at its colons.
            directory = uproot.open({str(self.path): None})
        with directory:
            with reading(self.place):
                size, end = self.path.stat().st_size, directory.file.fEND
                if size < end:
                    raise EventsError(
                        f"{self.file}: is cut short, {size} of {end} bytes; write or copy it again"
                    )
                reader = self._reader(directory)
            yield reader

    def _reader(self, directory: Any) -> TreeReader:
        found = directory.iterclassnames(recursive=True, cycle=True)
        kinds = {name: kind for name, kind in found if kind in _TTREES + _RNTUPLES}
        name = self._chosen(tuple(kinds))
        place = f"{self.file}, tree {self.tree or name.partition(';')[0]!r}"
        with reading(place):
            reader = TTreeReader if kinds[name] in _TTREES else RNTupleReader
            return reader(tree=directory[name], place=place, chunk=self.chunk)

    def _chosen(self, keys: tuple[str, ...]) -> str:
        """The key, with its cycle, of the tree that was named; the latest of several cycles."""
        if not keys:
            raise EventsError(f"{self.file}: holds no TTree and no RNTuple; write one")
        latest: dict[str, str] = {}
        for key in sorted(keys, key=lambda key: int(key.rpartition(";")[2])):
            latest[key.rpartition(";")[0]] = key
        names = tuple(dict.fromkeys(key.rpartition(";")[0] for key in keys))
        listed = ", ".join(map(repr, names))
        if self.tree is None:
            if len(names) > 1:
                raise EventsError(f"{self.file}: holds {len(names)} trees; name one of {listed}")
            return latest[names[0]]
        if self.tree not in (*names, *keys):
            near = get_close_matches(self.tree, names, n=3)
            hint = ", ".join(map(repr, near)) if near else listed
            raise EventsError(f"{self.file}: tree {self.tree!r} is missing; use {hint}")
        return latest.get(self.tree, self.tree)
