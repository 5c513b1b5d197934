"""Whether events make the histograms of a workspace."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError, printable
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.numbers import plain
from pullfactory.sharing.causes import Case, agree
from pullfactory.sharing.filled import MappedEvents, column_sums
from pullfactory.sharing.templates import DATA, Histograms, templates_of


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


def refuse_mismatch(
    likelihood: BinnedLikelihood,
    workspace: Mapping[str, Any],
    events: MappedEvents,
    *,
    tolerance: float,
) -> None:
    """Refuse events that do not make the histograms of the workspace.

    Args:
        likelihood: Of the workspace.
        workspace: Its content.
        events: Those of the data must be there exactly.
        tolerance: Part of a template by which simulated events may differ from it.

    Raises:
        MappingError: If there is a difference; says which, and what may be its cause.
    """
    wanted = templates_of(workspace)
    data, simulated = events.data, events.simulated
    if DATA in {printable(s["name"]) for c in workspace["channels"] for s in c["samples"]}:
        raise EventsError("the workspace has a sample named 'data', as observations are; rename it")
    known = ", ".join(name for name in wanted if name != DATA)
    for name in simulated:
        if name not in wanted or name == DATA:
            raise EventsError(f"{name!r} is no sample of the workspace; use one of {known}")
    for name in events.disjoint:
        likelihood.channel_slice(name)
    if data is not None and (data.data != 1.0).any():
        raise EventsError(
            "data: an event has a weight other than 1; data have none: give each event once, and "
            "simulated events as those of a sample"
        )
    given = {} if data is None else {DATA: data}
    counted = {
        name: _by_channel(likelihood, np.bincount(matrix.indices, minlength=matrix.shape[1]))
        for name, matrix in simulated.items()
    }
    complaints: list[str] = []
    for name, matrix in {**given, **simulated}.items():
        own = _by_channel(likelihood, column_sums(matrix))
        case = Case(
            sample=name,
            given={
                channel: each for channel, each in own.items() if channel not in events.disjoint
            },
            wanted=wanted,
            counted=counted,
            source=events.source,
        )
        complaints += _beside(name, own, events.disjoint)
        complaints += _complaints(case, 0.0 if name == DATA else tolerance, events.remarks)
    if complaints:
        raise MappingError(tuple(complaints))


def _by_channel(likelihood: BinnedLikelihood, sums: NDArray[Any]) -> Histograms:
    whole = sums.astype(np.float64)
    return {name: whole[likelihood.channel_slice(name)] for name, _ in likelihood.channels}


def _beside(sample: str, given: Histograms, disjoint: Collection[str]) -> Iterator[str]:
    for channel in given:
        if channel in disjoint and given[channel].any():
            yield (
                f"{_place(sample, channel)}: it is called disjoint, but events fill it; leave one "
                "of them out"
            )


def _complaints(
    case: Case, tolerance: float, remarks: Mapping[tuple[str, str], str]
) -> Iterator[str]:
    for channel, found in case.given.items():
        right = case.right(channel)
        if agree(found, right, tolerance):
            continue
        worst = int(np.argmax(np.abs(found - right)))
        remark = remarks.get((case.sample, channel))
        yield (
            f"{_place(case.sample, channel)}: bin {worst} has {plain(found[worst])} of the events, "
            f"and {plain(right[worst])} in the workspace; {case.cause(channel)}"
            + (f"; {remark}" if remark else "")
        )


def _place(sample: str, channel: str) -> str:
    return f"channel {channel!r}, {'data' if sample == DATA else f'sample {sample!r}'}"
