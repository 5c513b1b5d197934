"""The events of an audit, read once or twice: kept in part, binned, counted."""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.marks import RepeatedRows
from pullfactory.auditing.repeats import HeldRows, Repeats
from pullfactory.auditing.reservoir import Reservoir, Rows
from pullfactory.auditing.tally import GROUPS, Axis, Counts, Tally
from pullfactory.auditing.values import Chunk, View, read_chunks
from pullfactory.binning.joint import JointBins
from pullfactory.described import Count, Part, Size
from pullfactory.errors import CalibrationError, EventsError
from pullfactory.progress import Advance, Progress, silent
from pullfactory.random import Stream, generator
from pullfactory.settings.audit import AuditConfig
from pullfactory.settings.samples import Sample, refuse_unread

_DRAWN_TAIL = 5e-4  # probability beyond the outermost edges that are drawn; the bins are open
_MOST_ROWS = 1000  # of one event
_LARGEST, _FEW = 0.1, 20  # part of the rows that one event may have, and rows that it may have
_SKETCH = 2**21  # identifiers kept to look for repeated and shared ones


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleCheck:
    """What was seen while reading a sample.

    Attributes:
        role: Of the sample.
        rows: Rows in its files.
        selected: Events selected.
        weight: Sum of their weights.
        effective: Number of events of weight 1 that would fluctuate as much.
        negative: Events with negative weight.
        lacking: For each observable, events without it.
        outside: For each observable, events outside its bins.
        shared: Part of the identifiers that the nominal sample has too; None where it is not
            said to have the same events, or there are no identifiers.
        events: Events that the selected rows are of; None where every row is one.
        apart: Of these, events whose rows are no neighbours; None likewise.
        runs: Selected rows with the run, lumi and event of the row before; None where there are
            identifiers, or no such columns of integers.
        marks: These columns.
    """

    role: str
    rows: Count
    selected: Count
    weight: float
    effective: Size
    negative: Count
    lacking: dict[str, Count]
    outside: dict[str, Count]
    shared: Part | None
    events: Count | None = None
    apart: Count | None = None
    runs: Count | None = None
    marks: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadSample:
    """One sample, read.

    Attributes:
        sample: What it is.
        check: What was seen.
        counts: Of the events that templates are made of.
        rows: Some of these events.
        apart: Some of the events held apart; the same as `rows` if none are.
    """

    sample: Sample
    check: SampleCheck
    counts: Counts
    rows: Rows
    apart: Rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadEvents:
    """All samples of an audit, read.

    Attributes:
        axes: Bins of each observable.
        joint: Bins of the observables together, by which of them an event has.
        samples: By role.
    """

    axes: tuple[Axis, ...]
    joint: dict[tuple[int, ...], JointBins]
    samples: dict[str, ReadSample]


def read_events(
    config: AuditConfig,
    given: Mapping[str, object] | None = None,
    *,
    base: Path | None = None,
    progress: Progress = silent,
) -> ReadEvents:
    """Read all samples; a file that several samples are made of is read once.

    Nominal samples are read once more, before, where edges of bins follow from them.

    Args:
        config: The configuration.
        given: Events from Python, by role.
        base: Folder that files are relative to; None for the current one.
        progress: How to show progress.

    Raises:
        EventsError: If events cannot be read or used.
        CalibrationError: If bins cannot be formed.
        StudyError: If events are given for samples that there are not.
    """
    events = given or {}
    refuse_unread(config.sample_set, events)
    feeds = _feeds(config)
    nominal = [process.nominal.role for process in config.sample_set.processes]
    paired = {*nominal, "data"}
    with progress("events", 0) as advance:
        edges = {o.name: o.edges for o in config.observable}
        joint_bins = config.joint_bins
        kept: dict[str, Rows] = {}
        if joint_bins or any(each is None for each in edges.values()):
            for role in nominal:
                view = next(v for feed in feeds for v in feed if v.sample.role == role)
                kept[role] = _first_look(config, view, events, base, advance)
        axes = _choose_axes(config, kept)
        joint = _choose_joint(config, axes, kept) if joint_bins else {}
        read: dict[str, ReadSample] = {}
        for feed in feeds:
            readers = [
                _Reader(config, view.sample, axes, joint, paired=view.sample.role in paired)
                for view in feed
            ]
            marked = any(view.sample.role in paired for view in feed)
            for chunks in read_chunks(config, feed, events, base, marked=marked):
                for reader, chunk in zip(readers, chunks, strict=True):
                    reader.add(chunk)
                advance(chunks[0].rows)
            read |= {reader.sample.role: reader.finish() for reader in readers}
    return ReadEvents(axes=axes, joint=joint, samples=_with_shared(config, read))


