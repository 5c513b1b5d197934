"""Toys of whole events at the fitted point: what an event does in one channel it does in others.

Events that fill the same bins are one cell, whose number is Poisson with the sum of their weights,
raked to the fitted rates; an event with different weights in its bins counts with the smallest.
What the cells lack of a rate, in bins that no event fills, is filled by single counts. Auxiliary
values are drawn around the fitted point, correlated as the workspace says, those of gammas with the
covariance of templates that share simulated events.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pullfactory.errors import EventsError
from pullfactory.fitting.information import symmetric_root
from pullfactory.sharing.answer import Answer
from pullfactory.sharing.filled import Filled
from pullfactory.sharing.point import Point
from pullfactory.sharing.raking import raked

_HELD = 2**22  # numbers at once
_NEGATIVE = 0.05  # part of the events in cells of a negative sum, up to which these are left out


def throw_paired(
    point: Point, answer: Answer, toys: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Toys at a point.

    Args:
        point: The fitted one.
        answer: Of the events that share bins.
        toys: How many.
        rng: Random numbers.

    Returns:
        Shape (toys, bins + auxdata).

    Raises:
        EventsError: If too many events that fill the same bins have a negative sum of weights.
    """
    member, expected = _cells(raked(answer.events, point.rates, point.channel))
    if (expected < 0).any():
        expected = _positive(point, member, expected)
    rest = np.maximum(point.rates - member.T @ expected, 0.0)
    size = max(_HELD // max(len(expected), 1), 1)
    counts = np.concatenate(
        [
            (member.T @ rng.poisson(expected, (min(size, toys - first), len(expected))).T).T
            for first in range(0, toys, size)
        ]
    )
    counts = counts + rng.poisson(rest, counts.shape)
    return np.concatenate([counts, _auxiliary(point, answer.gammas, toys, rng)], axis=1)


def _cells(matrix: Filled) -> tuple[Filled, NDArray[np.float64]]:
    """Which bins events fill together, of shape (cells, bins), and how many are expected."""
    kept = matrix[np.flatnonzero(np.diff(matrix.indptr))]
    if not kept.shape[0]:
        return kept, np.zeros(0)
    starts = kept.indptr[:-1]
    low, high = (f.reduceat(kept.data, starts) for f in (np.minimum, np.maximum))
    weight = np.where(low > 0, low, np.where(high < 0, high, 0.0))
    codes = np.random.default_rng(0).integers(2**63, size=kept.shape[1], dtype=np.uint64)
    pattern = np.add.reduceat(codes[kept.indices], starts)
    _, first, which = np.unique(pattern, return_index=True, return_inverse=True)
    expected = np.bincount(which.ravel(), weights=weight)
    member = kept[first]
    member.data = np.ones_like(member.data)
    return member, np.asarray(expected, dtype=np.float64)


def _positive(point: Point, member: Filled, expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected numbers of cells without those of a negative sum, as of a sample fitted below 0."""
    kept = np.maximum(expected, 0.0)
    if kept.sum() - expected.sum() > _NEGATIVE * kept.sum():
        raise EventsError(
            "events that fill the same bins have a negative sum of weights, of which no toys can "
            "be drawn"
        )
    own = sparse.csr_array(member.multiply(kept[:, None]))
    return np.asarray(raked(own, point.rates, point.channel).max(axis=1).toarray()).ravel()


def _auxiliary(
    point: Point, gammas: NDArray[np.float64], toys: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Auxiliary values, shape (toys, auxdata)."""
    likelihood = point.likelihood
    at = np.array(likelihood.aux_index, dtype=int)
    mean = np.asarray(likelihood.expected_aux(point.theta))
    poisson = np.array(likelihood.aux_poisson, dtype=bool)
    noise = rng.standard_normal((toys, len(mean)))
    shared = np.flatnonzero(gammas[at].any(axis=1))
    if len(shared):
        own = at[shared]
        scores = gammas[np.ix_(own, own)] + np.diag(point.constraint[own])
        scale = np.sqrt(point.constraint[own])
        noise[:, shared] = noise[:, shared] @ symmetric_root(scores / np.outer(scale, scale))
    if likelihood.aux_root is not None:
        noise = noise @ likelihood.aux_root.T
    drawn = mean + likelihood.aux_sigma * noise
    return np.where(poisson, rng.poisson(np.where(poisson, mean, 0.0), drawn.shape), drawn)
