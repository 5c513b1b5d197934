"""What a study file and an audit file have in common: read and checked once, frozen after."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from pullfactory.errors import StudyError
from pullfactory.files import digest_of
from pullfactory.settings.blocks import ObservableBlock, ParameterBlock
from pullfactory.settings.complaints import complaint
from pullfactory.settings.constraints import (
    ConstraintSettings,
    constraint_inverse,
    full_correlation,
)
from pullfactory.settings.fields import FigureFormats, FileName, Frozen, Name, Whole
from pullfactory.settings.toml import read_toml, to_toml

_OTHER: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "samples": ("an audit", "pullfactory audit FILE"),
        "ensemble": ("a study", "pullfactory run FILE"),
    }
)
"""Tables that one kind of file has alone, and what reads it."""

CONSTRAINTS: Any = Field(
    default=None,
    description="correlation of the constraints of some parameters; absent: all are independent",
    examples=[{"parameters": ("JSF", "JRF"), "correlation": ((1.0, 0.5), (0.5, 1.0))}],
)

Parameter = TypeVar("Parameter", bound=ParameterBlock)
Observable = TypeVar("Observable", bound=ObservableBlock)


class Document(Frozen, Generic[Parameter, Observable]):
    """A whole file: tables of keys, parameters and observables among them.

    Attributes:
        kind: What it is, for messages.
        command: What writes one to begin with, for messages.
        keys: How its keys look, for messages.
    """

    kind: ClassVar[str]
    command: ClassVar[str]
    keys: ClassVar[str]

    name: FileName = Field(description="names the output folder")
    seed: Whole = Field(
        default=20240912, ge=0, le=2**63 - 1, description="the same seed, the same numbers"
    )
    poi: Name = Field(description="parameter of interest")
    figures: FigureFormats = Field(
        default=("png",),
        description="formats of the figures: png, pdf, svg; none: no figures",
        examples=[("png", "pdf")],
    )
    if TYPE_CHECKING:  # fields, further down in the file
        constraints: ConstraintSettings | None
        parameter: tuple[Parameter, ...]
        observable: tuple[Observable, ...]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        refuse_repeats("parameter", self.parameter_names)
        refuse_repeats("observable", self.observable_names)
        refuse_totals(self.parameter_names, (*self.observable_names, "joint"))
        if self.poi not in self.parameter_names:
            known = ", ".join(self.parameter_names)
            raise ValueError(f"poi = {self.poi!r} is no parameter; use one of {known}")
        if self.constraints is not None:
            self.constraints.check_names(self.parameter_names, self.free_names)
        return self

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, place: str | None = None) -> Self:
        """Check a nested mapping.

        Args:
            data: Keys as in the TOML file.
            place: Where the data came from, for messages.

        Raises:
            StudyError: If a key is unknown, missing, of the wrong type or out of range.
            EventsError: If an expression is none.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise StudyError(f"{place or cls.kind}: {complaint(error, data, cls)}") from None

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a file.

        Args:
            path: A TOML file.

        Raises:
            StudyError: If the file cannot be read or is not valid.
            EventsError: If an expression is none.
        """
        place = f"{cls.kind} file '{path}'"
        remedy = f"'{cls.command}' writes one"
        return cls.from_read(read_toml(path, place, remedy), place=place)

    @classmethod
    def from_read(cls, data: Mapping[str, Any], *, place: str) -> Self:
        """Check the content of a file, which may be one of the other kind.

        Args:
            data: Keys as in the TOML file.
            place: Where it came from, for messages.

        Raises:
            StudyError, EventsError: As `from_dict`.
        """
        for key, (kind, command) in _OTHER.items():
            if key in data and key not in cls.model_fields:
                raise StudyError(f"{place} has [{key}], as {kind} has; try '{command}'")
        return cls.from_dict(data, place=place)

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """A copy with some keys changed, checked again.

        Args:
            settings: Dotted keys to values, such as `{"ensemble.n_events": 5000,
                "parameter.m_t.truth_sigma": 1.0}`; list entries are chosen by name.

        Raises:
            StudyError: If a key does not exist or a value is refused.
        """
        data = self.to_dict()
        for key, value in settings.items():
            self._assign(data, key, value)
        return type(self).from_dict(data, place=f"{self.kind} {self.name!r}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `from_dict` reads it; absent keys are left out."""
        return self.model_dump(mode="json", exclude_none=True)

    def to_toml(self) -> str:
        """TOML with every key and a comment on each."""
        return to_toml(self)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The blocks `[[parameter]]`."""
        return self.parameter

    @property
    def observables(self) -> tuple[Observable, ...]:
        """The blocks `[[observable]]`."""
        return self.observable

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of every array with a parameter axis."""
        return tuple(parameter.name for parameter in self.parameter)

    @property
    def observable_names(self) -> tuple[str, ...]:
        """Names of the observables, in the order of every array with an observable axis."""
        return tuple(observable.name for observable in self.observable)

    @property
    def free_names(self) -> tuple[str, ...]:
        """Names of the parameters without a constraint."""
        return tuple(parameter.name for parameter in self.parameter if parameter.free)

    @property
    def constraint_correlation(self) -> NDArray[np.float64]:
        """Covariance of the auxiliary values in widths of their constraints, 0 for free parameters.

        Shape (parameters, parameters).
        """
        return full_correlation(self.constraints, self.parameter_names, self.free_names)

    @property
    def constraint_information(self) -> NDArray[np.float64]:
        """Its inverse on the constrained parameters, same shape."""
        return constraint_inverse(self.constraint_correlation)

    @property
    def correlated(self) -> tuple[str, ...]:
        """Parameters whose constraints are correlated, the parameter of interest first."""
        if self.constraints is None:
            return ()
        some = (self.constraint_correlation != 0).sum(axis=0) > 1
        names = dict(zip(self.parameter_names, some.tolist(), strict=True))
        found = [name for name in self.constraints.parameters if names[name]]
        return tuple(sorted(found, key=lambda name: name != self.poi))

    @property
    def sha256(self) -> str:
        """Digest of all that numbers depend on, the same for equal content."""
        aside = ("figures", "blind")  # they choose what is shown
        content = {key: value for key, value in self.to_dict().items() if key not in aside}
        return digest_of(content)

    def _assign(self, data: dict[str, Any], key: str, value: Any) -> None:
        """Set one dotted key in nested plain data; list entries are chosen by their name."""
        *path, last = key.split(".")
        target: Any = data
        if path and path[0] in type(self).model_fields:  # a table that may be absent
            data.setdefault(path[0], {})
        for part in path:
            if isinstance(target, list):
                target = {entry["name"]: entry for entry in target}
            target = target.get(part) if isinstance(target, dict) else None
        if not isinstance(target, dict):
            raise StudyError(
                f"setting {key!r} names nothing in the {self.kind}; keys look like {self.keys}"
            )
        one_of_a_list = isinstance(target.get(last), list) and isinstance(value, str | int | float)
        target[last] = [value] if one_of_a_list else value