def _feeds(config: AuditConfig) -> list[list[View]]:
    """Samples by the files that they are made of."""
    views = [View.of(config, sample) for sample in config.sample_set]
    sources = dict.fromkeys(view.sample.source for view in views)
    return [[view for view in views if view.sample.source == source] for source in sources]


def _first_look(
    config: AuditConfig,
    view: View,
    given: Mapping[str, object],
    base: Path | None,
    advance: Advance,
) -> Rows:
    """A part of a nominal sample, of which bins are made, weighted to the whole of it."""
    reservoir = Reservoir(config.toys.reservoir, len(config.observable))
    seen = selected = 0
    weight = 0.0
    for (chunk,) in read_chunks(config, [view], given, base):
        reservoir.add(chunk.values, chunk.weights, chunk.keys)
        seen += chunk.rows
        selected += len(chunk.weights)
        weight += float(chunk.weights.sum())
        advance(chunk.rows)
    _refuse_empty(view.sample.role, seen, selected, weight)
    rows = reservoir.rows()
    kept = float(rows.weights.sum())
    if len(rows) == selected or not kept > 0:
        return rows
    whole = float(f"{weight / kept:.12g}")  # the last digits depend on the pieces it was read in
    return replace(rows, weights=rows.weights * whole)


class _Reader:
    """Takes in the chunks of one sample."""

    def __init__(
        self,
        config: AuditConfig,
        sample: Sample,
        axes: tuple[Axis, ...],
        joint: dict[tuple[int, ...], JointBins],
        *,
        paired: bool,
    ) -> None:
        n = len(axes)
        self.sample, self._axes, self._names = sample, axes, config.observable_names
        self._nominal = paired and sample.role != "data"
        self._cluster = config.repeated == "cluster"
        self._held_apart = 0.0 if sample.role == "data" else config.toys.held_apart
        self._tally = Tally(
            axes,
            joint,
            paired=paired,
            expected=sample.role != "data",
            held=HeldRows(
                GROUPS,
                [axis.size + 1 for axis in axes],
                sum(bins.size for bins in joint.values()) + 1,
                paired=paired,
                expected=sample.role != "data",
            )
            if self._cluster
            else None,
        )
        self._runs = RepeatedRows()
        self._keys_apart: list[NDArray[np.uint64]] = []
        self._rows = Reservoir(config.toys.reservoir, n)
        self._apart = Reservoir(config.toys.reservoir, n) if self._held_apart else None
        self._keys = Reservoir(_SKETCH, 0) if config.identifier else None
        self._seen: Counter[str] = Counter()
        self._weight = self._square = 0.0
        self._lacking = np.zeros(n, dtype=np.int64)
        self._outside = np.zeros(n, dtype=np.int64)

    def add(self, chunk: Chunk) -> None:
        self._seen["rows"] += chunk.rows
        self._seen["selected"] += len(chunk.weights)
        self._seen["negative"] += int(np.sum(chunk.weights < 0))
        self._weight += float(chunk.weights.sum())
        self._square += float(np.square(chunk.weights).sum())
        self._look_outside(chunk.values)
        self._runs.add(chunk.marks)
        if self._keys is not None:
            self._keys.add(np.empty((len(chunk.keys), 0)), chunk.weights, chunk.keys)
        if self._apart is not None:
            apart = _uniform(chunk.keys) < self._held_apart
            self._apart.add(chunk.values[apart], chunk.weights[apart], chunk.keys[apart])
            kept = ~apart
            if self._cluster:
                self._keys_apart.append(np.unique(chunk.keys[apart]))
            chunk = chunk._replace(
                values=chunk.values[kept], weights=chunk.weights[kept], keys=chunk.keys[kept]
            )
        self._tally.add(chunk)
        self._rows.add(chunk.values, chunk.weights, chunk.keys)

    def _look_outside(self, values: NDArray[np.float64]) -> None:
        """Count what is in no bin; values outside become missing, in place."""
        lacking = np.isnan(values)
        self._lacking += lacking.sum(axis=0)
        for o, axis in enumerate(self._axes):
            if not axis.open_ends:
                column = values[:, o]
                beyond = (column < axis.edges[0]) | (column >= axis.edges[-1])
                self._outside[o] += int(beyond.sum())
                column[beyond] = np.nan

    def finish(self) -> ReadSample:
        role = self.sample.role
        self._refuse(role)
        rows = self._rows.rows()
        if not len(rows):
            raise EventsError(
                f"samples.{role}: toys.held_apart = {self._held_apart:g} of "
                f"{self._seen['selected']} events leaves none for templates; lower it"
            )
        counts, repeats = self._tally.counts()
        events = 0
        if repeats:
            self._refuse_clusters(role, repeats)
            events = repeats.events + len(np.unique(np.concatenate([[], *self._keys_apart])))
            rows_square = float(np.sum(self._tally.weight_squares))
            self._square *= 1.0 + repeats.square / rows_square
        return ReadSample(
            sample=self.sample,
            check=SampleCheck(
                role=role,
                rows=self._seen["rows"],
                selected=self._seen["selected"],
                weight=self._weight,
                effective=self._weight**2 / self._square,
                events=events if repeats else None,
                apart=repeats.apart if repeats else None,
                runs=self._runs.count,
                marks=", ".join(self._runs.names),
                negative=self._seen["negative"],
                lacking=dict(zip(self._names, self._lacking.tolist(), strict=True)),
                outside=dict(zip(self._names, self._outside.tolist(), strict=True)),
                shared=None,
            ),
            counts=counts,
            rows=rows,
            apart=rows if self._apart is None else self._apart.rows(),
        )

    def _refuse(self, role: str) -> None:
        selected = self._seen["selected"]
        _refuse_empty(role, self._seen["rows"], selected, self._weight)
        for o, name in enumerate(self._names):
            if self._lacking[o] + self._outside[o] >= selected:
                raise EventsError(
                    f"samples.{role}: no event has observable {name!r} inside its edges "
                    f"[{self._axes[o].edges[0]:g}, {self._axes[o].edges[-1]:g}]; check the "
                    "edges and the unit"
                )
        if self._keys is not None and not self._cluster:
            keys = self._keys.rows().keys
            repeated = len(keys) - len(np.unique(keys))
            if repeated:
                raise EventsError(
                    f"samples.{role}: {repeated} of {len(keys)} identifiers are repeated; name "
                    "the columns that identify an event, such as run and event, remove repeated "
                    'events, or, if several rows are one event, set repeated = "cluster"'
                )

    def _refuse_clusters(self, role: str, repeats: Repeats) -> None:
        """Refuse rows that cannot be all of one event, or that cannot be one."""
        if repeats.largest > min(_MOST_ROWS, max(_LARGEST * self._seen["selected"], _FEW)):
            raise EventsError(
                f"samples.{role}: {repeats.largest} of {self._seen['selected']} rows have one "
                "identifier, too many for an event; name all columns that identify an event, such "
                "as run and event"
            )
        if self._nominal and repeats.unequal:
            raise EventsError(
                f"samples.{role}: the rows of {repeats.unequal} of {repeats.events} events have "
                "different weights, and how often two rows of one event are expected together is "
                "not known; use a weight of the event"
            )


