"""Expressions over the trees of ROOT files as uproot evaluates them, and with it cabinetry."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._file import Source
from ._root import RootSource
from .sources import open_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """An expression that a `ComputedSource` has evaluated.

    Attributes:
        text: As the user wrote it.
    """

    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """What it needs: itself."""
        return (self.text,)

    def __call__(self, columns: Mapping[str, NDArray[Any]], *, events: int) -> NDArray[Any]:  # noqa: ARG002
        """Its numbers, shape (events,)."""
        return columns[self.text]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantWeight:
    """The same weight for all events, as cabinetry has it: in the precision of the observable.

    Attributes:
        value: Of the weight.
        observable: Text of the observable.
    """

    value: float
    observable: str

    @property
    def columns(self) -> tuple[str, ...]:
        """What it needs."""
        return (self.observable,)

    def __call__(self, columns: Mapping[str, NDArray[Any]], *, events: int) -> NDArray[Any]:  # noqa: ARG002
        """Its numbers, shape (events,)."""
        return np.asarray(np.ones_like(columns[self.observable]) * self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedSource:
    """A file whose columns are expressions over the branches of a TTree; see `Source`.

    Attributes:
        file: The file.
    """

    file: RootSource

    @property
    def place(self) -> str:
        """What it is called in messages."""
        return self.file.place

    def names(self) -> tuple[str, ...]:
        """Names of the branches, each an expression."""
        return self.file.names()

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """Values of expressions, in pieces; see `Source.chunks`."""
        return self.file.computed(columns)


def open_computed(
    data: Sequence[str | PathLike[str]],
    *,
    tree: str | None = None,
    place: str,
    base: Path | None = None,
) -> tuple[Source, ...]:
    """Files whose columns are expressions, with the meaning that uproot gives them.

    Numbers keep their precision, and ``&`` binds stronger than comparisons, as in NumPy.

    Args:
        data: Paths or patterns.
        tree: Name of the TTree; None for the only one.
        place: What the events are called in messages.
        base: Folder of relative paths; None is the working folder.

    Raises:
        EventsError: If a file is missing, is given twice, cannot be opened or is no ROOT file.
    """
    return tuple(
        ComputedSource(file=_root(part, place))
        for part in open_files(data, tree=tree, place=place, base=base)
    )


def _root(part: Source, place: str) -> RootSource:
    if isinstance(part, RootSource):
        return part
    raise EventsError(
        f"{place}: {part.place} is no ROOT file, and uproot evaluates expressions over no other; "
        "leave language out"
    )
