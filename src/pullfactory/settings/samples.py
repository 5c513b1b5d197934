"""The samples of an audit: which events stand for which process at which point.

In the configuration a sample is a table below `samples`, and its path is its role:

- `nominal`: the signal; `background.NAME`: another process; `data`: what was measured;
- `JSF.up` and `JSF.down`: the signal one step up and down in a parameter, and
  `background.NAME.JSF.up` the same for another process;
- `m_t.up.JSF.down`: two steps at once, for `additive_cross`.

A sample without files is made of the events of the sample that it varies, with other columns,
observables or weights. Where a parameter is symmetrised, one side has no events: it is the mirror
image of the other.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, Strict, ValidationError

from pullfactory.errors import StudyError
from pullfactory.events import parse_expression
from pullfactory.settings.complaints import complaint
from pullfactory.settings.fields import Frozen, Listed, Name

_MOST_EVENTS = 1e15  # beyond, numbers of events are no longer exact
_SIDES = {"up": 1, "down": -1}
_TREELESS = (".csv", ".csv.gz", ".npz", ".parquet", ".pq")


class SampleTable(Frozen):
    """A sample: where its events are, and how they count."""

    files: str | Listed[str] = Field(default=(), description="files, globs allowed")
    in_memory: bool = Field(default=False, description="its events are given from Python")
    tree: str = Field(default="", description="tree in ROOT files; empty: that of the audit")
    selection: str = Field(default="", description="condition, with that of the audit")
    weight: str = Field(default="", description="weight; empty: that of the audit")
    columns: dict[Name, str] = Field(
        default_factory=dict, description="columns computed from others, before everything else"
    )
    observables: dict[Name, str] = Field(
        default_factory=dict, description="observables computed from observables and columns"
    )
    events: float | None = Field(
        default=None, gt=0, le=_MOST_EVENTS, description="events expected in the data"
    )
    scale: float | None = Field(
        default=None, gt=0, le=_MOST_EVENTS, description="events expected for each unit of weight"
    )
    same_events: bool | None = Field(
        default=None, description="whether its events are those of the nominal sample"
    )
    process: Name | None = Field(default=None, description="name of the signal in the workspace")
    norm: Literal["fixed", "free"] | Annotated[float, Strict(strict=False), Field(gt=0)] = Field(
        default="fixed", description='rate: "fixed", "free", or its relative uncertainty'
    )

    @property
    def has_events(self) -> bool:
        """Whether it has events of its own."""
        return bool(self.files) or self.in_memory

    @property
    def may_be_root(self) -> bool:
        """Whether it may have files with trees; what a glob finds is not looked at."""
        files = (self.files,) if isinstance(self.files, str) else self.files
        return any(not file.lower().endswith(_TREELESS) for file in files)


class Change(NamedTuple):
    """What is computed anew of an event.

    Attributes:
        columns: Expressions over the columns so far.
        observables: Expressions over the observables and columns so far.
    """

    columns: Mapping[str, str]
    observables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Events that stand for one process at one point.

    Attributes:
        role: Its path in the configuration, such as "background.wjets.JSF.up".
        point: Steps of the parameters that are not nominal, sorted by name.
        table: What the configuration says; files, tree, selection and weight are those of the
            sample that it varies where it has none.
        changes: What is computed anew, in this order.
        source: Role of the sample whose files are read.
        family: Role of the sample that it shares its events with; its own if they are its own.
        mirrored: Parameter in which it is the mirror image of the sample on the other side, and has
            no events; None where it has.
    """

    role: str
    point: tuple[tuple[str, int], ...]
    table: SampleTable
    changes: tuple[Change, ...]
    source: str
    family: str
    mirrored: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSamples:
    """One process.

    Attributes:
        name: In the workspace.
        norm: "fixed", "free", or the relative uncertainty of its rate.
        nominal: Its nominal sample.
        varied: All others.
    """

    name: str
    norm: Literal["fixed", "free"] | float
    nominal: Sample
    varied: tuple[Sample, ...]

    @property
    def norm_name(self) -> str | None:
        """Name of the parameter for its rate; None if that is fixed."""
        return None if self.norm == "fixed" else f"norm_{self.name}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """What it depends on."""
        singles = [sample.point[0][0] for sample in self.varied if len(sample.point) == 1]
        return tuple(dict.fromkeys(singles))

    def at(self, point: Mapping[str, int]) -> Sample | None:
        """The sample at a point, or None.

        Args:
            point: Step of each parameter that is not nominal.
        """
        wanted = tuple(sorted(point.items()))
        return next((s for s in (self.nominal, *self.varied) if s.point == wanted), None)

    def terms(self, sample: Sample) -> dict[str, int]:
        """What a sample is the sum of: how often it takes each sample with events, by role.

        The mirror image is 2 nominal - given: shape and rate alike.

        Args:
            sample: Of this process.
        """
        if sample.mirrored is None:
            return {sample.role: 1}
        point = dict(sample.point)
        step = point.pop(sample.mirrored)
        found: dict[str, int] = {}
        for often, at in ((2, point), (-1, {**point, sample.mirrored: -step})):
            other = self.at(at)
            assert other is not None
            for role, times in self.terms(other).items():
                found[role] = found.get(role, 0) + often * times
        return {role: times for role, times in found.items() if times}


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """All samples of an audit.

    Attributes:
        processes: The signal first.
        data: What was measured; None if nothing was.
        unused: Roles of samples that are described, and have their mirror image taken instead.
    """

    processes: tuple[ProcessSamples, ...]
    data: Sample | None
    unused: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Sample]:
        """Those with events."""
        for process in self.processes:
            yield process.nominal
            yield from (sample for sample in process.varied if sample.mirrored is None)
        if self.data:
            yield self.data


def read_samples(
    tables: Mapping[str, Any],
    parameters: tuple[str, ...],
    free: tuple[str, ...],
    *,
    identified: bool,
    crossed: bool,
    symmetrised: tuple[str, ...] = (),
) -> Samples:
    """Read the tables below `samples`.

    Args:
        tables: As in the configuration.
        parameters: Names.
        free: Those without a constraint: a change of the process, not of the same events.
        identified: Whether events have identifiers.
        crossed: Whether samples of two steps at once are needed, of which one is free.
        symmetrised: Those of which one side is the mirror image of the other.

    Raises:
        ValueError: If a role is unknown or missing, or a table is not valid.
    """
    taken = {"nominal", "data", "background"}
    for name in parameters:
        if name in taken or name in SampleTable.model_fields:
            raise ValueError(f"parameter {name!r} is a word of the sample tables; rename it")
    for role in tables:
        if role not in (*taken, *parameters):
            raise ValueError(
                f"samples.{role}: unknown sample role; use nominal, data, background.NAME or a "
                f"parameter ({', '.join(parameters)})"
            )
    if "nominal" not in tables:
        raise ValueError("samples.nominal: missing; add the sample that the others vary")
    reader = _Reader(parameters, free, identified, crossed, symmetrised)
    signal = {key: table for key, table in tables.items() if key in parameters}
    processes = [reader.process("", {**_checked("nominal", tables["nominal"]), **signal})]
    for name, table in _checked("background", tables.get("background", {})).items():
        processes.append(
            reader.process(f"background.{name}", _checked(f"background.{name}", table))
        )
    names = [process.name for process in processes]
    if len(set(names)) < len(names):
        raise ValueError(f"two processes have one name ({', '.join(names)}); rename one")
    varied = {name for process in processes for name in process.parameters}
    for name in parameters:
        if name not in varied:
            raise ValueError(
                f"parameter.{name} is varied by no sample; add samples.{name}.up and "
                f"samples.{name}.down"
            )
    data = tables.get("data")
    return Samples(
        processes=tuple(processes),
        data=None if data is None else reader.data(_checked("data", data)),
        unused=tuple(reader.unused),
    )


class _Reader:
    """Reads the tables of one configuration."""

    def __init__(
        self,
        parameters: tuple[str, ...],
        free: tuple[str, ...],
        identified: bool,
        crossed: bool,
        symmetrised: tuple[str, ...],
    ) -> None:
        self.parameters = parameters
        self.free = free
        self.identified = identified
        self.crossed = crossed
        self.symmetrised = symmetrised
        self.unused: list[str] = []

    def data(self, table: Mapping[str, Any]) -> Sample:
        own = _table("data", table)
        for key in ("events", "scale", "process", "same_events"):
            if getattr(own, key) is not None:
                raise ValueError(f"samples.data.{key}: data count as they are; leave it out")
        if own.norm != "fixed":
            raise ValueError("samples.data.norm: data count as they are; leave it out")
        changes = _changes(own)
        return Sample(
            role="data", point=(), table=own, changes=changes, source="data", family="data"
        )

    def process(self, role: str, table: Mapping[str, Any]) -> ProcessSamples:
        own, varied = self._split(table)
        nominal_role = role or "nominal"
        read = _table(nominal_role, own)
        if role and read.process is not None:
            raise ValueError(
                f"samples.{role}.process: a background is named by its role; leave it out"
            )
        if read.same_events is not None:
            raise ValueError(
                f"samples.{nominal_role}.same_events: is of a sample that varies this one; move it "
                "there"
            )
        nominal = Sample(
            role=nominal_role,
            point=(),
            table=read,
            changes=_changes(read),
            source=nominal_role,
            family=nominal_role,
        )
        samples: list[Sample] = []
        for name, sides in varied.items():
            samples += self._sides(role, name, sides, nominal)
        _refuse_twice(samples)
        if self.crossed:
            samples += self._corners(nominal, samples)
        for name in self.symmetrised:
            samples += [_mirror(sample, name) for sample in samples if name in dict(sample.point)]
        return ProcessSamples(
            name=role.removeprefix("background.") or read.process or "signal",
            norm=read.norm,
            nominal=nominal,
            varied=tuple(samples),
        )

    def _split(self, table: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What is said of a sample, and what varies it."""
        varied = {key: value for key, value in table.items() if key in self.parameters}
        return {key: table[key] for key in table if key not in varied}, varied

    def _sides(self, role: str, name: str, sides: Any, base: Sample) -> Iterator[Sample]:
        """The samples up and down in one parameter, and those below them."""
        place = f"{role}.{name}".lstrip(".")
        for side in _checked(place, sides):
            if side not in _SIDES:
                raise ValueError(f"samples.{place}.{side}: unknown sample role; use up or down")
        for side, step in self._given(place, name, sides).items():
            here = f"{place}.{side}"
            own, further = self._split(_checked(here, sides[side]))
            sample = self._vary(here, own, base, name, step)
            yield sample
            if len(base.point) and further:
                raise ValueError(
                    f"samples.{here}: three steps at once are not used; leave them out"
                )
            for other, more in further.items():
                yield from self._sides(here, other, more, sample)

    def _given(self, place: str, name: str, sides: Mapping[str, Any]) -> dict[str, int]:
        """Sides with events, and the step of each: both, or one where the other mirrors it."""
        there = {side: step for side, step in _SIDES.items() if side in sides}
        if name in self.symmetrised and there:
            (first, step), *others = there.items()
            self.unused += [f"{place}.{side}" for side, _ in others]
            return {first: step}
        for side in _SIDES:
            if side not in sides:
                remedy = "add it"
                for other in there:
                    remedy += (
                        f", or set parameter.{name}.symmetrise = true to take the mirror image of "
                        f"samples.{place}.{other}"
                    )
                raise ValueError(f"samples.{place}.{side}: missing; {remedy}")
        return there

    def _vary(
        self, role: str, table: Mapping[str, Any], base: Sample, name: str, step: int
    ) -> Sample:
        own = _table(role, table)
        for key in ("process", "norm"):
            if key in table:
                raise ValueError(
                    f"samples.{role}.{key}: belongs to the nominal sample; move it there"
                )
        same = own.same_events
        if not own.has_events:
            if not (own.columns or own.observables or own.weight or own.selection):
                raise ValueError(
                    f"samples.{role}: nothing varies; give files, columns, observables or weight"
                )
            if same is False:
                raise ValueError(
                    f"samples.{role}.same_events = false: it has no events of its own; give files, "
                    "or leave it out"
                )
            same = True
        elif same is None:
            same = name not in self.free and self.identified
        return Sample(
            role=role,
            point=tuple(sorted({**dict(base.point), name: step}.items())),
            table=_completed(own, base.table),
            changes=(*base.changes, *_changes(own)),
            source=role if own.has_events else base.source,
            family=base.family if same else role,
        )

    def _corners(self, nominal: Sample, samples: list[Sample]) -> Iterator[Sample]:
        """Two steps at once, one of them of a free parameter, that follow from single ones.

        What is computed anew is computed of the events of another sample.
        """
        known = {sample.point for sample in samples}
        singles = [sample for sample in samples if len(sample.point) == 1]
        for change in singles:
            same = all(
                getattr(change.table, key) == getattr(nominal.table, key)
                for key in ("selection", "weight")
            )
            if change.source != nominal.role or not same or change.changes == nominal.changes:
                continue
            for base in singles:
                point = tuple(sorted((*base.point, *change.point)))
                names = {name for name, _ in point}
                if len(names) == 1 or not names.intersection(self.free) or point in known:
                    continue
                known.add(point)
                yield Sample(
                    role=f"{base.role}.{'.'.join(change.role.split('.')[-2:])}",
                    point=point,
                    table=base.table,
                    changes=(*base.changes, change.changes[-1]),
                    source=base.source,
                    family=base.family,
                )


