"""Whether events make the histograms of a workspace, and if not, what may be wrong."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError, printable
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.numbers import plain
from pullfactory.sharing.filled import Filled, column_sums

Histogram = NDArray[np.float64]
Histograms = dict[str, Histogram]
"""Histograms by channel."""

EXACT = 1e-6
"""Part of a template up to which events may differ from it."""
_FLOAT32 = 1e-4
_DATA = "data"


class MappingError(EventsError):
    """Events that do not make the histograms of a workspace: every difference is told.

    Attributes:
        complaints: Of these.
    """

    def __init__(self, complaints: tuple[str, ...]) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = tuple(EventsError(one).args[0] for one in complaints)

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each difference."""
        return self.complaints


def templates_of(workspace: Mapping[str, Any]) -> dict[str, Histograms]:
    """Histograms of a workspace by sample, data among them.

    Args:
        workspace: Its content.
    """
    found: dict[str, Histograms] = {}
    for channel in workspace["channels"]:
        for sample in channel["samples"]:
            own = found.setdefault(printable(sample["name"]), {})
            own[printable(channel["name"])] = np.array(sample["data"], dtype=np.float64)
    found[_DATA] = {
        printable(entry["name"]): np.array(entry["data"], dtype=np.float64)
        for entry in workspace["observations"]
    }
    return found


def refuse_mismatch(
    likelihood: BinnedLikelihood,
    workspace: Mapping[str, Any],
    data: Filled | None,
    simulated: Mapping[str, Filled],
    *,
    disjoint: Collection[str],
    tolerance: float,
) -> None:
    """Refuse events that do not make the histograms of the workspace.

    Args:
        likelihood: Of the workspace.
        workspace: Its content.
        data: Events of the data, which must be there exactly; or None.
        simulated: Events of samples.
        disjoint: Channels that have no events.
        tolerance: Part of a template by which simulated events may differ from it.

    Raises:
        MappingError: If there is a difference; says which, and what may be its cause.
    """
    wanted = templates_of(workspace)
    if _DATA in {printable(s["name"]) for c in workspace["channels"] for s in c["samples"]}:
        raise EventsError("the workspace has a sample named 'data', as observations are; rename it")
    known = ", ".join(name for name in wanted if name != _DATA)
    for name in simulated:
        if name not in wanted or name == _DATA:
            raise EventsError(f"{name!r} is no sample of the workspace; use one of {known}")
    for name in disjoint:
        likelihood.channel_slice(name)
    if data is not None and (data.data != 1.0).any():
        raise EventsError("data: an event has a weight other than 1; data have none")
    given = {} if data is None else {_DATA: data}
    complaints: list[str] = []
    for name, matrix in {**given, **simulated}.items():
        own = _by_channel(likelihood, matrix)
        limit = 0.0 if name == _DATA else tolerance
        complaints += _complaints(name, own, wanted, set(disjoint), limit)
    if complaints:
        raise MappingError(tuple(complaints))


def _by_channel(likelihood: BinnedLikelihood, matrix: Filled) -> Histograms:
    sums = column_sums(matrix)
    return {name: sums[likelihood.channel_slice(name)] for name, _ in likelihood.channels}


def _complaints(
    sample: str,
    given: Histograms,
    wanted: Mapping[str, Histograms],
    disjoint: Collection[str],
    tolerance: float,
) -> Iterator[str]:
    for channel, found in given.items():
        right = wanted[sample].get(channel, np.zeros(len(found)))
        here = f"channel {channel!r}, {'data' if sample == _DATA else f'sample {sample!r}'}"
        if channel in disjoint:
            if found.any():
                yield f"{here}: it is called disjoint, but events fill it; leave one of them out"
            continue
        if _agree(found, right, tolerance):
            continue
        worst = int(np.argmax(np.abs(found - right)))
        yield (
            f"{here}: bin {worst} has {plain(found[worst])} of the events, and "
            f"{plain(right[worst])} in the workspace; {_cause(sample, channel, found, wanted)}"
        )


def _cause(sample: str, channel: str, found: Histogram, wanted: Mapping[str, Histograms]) -> str:
    """What may be wrong, and what to do, in words."""
    right = wanted[sample].get(channel, np.zeros(len(found)))
    if not np.isfinite(found).all():
        return "the weight of an event is no finite number: select it away, or mend it"
    if not found.any():
        return "no event is in it: look at its selection, its edges and its tree"
    if sample != _DATA and _agree(found, right, _FLOAT32):
        return (
            f"they agree to {_FLOAT32:g}, as numbers in single precision do: tolerate {_FLOAT32:g}"
        )
    if (other := _same_elsewhere(sample, channel, found, wanted)) is not None:
        return other
    return _by_sums(found, right)


def _by_sums(found: Histogram, right: Histogram) -> str:
    """What may be wrong with a histogram that is nowhere else."""
    if not right.any():
        return "the workspace has none there: leave the sample out of this channel"
    ratio = found.sum() / right.sum() if right.sum() else np.nan
    if _agree(found, ratio * right, _FLOAT32):
        whole = ratio > 1.5 and abs(ratio - round(ratio)) < _FLOAT32
        often = f"a file is there {round(ratio)} times, or " if whole else ""
        much = f"all bins are {plain(ratio)} times what they should be"
        return f"{much}: {often}the weight lacks a factor"
    if abs(found.sum() - right.sum()) <= EXACT * abs(right.sum()):
        return "all events are there, in other bins: an edge is moved, or it is another observable"
    excess = found - right
    if len(found) > 1 and _agree(found[:-1], right[:-1], EXACT):
        much = "much: it has overflow" if excess[-1] > 0 else "little: it lacks overflow"
        return f"only the last bin has too {much}, or its upper edge is another"
    return _by_signs(excess, right)


def _by_signs(excess: Histogram, right: Histogram) -> str:
    """What may be wrong with a histogram that is nowhere else, and has another sum."""
    if (excess >= -EXACT * np.abs(right)).all():
        return "all bins have too much: a selection is missing, or a sample has files too many"
    if (excess <= EXACT * np.abs(right)).all():
        return "all bins have too little: a selection is too tight, or a file is missing"
    return "it is another weight, another tree, a variation, or edges are moved"


def _same_elsewhere(
    sample: str, channel: str, found: Histogram, wanted: Mapping[str, Histograms]
) -> str | None:
    """Where a histogram is the right one, in words."""
    for name, channels in wanted.items():
        for other, right in channels.items():
            if (name, other) == (sample, channel) or not right.any():
                continue
            if not _agree(found, right, EXACT):
                continue
            if name == sample:
                return f"it is what channel {other!r} has: the two are exchanged"
            if other == channel:
                return (
                    f"it is what {'the data' if name == _DATA else repr(name)} has: exchange them"
                )
    return None


def _agree(found: Histogram, right: Histogram, tolerance: float) -> bool:
    if len(found) != len(right):
        return False
    return bool((np.abs(found - right) <= tolerance * np.maximum(np.abs(right), 1e-3)).all())
