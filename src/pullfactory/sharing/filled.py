"""Events by the bins that they fill: one row an event, with its weight in each bin."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from pullfactory.errors import EventsError

Filled = Any  # scipy.sparse.csr_array of shape (events, bins), for which there are no types


class MappedEvents(NamedTuple):
    """Events in the bins of a workspace.

    Attributes:
        data: Of the data, or None.
        simulated: By sample.
        remarks: By sample and channel, what may be the cause if their histogram is a wrong one.
        source: Sample whose files the data are read from, if there is one.
        disjoint: Channels whose events are in no other, and are not given.
        edges: Of the bins of channels, where they are known.
    """

    data: Filled | None
    simulated: dict[str, Filled]
    remarks: Mapping[tuple[str, str], str] = MappingProxyType({})
    source: str | None = None
    disjoint: tuple[str, ...] = ()
    edges: Mapping[str, tuple[float, ...]] = MappingProxyType({})


def filled(
    bins: Any, channels: tuple[tuple[str, int], ...], weights: ArrayLike | None, *, place: str
) -> Filled:
    """Which bins events fill, from whatever says so.

    Args:
        bins: A sparse matrix of shape (events, bins of all channels) that holds weights, or whole
            numbers of shape (events, any): bins that an event fills, counted through all channels
            in the order of the model; -1 stands for none.
        channels: Name and number of bins of each.
        weights: Of the events where `bins` are numbers, of shape (events,) or that of `bins`; None
            for 1.
        place: What the events are called in messages.

    Raises:
        EventsError: If shapes do not fit, a bin or a weight is impossible, or an event is in two
            bins of one channel.
    """
    total = sum(size for _, size in channels)
    if sparse.issparse(bins):
        if weights is not None:
            raise EventsError(f"{place}: a sparse matrix holds its weights; give no others")
        matrix = sparse.csr_array(bins, dtype=np.float64, copy=True)  # what is given stays
    else:
        matrix = _from_numbers(_array(bins, place), weights, total, place)
    if matrix.shape[1] != total:
        raise EventsError(
            f"{place}: {matrix.shape[1]} columns, but the workspace has {total} bins; give one "
            "column for each, in the order of the model"
        )
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    if not np.isfinite(matrix.data).all():
        raise EventsError(f"{place}: a weight is no finite number; mend it, or leave the event out")
    _refuse_two_bins(matrix, channels, place)
    return matrix


def several(matrix: Filled) -> Filled:
    """The events in more than one bin: no other makes a covariance."""
    return matrix[np.flatnonzero(np.diff(matrix.indptr) > 1)]


def column_sums(matrix: Filled) -> NDArray[np.float64]:
    """What is in each bin, shape (bins,)."""
    sums = np.bincount(matrix.indices, weights=matrix.data, minlength=matrix.shape[1])
    return np.asarray(sums, dtype=np.float64)


def _array(bins: Any, place: str) -> NDArray[Any]:
    try:
        return np.asarray(bins)
    except ValueError:
        raise EventsError(
            f"{place}: rows of bins have different lengths; fill them up with -1, which stands for "
            "none"
        ) from None


def _from_numbers(bins: NDArray[Any], weights: ArrayLike | None, total: int, place: str) -> Filled:
    if bins.ndim != 2 or bins.dtype.kind not in "iu":
        raise EventsError(
            f"{place}: bins are {bins.dtype} of shape {bins.shape}; give whole numbers, one row an "
            "event, or a sparse matrix"
        )
    if bins.size and not -1 <= int(bins.min()) <= int(bins.max()) < total:
        raise EventsError(
            f"{place}: bins from {bins.min()} to {bins.max()}, but the workspace has 0 to "
            f"{total - 1}; -1 stands for none"
        )
    given = np.asarray(1.0 if weights is None else weights, dtype=np.float64)
    if given.ndim == 1:
        given = given[:, None]
    try:
        given = np.broadcast_to(given, bins.shape)
    except ValueError:
        raise EventsError(
            f"{place}: weights of shape {given.shape} for bins of shape {bins.shape}; give "
            "one for each event"
        ) from None
    inside = bins >= 0
    ordered = np.sort(bins, axis=1)
    twice = (np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0)
    if twice.any():
        first = int(np.argmax(twice.any(axis=1)))
        raise EventsError(
            f"{place}: event {first} fills a bin twice; an event counts once in a channel"
        )
    starts = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    return sparse.csr_array(
        (given[inside], bins[inside].astype(np.int64), starts), shape=(len(bins), total)
    )


def _refuse_two_bins(matrix: Filled, channels: tuple[tuple[str, int], ...], place: str) -> None:
    channel = np.repeat(np.arange(len(channels)), [size for _, size in channels])
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    if len(rows) < 2:
        return
    matrix.sort_indices()
    same = (np.diff(rows) == 0) & (np.diff(channel[matrix.indices]) == 0)
    if same.any():
        first = int(np.argmax(same))
        raise EventsError(
            f"{place}: event {rows[first]} is in two bins of channel "
            f"{channels[channel[matrix.indices[first]]][0]!r}; an event counts once in a channel "
            f"(the order of channels is {', '.join(name for name, _ in channels)})"
        )
