"""Names, colours and labels: one for every table, figure and page."""

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple, Protocol

from pullfactory.errors import LikelihoodError
from pullfactory.methods import method_kind

RHO = r"$\rho$"
REFERENCE = "#555555"
"""Colour of lines to compare with: unit Gaussian, pull width 1, ratio 1."""


MOODS: Mapping[str, str] = MappingProxyType(
    {"good": "#1a7f37", "bad": "#b3261e", "large": "#6b3fa0", "open": "#8a5a00"}
)
"""Colours of answers, as on the page: right, too small or wrong, too large, not to be told."""


class MethodStyle(NamedTuple):
    """How everything that belongs to one method is drawn."""

    colour: str
    marker: str


# Colours of Okabe and Ito (https://jfly.uni-koeln.de/color/).
_SERIES = (
    MethodStyle("#0072B2", "o"),
    MethodStyle("#D55E00", "s"),
    MethodStyle("#009E73", "D"),
    MethodStyle("#CC79A7", "P"),
    MethodStyle("#E69F00", "v"),
    MethodStyle("#56B4E9", "^"),
)

# Colours of Tol's "muted" scheme (https://personal.sron.nl/~pault/), for what is no method.
_OBSERVABLES = (
    MethodStyle("#332288", "o"),
    MethodStyle("#CC6677", "s"),
    MethodStyle("#117733", "^"),
    MethodStyle("#DDCC77", "v"),
    MethodStyle("#88CCEE", "D"),
    MethodStyle("#882255", "P"),
)
# Colours of Tol's "light" scheme (same place), for areas.
_AREAS = (
    *("#77AADD", "#EE8866", "#44BB99", "#EEDD88", "#FFAABB"),
    *("#99DDFF", "#BBCC33", "#AAAA00", "#DDDDDD"),
)
_VARIATIONS: Mapping[int, MethodStyle] = MappingProxyType(
    {
        0: MethodStyle("#000000", "o"),
        1: MethodStyle("#AA4499", "^"),
        -1: MethodStyle("#117733", "v"),
    }
)


def method_style(method: str) -> MethodStyle:
    """Colour and marker of a method, the same in every figure.

    Raises:
        LikelihoodError: If the method is unknown.
    """
    kind = method_kind(method)
    return MethodStyle(kind.colour, kind.marker)


def series_style(position: int) -> MethodStyle:
    """Colour and marker of the series at this position of a comparison."""
    return _SERIES[position % len(_SERIES)]


def method_label(method: str) -> str:
    """Name of a method for people, such as "unbinned joint"; also of one that nobody knows here."""
    with suppress(LikelihoodError):
        if label := method_kind(method).label:
            return label
    return method.replace("_", " ")


def observable_style(position: int) -> MethodStyle:
    """Colour and marker of the observable at this position of the study."""
    return _OBSERVABLES[position % len(_OBSERVABLES)]


def area_colours() -> tuple[str, ...]:
    """Colours of areas that lie on each other, such as processes; the last one is grey."""
    return _AREAS


def variation_style(step: int) -> MethodStyle:
    """Colour and marker of a calibration step: -1, 0 or +1."""
    return _VARIATIONS[step]


class Described(Protocol):
    """A parameter or an observable, of a study or of an audit."""

    @property
    def name(self) -> str:
        """In every file and table."""

    @property
    def label(self) -> str:
        """LaTeX label, or nothing."""

    @property
    def unit(self) -> str:
        """Its unit, or nothing."""


def label_of(described: Described) -> str:
    """The LaTeX label of what is described, a parameter or observable, or else its name."""
    return described.label or described.name


def axis_label(label: str, unit: str) -> str:
    """A label with its unit, such as "mass [GeV]"; without brackets if there is no unit."""
    return f"{label} [{unit}]" if unit else label


def with_minus(text: str) -> str:
    """A number with typographic minus signs, as on the axes."""
    return text.replace("-", "\N{MINUS SIGN}")