def _mirror(sample: Sample, name: str) -> Sample:
    """The other side of a sample in one parameter."""
    parts = sample.role.split(".")
    at = len(parts) - 2 - parts[::-1][1::2].index(name) * 2
    parts[at + 1] = "down" if parts[at + 1] == "up" else "up"
    return Sample(
        role=".".join(parts),
        point=tuple((other, -step if other == name else step) for other, step in sample.point),
        table=sample.table,
        changes=sample.changes,
        source=sample.source,
        family=sample.family,
        mirrored=name,
    )


def _refuse_twice(samples: list[Sample]) -> None:
    """Steps in two parameters may be written in either order, but once."""
    seen: dict[tuple[tuple[str, int], ...], str] = {}
    for sample in samples:
        if other := seen.get(sample.point):
            raise ValueError(
                f"samples.{other} and samples.{sample.role} are the same steps; keep one"
            )
        seen[sample.point] = sample.role


def _checked(role: str, table: Any) -> Mapping[str, Any]:
    if not isinstance(table, Mapping):
        raise ValueError(f"samples.{role} = {table!r}: must be a table of keys and values")
    return table


def _table(role: str, table: Mapping[str, Any]) -> SampleTable:
    try:
        read = SampleTable.model_validate(table)
    except ValidationError as error:
        raise ValueError(f"samples.{role}.{complaint(error, table, SampleTable)}") from None
    if read.events is not None and read.scale is not None:
        raise ValueError(f"samples.{role}: give events or scale, not both")
    if read.tree and read.has_events and not read.may_be_root:
        raise ValueError(f"samples.{role}.tree: none of its files is a ROOT file; leave it out")
    texts = {"selection": read.selection, "weight": read.weight}
    texts |= {f"columns.{name}": text for name, text in read.columns.items()}
    texts |= {f"observables.{name}": text for name, text in read.observables.items()}
    for key, text in texts.items():
        if text or "." in key:
            parse_expression(text, place=f"samples.{role}.{key}")
    return read


def _completed(own: SampleTable, base: SampleTable) -> SampleTable:
    """Where a variation says nothing it is as the sample that it varies."""
    inherited = ["selection", "weight"]
    if not own.has_events:
        inherited += ["files", "in_memory", "tree"]
    return own.model_copy(
        update={key: getattr(own, key) or getattr(base, key) for key in inherited}
    )


def _changes(table: SampleTable) -> tuple[Change, ...]:
    if not (table.columns or table.observables):
        return ()
    return (Change(table.columns, table.observables),)


def refuse_unread(samples: Samples, given: Mapping[str, object]) -> None:
    """Refuse events for samples that there are not, and samples without events.

    Args:
        samples: Of the configuration.
        given: Events from Python, by role.

    Raises:
        StudyError: If so.
    """
    roles = {sample.role for sample in samples if sample.source == sample.role}
    for role in given:
        if role not in roles and role not in samples.unused:
            raise StudyError(
                f"events are given for {role!r}, which is no sample with events of its own; "
                f"known: {', '.join(sorted(roles))}"
            )
    for sample in samples:
        if sample.source == sample.role and not sample.table.files and sample.role not in given:
            raise StudyError(f"samples.{sample.role}.files: missing; name the files of its events")
