"""What expressions over events mean: as here, or as uproot has them, and with it cabinetry."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from numpy.typing import NDArray

from pullfactory.events import (
    Computed,
    ConstantWeight,
    Source,
    open_computed,
    open_files,
    parse_expression,
)


class Value(Protocol):
    """A number or a condition for each event."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of its table that it needs."""

    def __call__(self, columns: Mapping[str, NDArray[Any]], *, events: int) -> NDArray[Any]:
        """Its values, shape (events,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How texts become numbers of events.

    Attributes:
        value: Of a text and where it was written.
        weight: Of the text of a weight, that of the observable beside it, and where it was written.
        open: Of files, a source for each.
    """

    value: Callable[[str, str], Value]
    weight: Callable[[str, str, str], Value]
    open: Callable[..., tuple[Source, ...]]


def _ours(text: str, place: str) -> Value:
    return parse_expression(text, place=place)


def _our_weight(text: str, _observable: str, place: str) -> Value:
    return parse_expression(text, place=place)


def _of_uproot(text: str, _place: str) -> Value:
    return Computed(text=text)


def _weight_of_uproot(text: str, observable: str, _place: str) -> Value:
    """A weight that is a number is not evaluated by uproot."""
    try:
        return ConstantWeight(value=float(text), observable=observable)
    except ValueError:
        return Computed(text=text)


LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "pullfactory": Language(value=_ours, weight=_our_weight, open=open_files),
        "uproot": Language(value=_of_uproot, weight=_weight_of_uproot, open=open_computed),
    }
)
"""By name, as `EventMap.language` has them."""
