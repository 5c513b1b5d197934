"""Which events are in which bins of a workspace: what an audit of it is told beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from pullfactory.errors import StudyError
from pullfactory.events import parse_expression
from pullfactory.settings.complaints import complaint
from pullfactory.settings.fields import Frozen, Listed, listed
from pullfactory.settings.toml import read_toml

Files = Annotated[Listed[str], BeforeValidator(listed)]
"""Files, each as FILE or FILE:TREE; globs allowed."""


def _without_weight(value: object) -> object:
    """Data have no more than files."""
    if isinstance(value, Mapping):
        raise ValueError(
            "data have files alone, for each of their events counts once; write "
            'data = "FILE:TREE", or a list of such'
        )
    return listed(value)


Data = Annotated[Listed[str], BeforeValidator(_without_weight)]
"""Files of data, likewise."""


def _with_files(value: object) -> object:
    """Files alone are a sample of weight 1."""
    return {"files": value} if isinstance(value, str | list | tuple) else value


class MappedSample(Frozen):
    """The simulated events of a sample of the workspace."""

    files: Files = Field(default=(), description="FILE or FILE:TREE, globs allowed")
    weight: str = Field(default="", description="of an event, as in the template; empty: 1")
    scale: Listed[float] = Field(
        default=(), description="factors on the weights, one for each of `files`; none: 1"
    )
    selection: str = Field(default="", description="condition for its events")
    own_selection: bool = Field(
        default=False, description="true: it stands for those of the channels"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.scale and len(self.scale) != len(self.files):
            raise ValueError(
                f"scale has {len(self.scale)} numbers, but there are {len(self.files)} files; "
                "give one for each"
            )
        return self


class MappedChannel(Frozen):
    """A channel of the workspace, as a histogram of events."""

    observable: str = Field(default="", description="expression over the columns")
    edges: Listed[float] = Field(default=(), description="of its bins, the upper one not in a bin")
    selection: str = Field(default="", description="condition for an event to be in it; empty: all")
    weight: str = Field(default="", description="factor on the weights of simulated events here")
    overflow: Literal["drop", "last", "both"] = Field(
        default="drop",
        description='what is beyond the edges: "drop"; "last": in the last bin what is above; '
        '"both": in the first what is below too',
    )
    disjoint: bool = Field(
        default=False, description="true: its events are in no other channel, and are not given"
    )
    data: Data = Field(default=(), description="files of its data, if others have other files")
    files: dict[str, Files] = Field(
        default_factory=dict, description="files of its simulated events by sample, likewise"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.disjoint:
            if self.observable or self.edges:
                raise ValueError(
                    "disjoint = true stands for events; leave observable and edges out"
                )
            return self
        if not self.observable:
            raise ValueError("observable is missing; give it, or disjoint = true")
        if len(self.edges) < 2:
            raise ValueError("edges are missing; give those of its bins")
        if any(b <= a for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"edges = {list(self.edges)} must increase")
        return self


class EventMap(Frozen):
    """Which events are in which bins of a workspace."""

    data: Data = Field(default=(), description="files of the data; none: no data")
    simulated: dict[str, Annotated[MappedSample, BeforeValidator(_with_files)]] = Field(
        default_factory=dict, description="samples of the workspace that have events"
    )
    channel: dict[str, MappedChannel] = Field(min_length=1, description="channels of the workspace")
    selection: str = Field(default="", description="condition for an event of any kind")
    id: Files = Field(
        default=(), description="columns that identify an event; none: its row in its file"
    )
    language: Literal["pullfactory", "uproot"] = Field(
        default="pullfactory",
        description='of expressions: "pullfactory", or "uproot": as uproot and cabinetry have them',
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        texts = {"selection": self.selection}
        for name, sample in self.simulated.items():
            texts |= {f"simulated.{name}.{k}": getattr(sample, k) for k in ("weight", "selection")}
        for name, channel in self.channel.items():
            for other in channel.files.keys() & self.simulated.keys():
                if self.simulated[other].scale:
                    raise ValueError(
                        f"channel.{name}.files.{other} has no scale; leave that of "
                        f"simulated.{other} out, and multiply the weight"
                    )
            keys = ("observable", "selection", "weight")
            texts |= {f"channel.{name}.{key}": getattr(channel, key) for key in keys}
        for place, text in texts.items():
            if text and self.language == "pullfactory":  # others need the branches of a file
                parse_expression(text, place=place)
        if not self.data and not self.simulated and not any(c.data for c in self.channel.values()):
            raise ValueError("neither data nor simulated events are named; name some")
        return self

    @property
    def disjoint(self) -> tuple[str, ...]:
        """Channels whose events are in no other."""
        return tuple(name for name, channel in self.channel.items() if channel.disjoint)

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a file.

        Args:
            path: A TOML file.

        Raises:
            StudyError: If the file cannot be read or is not valid.
            EventsError: If an expression is none.
        """
        place = f"event file '{path}'"
        return cls.from_dict(read_toml(path, place, "give a TOML file of events"), place=place)

    @classmethod
    def from_dict(cls, content: dict[str, Any], *, place: str = "event file") -> Self:
        """Check a nested mapping.

        Args:
            content: Keys as in the TOML file.
            place: Where it came from, for messages.

        Raises:
            StudyError: If a key is unknown, missing, of the wrong type or out of range.
            EventsError: If an expression is none.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise StudyError(f"{place}: {complaint(error, content, cls)}") from None
