"""Events from files, and the bins of a workspace that they fill.

Which rows are one event is never guessed: rows of one file and tree with the same number, or those
with the same identifier.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pullfactory.errors import EventsError, printable
from pullfactory.events import Expression, hash_events, open_source, parse_expression
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.progress import Progress, silent
from pullfactory.settings.mapping import EventMap, MappedChannel, MappedSample
from pullfactory.sharing.checks import templates_of
from pullfactory.sharing.filled import Filled

_ROOT = ".root"


class MappedEvents(NamedTuple):
    """Events of files in the bins of a workspace.

    Attributes:
        data: Of the data, or None.
        simulated: By sample.
    """

    data: Filled | None
    simulated: dict[str, Filled]


class _Entries(NamedTuple):
    """Bins that events fill.

    Attributes:
        keys: Of the events: their rows, or hashes of their identifiers.
        bins: Counted through all channels.
        weights: Of the events there.
    """

    keys: NDArray[np.uint64]
    bins: NDArray[np.int64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """How the events of one sample fill one channel.

    Attributes:
        name: Of the channel.
        first: Its first bin.
        edges: Of its bins.
        overflow: Whether the last bin takes what is beyond.
        observable: Of an event.
        conditions: For an event to be in it.
        weights: Factors of the weight.
    """

    name: str
    first: int
    edges: NDArray[np.float64]
    overflow: bool
    observable: Expression
    conditions: tuple[Expression, ...]
    weights: tuple[Expression, ...]

    @classmethod
    def of(
        cls,
        events: EventMap,
        sample: MappedSample,
        name: str,
        likelihood: BinnedLikelihood,
        *,
        simulated: bool,
        place: str,
    ) -> "_View":
        """How a channel says it."""
        channel = events.channel[name]
        here = f"channel.{name}"
        conditions = {
            "selection": events.selection,
            f"{place}.selection": sample.selection,
            f"{here}.selection": "" if sample.own_selection else channel.selection,
        }
        weights = {f"{place}.weight": sample.weight, f"{here}.weight": channel.weight}
        return cls(
            name=name,
            first=likelihood.channel_slice(name).start,
            edges=np.array(channel.edges, dtype=np.float64),
            overflow=channel.overflow == "last",
            observable=parse_expression(channel.observable, place=f"{here}.observable"),
            conditions=tuple(_parsed(conditions)),
            weights=tuple(_parsed(weights)) if simulated else (),
        )

    @property
    def needs(self) -> set[str]:
        """Columns."""
        used = (self.observable, *self.conditions, *self.weights)
        return {column for expression in used for column in expression.columns}

    def entries(self, table: Mapping[str, Any], keys: NDArray[np.uint64]) -> _Entries:
        """The bins that some rows fill."""
        rows = len(keys)
        values = self.observable(table, events=rows).astype(np.float64)
        inside = ~np.isnan(values) & (values >= self.edges[0])
        if not self.overflow:
            inside &= values < self.edges[-1]
        for condition in self.conditions:
            inside &= condition(table, events=rows) != 0
        weights = np.ones(rows)
        for factor in self.weights:
            weights = weights * factor(table, events=rows)
        last = len(self.edges) - 2
        place = np.searchsorted(self.edges, values[inside], side="right") - 1
        return _Entries(keys[inside], self.first + np.minimum(place, last), weights[inside])


def read_mapped(
    events: EventMap,
    likelihood: BinnedLikelihood,
    workspace: Mapping[str, Any],
    *,
    base: Path | None = None,
    progress: Progress = silent,
) -> MappedEvents:
    """Read events from files, into the bins of a workspace.

    Args:
        events: Which are where.
        likelihood: Of the workspace.
        workspace: Its content.
        base: Folder that files are relative to; None for the current one.
        progress: How to show progress.

    Raises:
        EventsError: If channels or samples are not those of the workspace, events cannot be read,
            or it is not known which rows are one event.
    """
    _check_channels(events, likelihood)
    wanted = templates_of(workspace)
    for name in events.simulated:
        if name not in wanted or name == "data":
            known = ", ".join(sample for sample in wanted if sample != "data")
            raise EventsError(f"simulated.{name}: no sample of the workspace; use one of {known}")
    with progress("events", 1 + len(events.simulated)) as advance:
        data = None
        if events.data or any(channel.data for channel in events.channel.values()):
            sample = MappedSample(files=events.data)
            data = _read(events, "data", sample, wanted["data"], likelihood, base)
        advance(1)
        simulated = {}
        for name, sample in events.simulated.items():
            simulated[name] = _read(events, name, sample, wanted[name], likelihood, base)
            advance(1)
    return MappedEvents(data, simulated)


def _check_channels(events: EventMap, likelihood: BinnedLikelihood) -> None:
    known = dict(likelihood.channels)
    for name, channel in events.channel.items():
        if printable(name) not in known:
            raise EventsError(
                f"channel.{name}: no channel of the workspace; use one of {', '.join(known)}"
            )
        if not channel.disjoint and len(channel.edges) - 1 != known[name]:
            raise EventsError(
                f"channel.{name}: {len(channel.edges)} edges make {len(channel.edges) - 1} bins, "
                f"but the workspace has {known[name]}; give its edges"
            )
    for name in known:
        if name not in events.channel:
            raise EventsError(
                f"channel {name!r} of the workspace is not in the event file; say which events it "
                f"has ([channel.{name}] with observable and edges), or that they are in no other "
                "channel (disjoint = true)"
            )


def _read(
    events: EventMap,
    name: str,
    sample: MappedSample,
    channels: Iterable[str],
    likelihood: BinnedLikelihood,
    base: Path | None,
) -> Filled:
    """The events of a sample, or of the data, in all bins."""
    place = "data" if name == "data" else f"simulated.{name}"
    used = [c for c in channels if c in events.channel and not events.channel[c].disjoint]
    groups: dict[tuple[str, ...], list[_View]] = {}
    for channel in used:
        files = _files(events.channel[channel], name) or sample.files
        if not files:
            raise EventsError(
                f"{place}: no files for channel {channel!r}; give files, or leave the sample out"
            )
        view = _View.of(events, sample, channel, likelihood, simulated=name != "data", place=place)
        groups.setdefault(files, []).append(view)
    if len(groups) > 1 and not events.id:
        first, second = (views[0].name for views in list(groups.values())[:2])
        raise EventsError(
            f"{place}: channels {first!r} and {second!r} are in different files, whose rows say "
            "nothing of which are one event; name the columns that identify it (id), such as run "
            "and event"
        )
    entries: dict[str, list[_Entries]] = {view.name: [] for g in groups.values() for view in g}
    for files, views in groups.items():
        for table, keys in _tables(files, views, events.id, place, base):
            for view in views:
                entries[view.name].append(view.entries(table, keys))
    joined = {channel: _joined(parts) for channel, parts in entries.items()}
    for channel, found in joined.items():
        _refuse_repeated(found, channel, place)
    return _matrix(list(joined.values()), likelihood.n_main)


def _files(channel: MappedChannel, name: str) -> tuple[str, ...]:
    return channel.data if name == "data" else channel.files.get(name, ())


def _tables(
    files: Sequence[str],
    views: Sequence[_View],
    identifier: Sequence[str],
    place: str,
    base: Path | None,
) -> Iterator[tuple[Mapping[str, Any], NDArray[np.uint64]]]:
    """Rows of files, piece by piece, with the key of each."""
    columns = sorted(set(identifier).union(*(view.needs for view in views)))
    first = 0
    for tree, names in _by_tree(files).items():
        source = open_source(names, tree=tree, place=place, base=base)
        for table in source.chunks(columns or source.names()[:1]):
            rows = len(next(iter(table.values())))
            if identifier:
                said = f"{place}: id {', '.join(identifier)}"
                yield table, hash_events([table[name] for name in identifier], place=said)
            else:
                yield table, np.arange(first, first + rows, dtype=np.uint64)
            first += rows


def _by_tree(files: Sequence[str]) -> dict[str | None, list[str]]:
    """Files by the tree that is read of them."""
    found: dict[str | None, list[str]] = {}
    for text in files:
        path, colon, tree = text.rpartition(":")
        named = bool(colon) and path.lower().endswith(_ROOT)
        found.setdefault(tree if named else None, []).append(path if named else text)
    return found


def _parsed(texts: Mapping[str, str]) -> Iterator[Expression]:
    return (parse_expression(text, place=place) for place, text in texts.items() if text)


def _joined(parts: Sequence[_Entries]) -> _Entries:
    if not parts:
        return _Entries(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0))
    return _Entries(*map(np.concatenate, zip(*parts, strict=True)))


def _refuse_repeated(found: _Entries, channel: str, place: str) -> None:
    repeated = len(found.keys) - len(np.unique(found.keys))
    if repeated:
        raise EventsError(
            f"{place}: channel {channel!r} has {repeated} rows with the identifier of another of "
            "its rows; an event counts once in a channel: select one row of each, or give an id "
            "that tells events apart"
        )


def _matrix(entries: Sequence[_Entries], bins: int) -> Filled:
    found = _joined(entries)
    keys, events = np.unique(found.keys, return_inverse=True)
    place = (events.ravel(), found.bins)
    return sparse.csr_array(sparse.coo_array((found.weights, place), shape=(len(keys), bins)))
