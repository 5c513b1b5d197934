"""The configuration of an audit: which events, what is measured in them, what is asked."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, model_validator

from pullfactory.densities import FAMILIES, family
from pullfactory.events import parse_expression
from pullfactory.settings.blocks import Morphing, ObservableBlock, ParameterBlock, WorkspaceBlock
from pullfactory.settings.constraints import ConstraintSettings
from pullfactory.settings.document import CONSTRAINTS, Document, refuse_unknown
from pullfactory.settings.fields import (
    MOST_BINS,
    Bins,
    Bounds,
    Count,
    Frozen,
    Listed,
    Name,
    Text,
    listed,
)
from pullfactory.settings.samples import Samples, read_samples
from pullfactory.settings.sections import FlowSettings, refuse_other_order

Config = TypeVar("Config", bound="AuditConfig")

_JOINT_BINS = 36  # of all observables together, if nothing is said
_LARGEST = 1e12  # distance of values from 0, beside which an error would be lost


class AuditParameter(ParameterBlock):
    """What varies: the parameter of interest and the systematic uncertainties."""

    unit: Text = Field(default="", description="unit of the parameter")
    constraint: Literal["free", "normal"] = Field(
        default="normal", description='"free", or "normal": one step is one standard deviation'
    )
    step: float = Field(
        default=1.0, gt=0, description="what its up and down samples are away from nominal"
    )
    nominal: float | None = Field(
        default=None,
        ge=-_LARGEST,
        le=_LARGEST,
        description="its value in the nominal samples, in its unit; absent: results are told as "
        "distances from it",
        examples=[172.5],
    )
    bounds: Bounds = Field(
        default=(-10.0, 10.0), description="range allowed in the fits, in its unit"
    )
    symmetrise: bool = Field(
        default=False,
        description="true: one of its samples is given, and the other is 2 nominal - given",
    )
    auxiliary: Literal["measured", "held"] = Field(
        default="measured",
        description='of its constraint: "measured", as a calibration that could be repeated, or '
        '"held": a choice that no data change, as in theory',
    )


class AuditObservable(ObservableBlock):
    """A number measured once per event; a channel of the workspace."""

    unit: Text = Field(default="", description="unit of its values")
    expression: str = Field(default="", description="over the columns; empty: the column so named")
    where: str = Field(
        default="", description="condition under which an event has it; empty: always"
    )
    missing: Literal["refuse", "allow"] = Field(
        default="refuse", description='"allow": an event whose value is no number lacks it'
    )
    n_bins: Bins = None
    edges: Listed[float] | None = Field(
        default=None,
        min_length=3,
        description="bin edges instead",
        examples=[(150.0, 170.0, 200.0)],
    )
    open_ends: bool | None = Field(
        default=None,
        description="whether the outermost bins take what is beyond; absent: not with given edges",
        examples=[True],
    )
    density: str | None = Field(
        default=None,
        description=f"family for the unbinned fit: {', '.join(FAMILIES)}; absent: a smooth fit",
        examples=["normal"],
    )
    shape: dict[str, float] = Field(
        default_factory=dict, description="shape parameters of the family, dimensionless"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.density is not None:
            family(self.density, self.shape)
        elif self.shape:
            raise ValueError(f"shape = {self.shape} belongs to no density; name the density")
        parse_expression(self.source, place=f"observable.{self.name}.expression")
        if self.where:
            parse_expression(self.where, place=f"observable.{self.name}.where")
        return self

    @property
    def source(self) -> str:
        """What is evaluated: the expression, or the column of its name."""
        return self.expression or self.name

    @property
    def open_edges(self) -> bool:
        """Whether the outermost bins take what is beyond."""
        return self.edges is None if self.open_ends is None else self.open_ends


class AuditWorkspace(WorkspaceBlock):
    """The pyhf workspace of the observables taken as independent."""

    morphing: Morphing = Field(
        default="additive",
        description='"additive" histosys, "additive_cross": with samples of two variations, '
        'or "multiplicative": normsys for every bin',
    )
    mass_constraint: bool = Field(
        default=True,
        description="false: our fits drop the unit Gaussian that pyhf gives the normsys of a free "
        "parameter (multiplicative)",
    )
    n_bins: Count = Field(
        default=20, ge=2, le=MOST_BINS, description="bins of equal population in every observable"
    )
    staterror: bool = Field(
        default=False, description="staterror modifiers for the nominal templates"
    )
    smooth: Literal[5, 7, 9, "none"] = Field(
        default=5,
        description="degree (5, 7 or 9) in the rank of an observable of what parameters change, "
        'with less noise than single bins; raised where that loses information; or "none"',
    )


class JointChannel(Frozen):
    """The workspace of all observables together, in nested bins of equal population."""

    n_bins: Annotated[int, Field(ge=0)] | Listed[Count] | None = Field(
        default=None,
        description=f"bins of every observable, or one number for each; absent: about "
        f"{_JOINT_BINS} in all; 0: no joint workspace",
        examples=[6],
    )


class AuditToys(Frozen):
    """The check by toys drawn from the events themselves."""

    n_toys: Count = Field(default=2000, ge=0, description="how many; 0: no toys")
    held_apart: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="fraction of the nominal events that toys are drawn from and templates are "
        "not made of; 0: both are the same events, which hides the noise of the templates",
    )
    reservoir: Count = Field(
        default=500_000, ge=1000, description="events of a sample kept in memory, at most"
    )
    unbinned: Literal["auto", "declared", "none"] = Field(
        default="auto",
        description='unbinned fits with "declared" densities only, with smooth ones where none is '
        'declared ("auto"), or "none"',
    )


class AuditConfig(Document[AuditParameter, AuditObservable]):
    """Everything that defines an audit.

    Read from a TOML file with `AuditConfig.from_toml`; changed with `with_settings`.
    """

    kind: ClassVar[str] = "audit"
    command: ClassVar[str] = "pullfactory init --audit FILE"
    keys: ClassVar[str] = "toys.n_toys or observable.m_t.n_bins"

    n_events_law: Literal["poisson", "fixed"] = Field(
        default="poisson", description='number of data events: "poisson", or "fixed"'
    )
    tree: str = Field(default="", description="tree in ROOT files; empty: the only one")
    selection: str = Field(default="", description="condition for an event of any sample")
    weight: str = Field(default="", description="weight of a simulated event; empty: 1")
    identifier: Listed[str] = Field(
        default=(), description="columns that identify an event; none: its position in the sample"
    )
    repeated: Literal["refuse", "cluster"] = Field(
        default="refuse",
        description='several rows of one identifier: "refuse", or "cluster": one event',
    )
    columns: dict[Name, str] = Field(
        default_factory=dict, description='short names of columns, such as pt = "jet.pt"'
    )
    blind: bool = Field(
        default=False,
        description="true: estimates are shown with a hidden offset",
    )
    intervals: Annotated[Listed[Name] | None, BeforeValidator(listed)] = Field(
        default=None,
        description="parameters with intervals from the likelihood ratio of the data; absent: poi",
        examples=[("m_t",)],
    )
    optimal: bool = Field(
        default=True,
        description="fits that combine the observables optimally beside their product; false: none",
    )
    replicas: Count = Field(
        default=400, ge=10, description="replicas of the bootstrap, of the samples and of the data"
    )
    workspace: AuditWorkspace = Field(default_factory=AuditWorkspace)
    joint: JointChannel = Field(default_factory=JointChannel)
    toys: AuditToys = Field(default_factory=AuditToys)
    flow: FlowSettings | None = Field(
        default=None,
        description="a joint density of the observables that is learnt from the samples, and how: "
        "its fit stands beside their product; absent: none",
        examples=[{"shape": "auto"}],
    )
    constraints: ConstraintSettings | None = CONSTRAINTS
    parameter: Listed[AuditParameter] = Field(min_length=1)
    observable: Listed[AuditObservable] = Field(min_length=1)
    samples: dict[str, Any] = Field(
        description="nominal, PARAMETER.up and .down, background.NAME, data"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_unknown("intervals", self.intervals or (), self.parameter_names)
        refuse_other_order(self.flow, self.observable_names)
        for key in ("selection", "weight"):
            if text := getattr(self, key):
                parse_expression(text, place=key)
        if self.repeated == "cluster" and not self.identifier:
            raise ValueError(
                'repeated = "cluster" needs to know which rows are one event; name the columns '
                "that identify it (identifier), such as run and event"
            )
        bins = self.joint.n_bins
        if isinstance(bins, tuple) and len(bins) != len(self.observable):
            raise ValueError(
                f"joint.n_bins has {len(bins)} entries for {len(self.observable)} observables; "
                "give one for each"
            )
        if self.workspace.morphing != "multiplicative" and not self.workspace.mass_constraint:
            raise ValueError(
                f"workspace.mass_constraint = false has nothing to drop with morphing = "
                f"{self.workspace.morphing!r}, which constrains no free parameter; leave it out"
            )
        self._check_rates()
        self._check_held()
        return self

    def _check_held(self) -> None:
        kinds = {one.auxiliary for one in self.parameter if one.name in self.correlated}
        if len(kinds) > 1:
            raise ValueError(
                'constraints.parameters: some have auxiliary = "held", and some are measured; '
                "what no data change is correlated with no measurement: make them the same"
            )

    def _check_rates(self) -> None:
        processes = self.sample_set.processes
        for process in processes:
            if (name := process.norm_name) in self.parameter_names:
                raise ValueError(
                    f"parameter {name!r} is what the rate of {process.name!r} is called; rename it"
                )
        free = [process.name for process in processes if process.norm == "free"]
        if free and self.n_events_law == "fixed":
            raise ValueError(
                f'the rate of {free[0]!r} is free, and n_events_law = "fixed" leaves no rate to '
                'measure; use n_events_law = "poisson" or norm = "fixed"'
            )

    @cached_property
    def folder(self) -> Path | None:
        """Of the file that it was read from, to which files of events are relative."""
        return None

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a file; see `Document.from_toml`.

        Args:
            path: A TOML file; its folder is kept.
        """
        return _placed(super().from_toml(path), Path(path).parent)

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """A copy with some keys changed; see `Document.with_settings`.

        Args:
            settings: Dotted keys to values.
        """
        return _placed(super().with_settings(settings), self.folder)

    @cached_property
    def sample_set(self) -> Samples:
        """The samples, read and checked."""
        return read_samples(
            self.samples,
            self.parameter_names,
            self.free_names,
            identified=bool(self.identifier),
            crossed=self.workspace.morphing == "additive_cross",
            symmetrised=tuple(p.name for p in self.parameter if p.symmetrise),
        )

    @property
    def joint_bins(self) -> tuple[int, ...]:
        """Bins of each observable in the joint channel; empty if there is none."""
        n, bins = len(self.observable), self.joint.n_bins
        if n < 2 or bins == 0:
            return ()
        if isinstance(bins, tuple):
            return bins
        return n * (max(2, round(_JOINT_BINS ** (1 / n))) if bins is None else bins,)


def _placed(config: Config, folder: Path | None) -> Config:
    """A configuration whose files of events are relative to a folder."""
    vars(config)["folder"] = folder  # as if it had been asked for, and so no part of what is equal
    return config
