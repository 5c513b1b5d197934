"""Bins of the observables, and events counted in them."""

from collections.abc import Sequence

import boost_histogram as bh
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pullfactory._jax import jax, jit, jnp
from pullfactory.errors import CalibrationError
from pullfactory.settings.sections import Observable
from pullfactory.settings.study import Study

_DRAWN_TAIL = 5e-4  # probability beyond the outermost edges that are drawn; the bins are open


def choose_edges(
    observables: Sequence[Observable],
    n_bins: Sequence[int],
    nominal: Sequence[NDArray[np.float64]] | None,
) -> tuple[NDArray[np.float64], ...]:
    """Bin edges of each observable: those given, or equal population of the nominal sample.

    The outermost bins are open: every event is in a bin, and the outermost edges only say how
    far to draw.

    Args:
        observables: Give edges, and the exact quantiles.
        n_bins: Bins of each observable without edges.
        nominal: Nominal events of each observable, in its unit; None for the exact quantiles.

    Returns:
        One array of increasing edges per observable, in its unit.

    Raises:
        CalibrationError: If equal population is impossible because values repeat.
    """
    edges: list[NDArray[np.float64]] = []
    for o, (observable, bins) in enumerate(zip(observables, n_bins, strict=True)):
        if observable.edges is not None:
            edges.append(np.array(observable.edges))
            continue
        levels = np.linspace(0.0, 1.0, bins + 1)
        levels[0], levels[-1] = _DRAWN_TAIL, 1.0 - _DRAWN_TAIL
        if nominal is None:
            standard = observable.family.from_normal(ndtri(levels))
            found = observable.mu + observable.sigma * standard
        else:
            found = np.quantile(nominal[o], levels)
        if np.any(np.diff(found) <= 0):
            raise CalibrationError(
                f"observable {observable.name!r}: {bins} bins of equal population cannot be "
                "formed; use fewer bins (workspace.n_bins) or more calibration events"
            )
        edges.append(found)
    return tuple(edges)


def count_events(
    events: NDArray[np.float64],
    edges: NDArray[np.float64],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Histogram each toy of a block; the outermost bins are open.

    Args:
        events: Shape (toys, events), in the unit of the edges.
        edges: Shape (bins + 1,), increasing.
        weights: Shape (toys, events), or None for ones.

    Returns:
        Counts, shape (toys, bins).
    """
    if weights is None:
        return _count_sorted(np.sort(events, axis=1), edges, np.full(len(events), events.shape[1]))
    padding = weights == 0
    if np.all(padding | (weights == 1)):
        ordered = np.where(padding, np.inf, events)
        ordered.sort(axis=1)
        return _count_sorted(ordered, edges, events.shape[1] - padding.sum(axis=1))
    return _fill(events, edges, weights)


def _count_sorted(
    ordered: NDArray[np.float64], edges: NDArray[np.float64], events: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Counts of sorted events, the padding last; several times faster than filling."""
    below = np.zeros((len(ordered), len(edges)))
    for row, toy in zip(below, ordered, strict=True):
        row[1:-1] = toy.searchsorted(edges[1:-1])
    below[:, -1] = events
    return np.diff(below, axis=1)


def _fill(
    events: NDArray[np.float64], edges: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted counts."""
    toys = len(events)
    histogram = bh.Histogram(
        bh.axis.Integer(0, toys, underflow=False, overflow=False),
        bh.axis.Variable(edges),
        storage=bh.storage.Double(),
    )
    which = np.repeat(np.arange(toys), events.shape[1])
    histogram.fill(which, np.ascontiguousarray(events).ravel(), weight=weights.ravel())
    with_flow = np.asarray(histogram.values(flow=True))
    counts = with_flow[:, 1:-1]
    counts[:, 0] += with_flow[:, 0]
    counts[:, -1] += with_flow[:, -1]
    return counts


def find_bins(events: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int32]:
    """Bin of each event; the outermost bins are open, and an edge belongs to the bin above it.

    Args:
        events: Any shape, in the unit of the edges.
        edges: Shape (bins + 1,), increasing.
    """
    again = events.ndim > 1 and len(events) > 1 and events.strides[0] == 0  # replicas of a toy
    found = np.asarray(_find_bins(events[:1] if again else events, edges[1:-1]))
    return np.broadcast_to(found, events.shape) if again else found


@jit
def _find_bins(events: jax.Array, inner: jax.Array) -> jax.Array:
    """Comparisons, all in one pass: faster than a search for tens of bins."""
    found = jnp.zeros(events.shape, dtype=jnp.int32)
    for edge in inner:
        found += events >= edge
    return found


def count_pairs(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    shape: tuple[int, int],
    weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Joint histogram of two observables of the same events, toy by toy.

    Args:
        first: Bins of the one, shape (toys, events).
        second: Bins of the other, same shape.
        shape: Number of bins of each.
        weights: Same shape as the bins, or None for ones.

    Returns:
        Shape (toys, bins of the first, bins of the second).
    """
    toys = len(first)
    flat = (np.arange(toys)[:, None] * shape[0] + first) * shape[1] + second
    counted = np.bincount(
        flat.ravel(),
        weights=None if weights is None else weights.ravel(),
        minlength=toys * shape[0] * shape[1],
    )
    return counted.reshape(toys, *shape).astype(np.float64)


def exact_probabilities(
    study: Study,
    edges: Sequence[NDArray[np.float64]],
    location: NDArray[np.float64],
    scale: NDArray[np.float64],
) -> tuple[NDArray[np.float64], ...]:
    """Bin probabilities of each observable from the densities' cumulative distributions.

    Args:
        study: Gives the density families.
        edges: Edges of each observable; the outermost bins are open.
        location: Shape (points, observables).
        scale: Shape (points, observables).

    Returns:
        One array of shape (points, bins) per observable; rows sum to 1.
    """
    result: list[NDArray[np.float64]] = []
    for o, member in enumerate(study.families):
        inner = (edges[o][1:-1] - location[:, o, None]) / scale[:, o, None]
        result.append(np.diff(member.cdf(inner), axis=1, prepend=0.0, append=1.0))
    return tuple(result)