def refuse_repeats(kind: str, names: Iterable[object]) -> None:
    """Refuse what is named twice.

    Args:
        kind: What the names are of, for the message.
        names: Some names.

    Raises:
        ValueError: If a name comes twice.
    """
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{kind} {name!r} is given twice; keep one")
        seen.add(name)


def refuse_unknown(key: str, names: Iterable[str], parameters: Sequence[str]) -> None:
    """Refuse a list of parameters with one that is none, or comes twice.

    Args:
        key: Of the list.
        names: In it.
        parameters: There are.

    Raises:
        ValueError: If there is one.
    """
    names = tuple(names)
    refuse_repeats(f"{key}:", names)
    for name in names:
        if name not in parameters:
            known = ", ".join(parameters)
            raise ValueError(f"{key}: {name!r} is no parameter; use one of {known}")


def total_name(channel: str) -> str:
    """What the free total of a channel of a workspace is called.

    Args:
        channel: Name.
    """
    return f"total_{channel}"


def refuse_totals(parameters: Iterable[str], channels: Iterable[str]) -> None:
    """Refuse parameters with the name of a free total.

    Args:
        parameters: Names.
        channels: Names that a channel of their workspace may have.

    Raises:
        ValueError: If there is one.
    """
    totals = {total_name(channel): channel for channel in channels}
    for name in parameters:
        if name in totals:
            raise ValueError(
                f"parameter {name!r} is what the total of channel {totals[name]!r} is called; "
                "rename it"
            )
