"""Events of several observables counted in channels, and the covariance of their counts.

The channels hold the same events, so counts of different channels are correlated. For a fixed
number N of events the covariance of the counts in bins a and b of two channels is
N (p_ab - p_a p_b), for a Poisson number N p_ab; within a channel p_ab is p_a on the diagonal.
Counts of weighted events have sums of squared weights instead of N p_ab; what a fixed number of
events takes off is the product of two sums of weights over that number. Where an event has several
rows, its weight in a bin is that of its rows there.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pullfactory.binning.edges import count_pairs, find_bins
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock


class PairCounts(NamedTuple):
    """Counts of toys in all channels, and in all pairs of channels.

    Attributes:
        counts: Sums of weights, one array of shape (toys, bins) per channel.
        joint: For each pair of channels the sums of products of the weights that events have in
            two bins, which are joint counts where there are no weights; shape (toys, bins, bins).
            Where several rows may belong to one event, those of pairs of its rows too: of one
            channel with itself each pair once, of two channels both ways.
        events: Number of independent events, shape (toys,); None if it is that of the first
            channel.
        squares: Sums over rows of squared weights, like `counts`; None if they are the counts.
    """

    counts: tuple[NDArray[np.float64], ...]
    joint: dict[tuple[int, int], NDArray[np.float64]]
    events: NDArray[np.float64] | None = None
    squares: tuple[NDArray[np.float64], ...] | None = None


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
        """Count a block of toys.

        Args:
            block: Toys with events of shape (toys, events, observables).
        """
        bins = [find_bins(block.events[..., o], edges) for o, edges in enumerate(self.edges)]
        sizes = [len(edges) - 1 for edges in self.edges]
        inside = slice(None)
        if self.partial:  # one more bin for the events that a channel lacks, dropped in the end
            for o, size in enumerate(sizes):
                bins[o] = np.where(np.isnan(block.events[..., o]), np.int32(size), bins[o])
                sizes[o] += 1
            inside = slice(-1)
        sums, variances = block.sums, block.variances
        joint = {
            (i, j): count_pairs(bins[i], bins[j], (sizes[i], sizes[j]), variances)
            for i, j in itertools.combinations(range(len(bins)), 2)
        }
        squares = _sums(joint) if joint else _alone(bins, sizes, variances)
        counts = squares if variances is sums else _alone(bins, sizes, sums)
        for pair, repeated in count_repeats(block, bins, sizes).items():
            joint[pair] = joint.get(pair, 0.0) + repeated
        return PairCounts(
            tuple(each[:, inside] for each in counts),
            {pair: each[:, inside, inside] for pair, each in joint.items()},
            block.numbers,
            None if counts is squares else tuple(each[:, inside] for each in squares),
        )

    def expect(self, population: Population) -> PairCounts:
        """Expected counts of one toy, with a toy axis of length 1.

        Args:
            population: What its events are distributed like.
        """
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
        scored = _scored(pairs.counts if pairs.squares is None else pairs.squares, slopes)
        result = sum(
            slope.transpose(0, 2, 1) @ score for slope, score in zip(slopes, scored, strict=True)
        )
        for (i, j), joint in pairs.joint.items():
            cross = slopes[i].transpose(0, 2, 1) @ joint @ slopes[j]
            result = result + cross + cross.transpose(0, 2, 1)
        if self.centred:
            weighed = scored if pairs.squares is None else _scored(pairs.counts, slopes)
            total = sum(score.sum(axis=1) for score in weighed)
            events = pairs.counts[0].sum(axis=1) if pairs.events is None else pairs.events
            outer = total[:, :, None] * total[:, None, :]
            result = result - outer / np.where(events > 0, events, 1.0)[:, None, None]
        return np.asarray(result)


def count_repeats(
    block: ToyBlock, bins: Sequence[NDArray[np.integer]], sizes: Sequence[int]
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Count pairs of different rows of one event in pairs of bins, as in `PairCounts.joint`.

    Args:
        block: Toys.
        bins: Of the rows in each channel, shape (toys, events).
        sizes: Number of bins of each.

    Returns:
        For each pair of channels, each with itself too; empty where every row is an event.
    """
    if block.owners is None:
        return {}
    toys, rows = block.owners.shape
    column = [each.ravel() for each in bins]
    channels = itertools.combinations_with_replacement(range(len(bins)), 2)
    found = {(i, j): np.zeros((toys, sizes[i], sizes[j])) for i, j in channels}
    for one, other, weight in block.row_pairs():
        for (i, j), into in found.items():
            for a, b in ((one, other), (other, one))[: 1 if i == j else 2]:
                at = (a // rows, column[i][a], column[j][b])
                np.add.at(into.reshape(-1), np.ravel_multi_index(at, into.shape), weight)
    return found


def _scored(
    counts: tuple[NDArray[np.float64], ...], slopes: list[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    return [each[:, :, None] * slope for each, slope in zip(counts, slopes, strict=True)]


def _sums(joint: dict[tuple[int, int], NDArray[np.float64]]) -> tuple[NDArray[np.float64], ...]:
    """Counts of each channel from the joint ones."""
    others = [pair for pair in joint if pair[0] == 0]
    return joint[0, 1].sum(axis=2), *(joint[pair].sum(axis=1) for pair in others)


def _alone(
    bins: list[NDArray[np.int32]], sizes: list[int], weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], ...]:
    """Counts of each channel."""
    nowhere = np.zeros_like(bins[0])
    return tuple(
        count_pairs(one, nowhere, (size, 1), weights)[..., 0]
        for one, size in zip(bins, sizes, strict=True)
    )
