"""The largest factors that events in several channels can make, without any event.

The estimate of a parameter is moved by the counts of each channel, with variance v_c as the fit
has it. Counts of two channels that share events have a covariance that by Cauchy and Schwarz is at
most sqrt(v_c v_c'), so the variance is at most (sum over channels of sqrt(v_c))^2 instead of the
sum of v_c. The same holds for gammas of channels whose templates share simulated events.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.sharing.point import Point


class Largest(NamedTuple):
    """Largest factors of the claimed errors, each of shape (parameters,); NaN for what is held.

    Attributes:
        counts: If channels share events of the data.
        simulated: If their templates share simulated events too.
    """

    counts: NDArray[np.float64]
    simulated: NDArray[np.float64]


def largest_factors(
    point: Point, gammas: Mapping[int, int], disjoint: Iterable[str] = ()
) -> Largest:
    """How wrong claimed errors can be at most.

    Args:
        point: Of the workspace.
        gammas: Bin of each gamma, from `gamma_bins`.
        disjoint: Channels that share no event with another.
    """
    names = [name for name, _ in point.likelihood.channels]
    apart = np.isin(names, list(disjoint))
    variance = np.diag(point.inverse)
    claimed = np.where(point.moving, variance, np.nan)
    by_channel = np.zeros((len(names), len(claimed)))
    np.add.at(by_channel, point.channel, point.rates[:, None] * point.pulls**2)
    of_gammas = np.zeros_like(by_channel)
    for k, b in gammas.items():
        of_gammas[point.channel[b]] += point.constraint[k] * point.inverse[k] ** 2
    counts = _cross(by_channel[~apart]) / claimed
    simulated = counts + _cross(of_gammas[~apart]) / claimed
    return Largest(np.sqrt(1.0 + counts), np.sqrt(1.0 + simulated))


def _cross(variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the largest covariances add; exactly 0 for a single channel that counts."""
    roots = np.sqrt(variances)
    total = np.zeros(variances.shape[1])
    for i, root in enumerate(roots):
        total += 2.0 * root * roots[:i].sum(axis=0)
    return total