def _refuse_empty(role: str, rows: int, selected: int, weight: float) -> None:
    if not selected:
        found = f"none of its {rows} rows is selected" if rows else "it has no rows"
        raise EventsError(f"samples.{role} has no events: {found}; check files and selection")
    if not weight > 0:
        raise EventsError(
            f"samples.{role}: the sum of the weights of {selected} events is {weight:g}, and a "
            "template must be positive; check the weight"
        )


def _uniform(keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """A number from 0 to 1 for each key."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _choose_axes(config: AuditConfig, kept: Mapping[str, Rows]) -> tuple[Axis, ...]:
    """Given edges, or equal population of the nominal events of all processes."""
    axes = []
    for o, observable in enumerate(config.observable):
        if observable.edges is not None:
            edges = np.array(observable.edges)
        else:
            n_bins = observable.n_bins or config.workspace.n_bins
            edges = _equal_population(config, kept, o, n_bins)
        axes.append(Axis(edges=edges, open_ends=observable.open_edges))
    return tuple(axes)


def _equal_population(
    config: AuditConfig, kept: Mapping[str, Rows], o: int, n_bins: int
) -> NDArray[np.float64]:
    values, weights = _together(config, kept)
    has = ~np.isnan(values[:, o])
    levels = np.linspace(0.0, 1.0, n_bins + 1)
    levels[0], levels[-1] = _DRAWN_TAIL, 1.0 - _DRAWN_TAIL
    name = config.observable_names[o]
    if has.sum() < n_bins:
        raise CalibrationError(
            f"observable {name!r}: {has.sum()} events are too few for {n_bins} bins; use fewer "
            f"bins (observable.{name}.n_bins)"
        )
    edges = np.quantile(
        values[has, o], levels, weights=np.maximum(weights[has], 0.0), method="inverted_cdf"
    )
    if np.any(np.diff(edges) <= 0):
        heavy = weights[has].max() > weights[has].sum() / n_bins
        why = "one event has more weight than a bin" if heavy else "values repeat"
        raise CalibrationError(
            f"observable {name!r}: {n_bins} bins of equal population cannot be formed, because "
            f"{why}; use fewer bins or give observable.{name}.edges"
        )
    return np.asarray(edges)


def _together(
    config: AuditConfig, kept: Mapping[str, Rows]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nominal events of all processes, weighted to what is expected in the data."""
    values, weights = [], []
    for process in config.sample_set.processes:
        rows, table = kept[process.nominal.role], process.nominal.table
        scale = table.scale or 1.0
        if table.events is not None:
            scale = table.events / rows.weights.sum()
        values.append(rows.values)
        weights.append(scale * rows.weights)
    return np.concatenate(values), np.concatenate(weights)


def _choose_joint(
    config: AuditConfig, axes: tuple[Axis, ...], kept: Mapping[str, Rows]
) -> dict[tuple[int, ...], JointBins]:
    """Nested bins for each set of observables that events have together."""
    values, weights = _together(config, kept)
    for o, axis in enumerate(axes):
        values[axis.index(values[:, o]) == axis.size, o] = np.nan
    weights = np.maximum(weights, 0.0)
    rng = generator(config.seed, Stream.AUDIT_BINS)
    drawn = rng.choice(len(values), len(values), p=weights / weights.sum())
    has = ~np.isnan(values[drawn])
    found: dict[tuple[int, ...], JointBins] = {}
    n = len(axes)
    patterns = (p for k in range(n, 0, -1) for p in itertools.combinations(range(n), k))
    for pattern in patterns:
        wanted = np.isin(np.arange(n), pattern)
        rows = drawn[np.all(has == wanted, axis=1)]
        n_bins = [config.joint_bins[o] for o in pattern]
        if len(rows) < 10 * np.prod(n_bins):  # a pattern that hardly occurs
            continue
        if len(pattern) == 1:
            n_bins = [axes[pattern[0]].size]
        found[pattern] = JointBins.nested([values[rows, o] for o in pattern], n_bins)
    return found


def _with_shared(config: AuditConfig, read: dict[str, ReadSample]) -> dict[str, ReadSample]:
    """Tell how many events are shared; refuse samples that should share some and do not."""
    if not config.identifier:
        return read
    found = {}
    for role, one in read.items():
        family = one.sample.family
        if family == role or one.sample.source == read[family].sample.source:
            found[role] = one
            continue
        keys = one.rows.keys
        shared = float(np.isin(keys, read[family].rows.keys).mean())
        if shared == 0.0:
            raise EventsError(
                f"samples.{role} and samples.{family} have no identifier "
                f"({', '.join(config.identifier)}) in common, but should have the same "
                f"events; name the right columns, or set samples.{role}.same_events = false"
            )
        found[role] = replace(one, check=replace(one.check, shared=shared))
    return found
