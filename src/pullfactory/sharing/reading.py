"""Events from files, and the bins of a workspace that they fill.

Which rows are one event is never guessed: rows of one file and tree with the same number, or those
with the same identifier.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pullfactory.errors import EventsError, printable
from pullfactory.events import hash_events, named_files
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.progress import Progress, silent
from pullfactory.settings.mapping import EventMap, MappedChannel, MappedSample
from pullfactory.sharing.filled import Filled, MappedEvents
from pullfactory.sharing.languages import LANGUAGES, Value
from pullfactory.sharing.templates import templates_of

_ROOT = ".root"


class _Rows(NamedTuple):
    """Some rows of a file.

    Attributes:
        table: Columns.
        keys: Of the events: their rows, or hashes of their identifiers.
        place: The file.
        scale: Factor on their weights.
    """

    table: Mapping[str, Any]
    keys: NDArray[np.uint64]
    place: str
    scale: float


class _Entries(NamedTuple):
    """Bins that events fill.

    Attributes:
        keys: Of the events: their rows, or hashes of their identifiers.
        bins: Counted through all channels.
        weights: Of the events there.
        missing: Events that are in no bin because their observable is no number.
        place: The file.
    """

    keys: NDArray[np.uint64]
    bins: NDArray[np.int64]
    weights: NDArray[np.float64]
    missing: int
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """How the events of one sample fill one channel.

    Attributes:
        name: Of the channel.
        first: Its first bin.
        edges: Of its bins.
        below: Whether the first bin takes what is below.
        above: Whether the last bin takes what is above.
        observable: Of an event.
        conditions: For an event to be in it.
        weights: Factors of the weight.
    """

    name: str
    first: int
    edges: NDArray[np.float64]
    below: bool
    above: bool
    observable: Value
    conditions: tuple[Value, ...]
    weights: tuple[Value, ...]

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
        language, channel = LANGUAGES[events.language], events.channel[name]
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
            below=channel.overflow == "both",
            above=channel.overflow != "drop",
            observable=language.value(channel.observable, f"{here}.observable"),
            conditions=tuple(
                language.value(text, where) for where, text in conditions.items() if text
            ),
            weights=tuple(
                language.weight(text, channel.observable, where)
                for where, text in weights.items()
                if text and simulated
            ),
        )

    @property
    def needs(self) -> set[str]:
        """Columns."""
        used = (self.observable, *self.conditions, *self.weights)
        return {column for expression in used for column in expression.columns}

    def entries(self, part: _Rows) -> _Entries:
        """The bins that some rows fill."""
        table, rows = part.table, len(part.keys)
        values = self.observable(table, events=rows).astype(np.float64)
        selected = np.ones(rows, dtype=bool)
        for condition in self.conditions:
            selected &= condition(table, events=rows) != 0
        missing = np.isnan(values)
        inside = selected & ~missing
        if not self.below:
            inside &= values >= self.edges[0]
        if not self.above:
            inside &= values < self.edges[-1]
        weights = np.full(rows, part.scale)
        for factor in self.weights:
            weights = weights * factor(table, events=rows)
        found = np.searchsorted(self.edges, values[inside], side="right") - 1
        bins = self.first + np.clip(found, 0, len(self.edges) - 2)
        lost = int((selected & missing).sum())
        return _Entries(part.keys[inside], bins, weights[inside], lost, part.place)


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
    given: dict[str, MappedSample] = dict(events.simulated)
    if events.data or any(channel.data for channel in events.channel.values()):
        given = {"data": MappedSample(files=events.data), **given}
    found: dict[str, Filled] = {}
    remarks: dict[tuple[str, str], str] = {}
    with progress("events", len(given)) as advance:
        for name, sample in given.items():
            entries = _read(events, name, sample, wanted[name], likelihood, base)
            found[name] = _matrix(entries.values(), likelihood.n_main)
            told = {(name, channel): _remark(parts) for channel, parts in entries.items()}
            remarks |= {where: text for where, text in told.items() if text}
            advance(1)
    return MappedEvents(
        data=found.pop("data", None),
        simulated=found,
        remarks=remarks,
        source=_source(events, base),
        disjoint=events.disjoint,
        edges={name: channel.edges for name, channel in events.channel.items() if channel.edges},
    )


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
) -> dict[str, list[_Entries]]:
    """The bins that events of a sample, or of the data, fill, by channel, in parts."""
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
        for part in _tables(files, sample.scale, views, events, place, base):
            for view in views:
                entries[view.name].append(view.entries(part))
    for channel, found in entries.items():
        _refuse_repeated(found, channel, place)
    return entries


def _source(events: EventMap, base: Path | None) -> str | None:
    """The first sample that has a file and tree of the data."""
    data = _named((events.data, *(channel.data for channel in events.channel.values())), base)
    for name, sample in events.simulated.items():
        own = (channel.files.get(name, ()) for channel in events.channel.values())
        if data & _named((sample.files, *own), base):
            return name
    return None


def _named(groups: Iterable[Sequence[str]], base: Path | None) -> set[tuple[Path, str | None]]:
    """Where files really are, with the tree that is read."""
    return {
        (path, tree)
        for files in groups
        for tree, named in _by_tree(files).items()
        for path in named_files([name for _, name in named], base=base)
    }


def _files(channel: MappedChannel, name: str) -> tuple[str, ...]:
    return channel.data if name == "data" else channel.files.get(name, ())


def _tables(
    files: Sequence[str],
    scale: Sequence[float],
    views: Sequence[_View],
    events: EventMap,
    place: str,
    base: Path | None,
) -> Iterator[_Rows]:
    """Rows of files, piece by piece."""
    identifier, first = events.id, 0
    columns = sorted(set(identifier).union(*(view.needs for view in views)))
    for tree, named in _by_tree(files).items():
        names = [name for _, name in named]
        sources = LANGUAGES[events.language].open(names, tree=tree, place=place, base=base)
        factors = [
            scale[k] if scale else 1.0 for k, name in named for _ in named_files([name], base=base)
        ]
        for source, factor in zip(sources, factors, strict=True):
            for table in source.chunks(columns or source.names()[:1]):
                rows = len(next(iter(table.values())))
                if identifier:
                    said = f"{place}: id {', '.join(identifier)}"
                    keys = hash_events([table[name] for name in identifier], place=said)
                else:
                    keys = np.arange(first, first + rows, dtype=np.uint64)
                yield _Rows(table, keys, source.place, factor)
                first += rows


def _by_tree(files: Sequence[str]) -> dict[str | None, list[tuple[int, str]]]:
    """Files by the tree that is read of them, each with its place among all."""
    found: dict[str | None, list[tuple[int, str]]] = {}
    for k, text in enumerate(files):
        path, colon, tree = text.rpartition(":")
        named = bool(colon) and path.lower().endswith(_ROOT)
        found.setdefault(tree if named else None, []).append((k, path if named else text))
    return found


def _refuse_repeated(parts: Sequence[_Entries], channel: str, place: str) -> None:
    repeated = _repeated(parts)
    if not repeated:
        return
    files = {part.place for part in parts}
    within = sum(_repeated([p for p in parts if p.place == file]) for file in files)
    remedy = (
        "select one row of each, or give an id that tells events apart"
        if within
        else "each is in two files: give a column that tells files apart as id too, or no id if "
        "all channels are in the same files"
    )
    raise EventsError(
        f"{place}: channel {channel!r} has {repeated} rows with the identifier of another of its "
        f"rows; an event counts once in a channel: {remedy}"
    )


def _repeated(parts: Sequence[_Entries]) -> int:
    """Rows with the key of another."""
    keys = np.concatenate([np.zeros(0, np.uint64), *(part.keys for part in parts)])
    return len(keys) - len(np.unique(keys))


def _matrix(entries: Iterable[Sequence[_Entries]], bins: int) -> Filled:
    parts = [part for own in entries for part in own]
    keys = np.concatenate([np.zeros(0, np.uint64), *(part.keys for part in parts)])
    filled = np.concatenate([np.zeros(0, np.int64), *(part.bins for part in parts)])
    weights = np.concatenate([np.zeros(0), *(part.weights for part in parts)])
    keys, events = np.unique(keys, return_inverse=True)
    place = (events.ravel(), filled)
    return sparse.csr_array(sparse.coo_array((weights, place), shape=(len(keys), bins)))


def _remark(parts: Sequence[_Entries]) -> str:
    """Events that are in no bin, or without weight, by file."""
    missing, unweighted = Counter[str](), Counter[str]()
    for part in parts:
        missing[part.place] += part.missing
        unweighted[part.place] += int((~np.isfinite(part.weights)).sum())
    said = [*_by_file(missing, "no number as observable")]
    said += [*_by_file(unweighted, "no finite weight")]
    return " and ".join(said)


def _by_file(numbers: Counter[str], what: str) -> Iterator[str]:
    for place, number in numbers.most_common(1):
        if number:
            whole = f", of {numbers.total()} in all" if number < numbers.total() else ""
            plural = "events have" if number > 1 else "event has"
            yield f"{number} {plural} {what} in {place}{whole}"
