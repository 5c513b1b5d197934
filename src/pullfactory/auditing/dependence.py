"""How the observables of an event depend on each other, measured in the nominal events."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import ExpectedSample
from pullfactory.auditing.tally import GROUPS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairDependence:
    """Two observables of the same events; errors are standard errors from the bootstrap.

    Attributes:
        first: Name of one observable.
        second: Name of the other.
        overlap: Part of the expected events that have both, of those that have either.
        events: Events that the correlations are measured with.
        pearson: Pearson's correlation coefficient.
        pearson_error: Its error.
        spearman: Spearman's rank correlation.
        spearman_error: Its error.
        excess: Events in each pair of bins beside those of independent observables, minus 1;
            shape (bins of the first, bins of the second), NaN where none are expected.
        excess_error: Its error.
    """

    first: str
    second: str
    overlap: float
    events: int
    pearson: float | None
    pearson_error: float | None
    spearman: float | None
    spearman_error: float | None
    excess: NDArray[np.float64]
    excess_error: NDArray[np.float64]


def measure_dependence(
    nominal: Sequence[ExpectedSample], observables: Sequence[str], often: NDArray[np.float64]
) -> tuple[PairDependence, ...]:
    """Measure all pairs of observables in the expected events of all processes.

    Correlation coefficients come from the events kept in memory, pairs of bins from all.

    Args:
        nominal: The nominal samples.
        observables: Names.
        often: How often each group of events comes in each replica, shape (replicas, groups).
    """
    rows = _Rows.of(nominal)
    return tuple(
        _measure(rows, nominal, often, first, second)
        for first, second in itertools.combinations(enumerate(observables), 2)
    )


class _Rows(NamedTuple):
    """Nominal events of all processes in memory, weighted to the data, with their groups."""

    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    groups: NDArray[np.intp]

    @classmethod
    def of(cls, nominal: Sequence[ExpectedSample]) -> "_Rows":
        values, weights, groups = [], [], []
        for sample in nominal:
            rows = sample.read.rows
            kept = sample.read.counts.events.sum() / rows.weights.sum()
            values.append(rows.values)
            weights.append(sample.factor * kept * rows.weights)
            groups.append((rows.keys % np.uint64(GROUPS)).astype(np.intp))
        return cls(np.concatenate(values), np.concatenate(weights), np.concatenate(groups))


def _measure(
    rows: _Rows,
    nominal: Sequence[ExpectedSample],
    often: NDArray[np.float64],
    first: tuple[int, str],
    second: tuple[int, str],
) -> PairDependence:
    """Of two observables, each given by its position and its name."""
    (i, one), (j, other) = first, second
    both = np.isfinite(rows.values[:, i]) & np.isfinite(rows.values[:, j])
    x, y = rows.values[both, i], rows.values[both, j]
    weights, groups = rows.weights[both], rows.groups[both]
    pearson = _correlation(x, y, weights, groups, often)
    ranks = [_ranks(column, weights) for column in (x, y)]
    spearman = _correlation(ranks[0], ranks[1], weights, groups, often)
    excess, error, overlap = _excess(nominal, (i, j), often)
    return PairDependence(
        first=one,
        second=other,
        overlap=overlap,
        events=int(both.sum()),
        pearson=pearson[0],
        pearson_error=pearson[1],
        spearman=spearman[0],
        spearman_error=spearman[1],
        excess=excess,
        excess_error=error,
    )


def _ranks(x: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mid-ranks among weighted events, which a replica of the bootstrap takes over."""
    distinct, inverse = np.unique(x, return_inverse=True)
    mass = np.bincount(inverse, weights, len(distinct))
    return np.asarray((np.cumsum(mass) - 0.5 * mass)[inverse])


def _correlation(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    weights: NDArray[np.float64],
    groups: NDArray[np.intp],
    often: NDArray[np.float64],
) -> tuple[float | None, float | None]:
    """Pearson's coefficient and its error; None where there is no spread."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None, None
    a, b = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    products = (np.ones_like(a), a, b, a * a, b * b, a * b)
    sums = np.stack([np.bincount(groups, weights * p, GROUPS) for p in products])

    def coefficient(total: NDArray[np.float64]) -> NDArray[np.float64]:
        n, sa, sb, saa, sbb, sab = total
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray((sab - sa * sb / n) / np.sqrt((saa - sa**2 / n) * (sbb - sb**2 / n)))

    value = float(coefficient(sums.sum(axis=1)))
    error = float(np.std(coefficient(sums @ often.T), ddof=1))
    return (value if np.isfinite(value) else None), (error if np.isfinite(error) else None)


def _excess(
    nominal: Sequence[ExpectedSample], pair: tuple[int, int], often: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Events in pairs of bins beside independence, with errors; and the overlap."""
    i, j = pair
    parts = [(sample.factor, sample.read.counts) for sample in nominal]
    joint = sum(factor * counts.pairs[pair] for factor, counts in parts)
    assert not isinstance(joint, int)

    def excess(table: NDArray[np.float64]) -> NDArray[np.float64]:
        total = table.sum(axis=(-2, -1), keepdims=True)
        alone = table.sum(axis=-1, keepdims=True) * table.sum(axis=-2, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(alone > 0, table * total / alone - 1.0, np.nan))

    drawn = (often @ joint.reshape(GROUPS, -1)).reshape(-1, *joint.shape[1:])
    both = float(joint.sum())
    either = sum(
        factor * float(counts.channels[o].sum()) for factor, counts in parts for o in (i, j)
    )
    overlap = round(both / (either - both), 12) if either > both else 0.0
    return excess(joint.sum(axis=0)), excess(drawn).std(axis=0, ddof=1), overlap
