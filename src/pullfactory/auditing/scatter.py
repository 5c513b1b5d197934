"""How sums over the simulated events of the nominal templates scatter.

The templates of all channels are made of the same events: their contents are correlated as the
counts of data events are, with sums of squared weights.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import ExpectedSample
from pullfactory.likelihoods.channels import Channels, PairCounts


def template_scatter(
    nominal: Sequence[ExpectedSample], channels: Channels, slopes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Covariance of the contents of the nominal templates, multiplied by slopes on either side.

    Where a sample stands for a given number of events, its sum of weights does not scatter.

    Args:
        nominal: The nominal samples.
        channels: Where the bins of each observable are.
        slopes: Of any numbers with respect to the contents, shape (bins, numbers).

    Returns:
        Shape (numbers, numbers).
    """
    counts: list[NDArray[np.float64]] = [np.zeros((1, len(each) - 1)) for each in channels.edges]
    pairs: dict[tuple[int, int], NDArray[np.float64]] = {}
    known = np.zeros(2 * slopes.shape[1:])
    for sample in nominal:
        if sample.normalised is not None:
            known += _known(sample, channels, slopes)
        own, square = sample.read.counts, sample.factor**2
        for o, each in enumerate(own.squares):
            counts[o] = counts[o] + square * each
        for key, joint in own.pair_squares.items():
            pairs[key] = pairs.get(key, 0.0) + square * joint[None]
    free = Channels(edges=channels.edges, slices=channels.slices, centred=False, partial=True)
    return np.asarray(free.scatter(slopes[None], PairCounts(tuple(counts), pairs))[0] - known)


def _known(
    sample: ExpectedSample, channels: Channels, slopes: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What does not scatter of a sample whose sum of weights is known.

    With slopes s and weights w of its events, and m the mean of s, it is the sum of w^2 s s^T
    less that of w^2 (s - m) (s - m)^T.
    """
    read, factor = sample.read, sample.factor
    weight, square = np.empty(len(slopes)), np.empty(len(slopes))
    for o, groups in enumerate(read.counts.channels):
        weight[channels.slices[o]] = factor * groups.sum(axis=0)
        square[channels.slices[o]] = factor**2 * read.counts.shared[o]
    total = factor * read.counts.events.sum()
    squares = factor * total * read.check.weight / read.check.effective
    mean, cross = slopes.T @ weight / total, slopes.T @ square
    product = np.outer(mean, cross)
    return np.asarray(product + product.T - squares * np.outer(mean, mean))
