"""Events of several observables counted in channels, and the covariance of their counts.

The channels hold the same events, so counts of different channels are correlated. For a fixed
number N of events the covariance of the counts in bins a and b of two channels is
N (p_ab - p_a p_b), for a Poisson number N p_ab; within a channel p_ab is p_a on the diagonal.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pullfactory.calibration.binning import count_pairs, find_bins
from pullfactory.events import row_pairs
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock

__all__ = ["Channels", "PairCounts"]


class PairCounts(NamedTuple):
    """Counts of toys in all channels, and in all pairs of channels.

    Attributes:
        counts: One array of shape (toys, bins) per channel.
        joint: For each pair of channels the joint counts, shape (toys, bins, bins). Where several
            rows belong to one event, pairs of its rows too: of one channel with itself each once,
            of two channels both ways.
        events: Number of events, shape (toys,); None if every event is in every channel.
    """

    counts: tuple[NDArray[np.float64], ...]
    joint: dict[tuple[int, int], NDArray[np.float64]]
    events: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Channels:
    """The channels of one model that count the same events.

    Attributes:
        edges: Bin edges of each observable, in its unit.
        slices: Bins of each observable in the rates of the model.
        centred: Whether the number of events is fixed.
        partial: Whether an event may be in some of the channels only: NaN is in no bin.
    """

    edges: tuple[NDArray[np.float64], ...]
    slices: tuple[slice, ...]
    centred: bool
    partial: bool = False

    def count(self, block: ToyBlock) -> PairCounts:
        """Count a block of toys."""
        weights = block.event_weights
        bins = [find_bins(block.events[..., o], edges) for o, edges in enumerate(self.edges)]
        sizes = [len(edges) - 1 for edges in self.edges]
        if self.partial:
            return self._count_partial(block, bins, sizes)
        joint = {
            (i, j): count_pairs(bins[i], bins[j], (sizes[i], sizes[j]), weights)
            for i, j in itertools.combinations(range(len(bins)), 2)
        }
        if joint:
            return PairCounts(_sums(joint), joint)
        alone = count_pairs(bins[0], np.zeros_like(bins[0]), (sizes[0], 1), weights)
        return PairCounts((alone[..., 0],), joint)

    def _count_partial(
        self, block: ToyBlock, bins: list[NDArray[np.int32]], sizes: list[int]
    ) -> PairCounts:
        """With one more bin for the events that a channel lacks, dropped in the end."""
        weights = block.event_weights
        for o, size in enumerate(sizes):
            bins[o] = np.where(np.isnan(block.events[..., o]), np.int32(size), bins[o])
        nowhere = np.zeros_like(bins[0])
        pairs = PairCounts(
            tuple(
                count_pairs(one, nowhere, (size + 1, 1), weights)[:, :-1, 0]
                for one, size in zip(bins, sizes, strict=True)
            ),
            {
                (i, j): count_pairs(bins[i], bins[j], (sizes[i] + 1, sizes[j] + 1), weights)[
                    :, :-1, :-1
                ]
                for i, j in itertools.combinations(range(len(bins)), 2)
            },
            np.full(len(block.events), float(block.events.shape[1]))
            if weights is None
            else weights.sum(axis=1),
        )
        return pairs if block.owners is None else _with_repeats(pairs, block, bins, sizes)

    def expect(self, population: Population) -> PairCounts:
        """Expected counts of one toy, with a toy axis of length 1."""
        n = population.n_events
        joint = {
            pair: n
            * population.bin_probabilities(pair, (self.edges[pair[0]], self.edges[pair[1]]))[None]
            for pair in itertools.combinations(range(len(self.edges)), 2)
        }
        if joint:
            return PairCounts(_sums(joint), joint)
        below = ndtr(population.normal_scores(0, self.edges[0][1:-1]))
        return PairCounts((n * np.diff(below, prepend=0.0, append=1.0)[None],), joint)

    def scatter(self, log_slopes: NDArray[np.float64], pairs: PairCounts) -> NDArray[np.float64]:
        """Covariance of the score of the counts, J^T Cov(n) J with J = d log(rate) / d theta.

        Args:
            log_slopes: J, shape (toys, bins of all channels, parameters).
            pairs: Counts of the toys.

        Returns:
            Shape (toys, parameters, parameters).
        """
        slopes = [log_slopes[:, where] for where in self.slices]
        scored = [
            counts[:, :, None] * slope for counts, slope in zip(pairs.counts, slopes, strict=True)
        ]
        result = sum(
            slope.transpose(0, 2, 1) @ score for slope, score in zip(slopes, scored, strict=True)
        )
        for (i, j), joint in pairs.joint.items():
            cross = slopes[i].transpose(0, 2, 1) @ joint @ slopes[j]
            result = result + cross + cross.transpose(0, 2, 1)
        if self.centred:
            total = sum(score.sum(axis=1) for score in scored)
            events = pairs.counts[0].sum(axis=1) if pairs.events is None else pairs.events
            outer = total[:, :, None] * total[:, None, :]
            result = result - outer / np.maximum(events, 1.0)[:, None, None]
        return np.asarray(result)


def _with_repeats(
    pairs: PairCounts, block: ToyBlock, bins: list[NDArray[np.int32]], sizes: list[int]
) -> PairCounts:
    """Counts of rows together with those of pairs of rows of one event."""
    assert block.owners is not None
    toys, rows = block.owners.shape
    weights = np.ones((toys, rows)) if block.event_weights is None else block.event_weights
    owners = (np.arange(toys)[:, None] * rows + block.owners).ravel()
    flat, column = weights.ravel(), [one.ravel() for one in bins]
    channels = range(len(bins))
    joint = {
        (i, j): np.zeros((toys, sizes[i] + 1, sizes[j] + 1)) for i in channels for j in channels[i:]
    }
    for one, other in row_pairs(owners):
        weight = flat[one] * flat[other]
        for (i, j), into in joint.items():
            for a, b in ((one, other), (other, one))[: 1 if i == j else 2]:
                np.add.at(into, (a // rows, column[i][a], column[j][b]), weight)
    found = {key: each[:, :-1, :-1] for key, each in joint.items()}
    first = block.owners == np.arange(rows)
    return PairCounts(
        pairs.counts,
        {key: each + pairs.joint.get(key, 0.0) for key, each in found.items()},
        np.sum(first * weights, axis=1),
    )


def _sums(joint: dict[tuple[int, int], NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
    """Counts of each channel from the joint ones."""
    others = [pair for pair in joint if pair[0] == 0]
    return joint[0, 1].sum(axis=2), *(joint[pair].sum(axis=1) for pair in others)
