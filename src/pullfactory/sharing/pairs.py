"""What events in several bins do to the covariance of the counts, and to the errors.

An event in bins a and b adds its weight to the covariance of the two counts. With s the sum of the
scores s_b of the bins b that it fills, and u_k the column of U for parameter k, it moves the
estimate by s . u_k. Its part of the variance beyond that of independent bins is
x = (s . u_k)^2 - sum over its bins of (s_b . u_k)^2.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.sharing.filled import Filled, several
from pullfactory.sharing.point import Point

_BLOCK = 2**22  # numbers held at once
_JITTER = 1e-10
_LEAST = 0.1  # factor below which its error is not divided by it


class Factors(NamedTuple):
    """Errors with what the channels share.

    Attributes:
        factor: Actual over claimed error, shape (parameters,); NaN for what is held, and where the
            variance is not positive.
        error: Of the factor, from the number of events, shape (parameters,).
        covariance: V of the estimates, shape (parameters, parameters).
    """

    factor: NDArray[np.float64]
    error: NDArray[np.float64]
    covariance: NDArray[np.float64]


def joint_counts(matrix: Filled) -> NDArray[np.float64]:
    """Sums of the weights of the events in each pair of bins, shape (bins, bins); 0 for a = b.

    An event with two weights counts with the root of their product; with weights of opposite signs
    it is not counted, for it is not in both.

    Args:
        matrix: Events.
    """
    shared = several(matrix)
    found = np.zeros((matrix.shape[1], matrix.shape[1]))
    for sign in _signs(shared):
        root = _root(shared, sign)
        found += sign * np.asarray((root.T @ root).toarray())
    np.fill_diagonal(found, 0.0)
    return found


def factors(
    point: Point,
    joint: NDArray[np.float64],
    events: Filled,
    gammas: NDArray[np.float64] | None = None,
) -> Factors:
    """What pairs of bins do to the errors.

    Args:
        point: Of the workspace.
        joint: Covariance of the counts beside its diagonal, shape (bins, bins).
        events: That it was made of.
        gammas: The same of the scores of the auxiliary data, shape (parameters, parameters).
    """
    pulls = point.pulls
    added = pulls.T @ joint @ pulls
    if gammas is not None:
        added = added + point.inverse @ gammas @ point.inverse
    covariance = point.inverse + added
    claimed = np.where(point.moving, np.diag(point.inverse), np.nan)
    square = 1.0 + np.diag(added) / claimed
    factor = np.sqrt(np.where(square > 0, square, np.nan))
    spread = np.sqrt(_squares(events, pulls)) / (2.0 * claimed)
    return Factors(factor, spread / np.maximum(factor, _LEAST), covariance)


def point_spread(
    point: Point,
    joint: NDArray[np.float64],
    found: Factors,
    rng: np.random.Generator,
    *,
    scaled: bool,
    draws: int = 16,
) -> NDArray[np.float64]:
    """How much the factors change within the errors of the fitted point, shape (parameters,).

    Args:
        point: The fitted one.
        joint: As for `factors`.
        found: At the fitted point.
        rng: Random numbers.
        scaled: Whether pairs follow the rates, as those of simulation do.
        draws: How many points.
    """
    low, high = point.likelihood.bounds.T
    margin = 1e-6 * (high - low)
    root = _root_of(point)
    stretch = np.where(np.isfinite(found.factor), np.maximum(found.factor, 1.0), 1.0)
    seen = []
    for _ in range(draws):
        away = stretch * (root @ rng.standard_normal(len(root)))
        theta = np.clip(point.theta + away, low + margin, high - margin)
        theta = np.where(point.moving, theta, point.theta)
        other = point.moved(theta)
        if other is None:
            continue
        ratio = np.sqrt(other.rates / np.where(point.rates > 0, point.rates, 1.0))
        pairs = joint * np.outer(ratio, ratio) if scaled else joint
        pulls = other.pulls
        cross = np.einsum("bk,bk->k", pulls, pairs @ pulls)
        variance = np.where(point.moving, np.diag(other.inverse), np.nan)
        seen.append(np.sqrt(np.maximum(1.0 + cross / variance, 0.0)))
    if len(seen) < 2:
        return np.full(len(point.theta), np.nan)
    return np.asarray(np.std(seen, axis=0, ddof=1), dtype=np.float64)


def _root_of(point: Point) -> NDArray[np.float64]:
    """A root of U by Cholesky, which rounding changes little, unlike eigenvectors."""
    scale = np.where(point.moving, np.sqrt(np.diag(point.inverse)), 1.0)
    correlation = point.inverse / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0 + _JITTER)  # positive for sure; what is held is not used
    return np.asarray(scale[:, None] * np.linalg.cholesky(correlation), dtype=np.float64)


def _squares(events: Filled, pulls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over events of x^2, shape (parameters,)."""
    total = np.zeros(pulls.shape[1])
    for part in _blocks(several(events), pulls.shape[1]):
        x = np.zeros((part.shape[0], pulls.shape[1]))
        for sign in _signs(part):
            root = _root(part, sign)
            x += sign * ((root @ pulls) ** 2 - root.multiply(root).tocsr() @ pulls**2)
        total += np.einsum("ek,ek->k", x, x)
    return total


def _blocks(matrix: Filled, width: int) -> Iterator[Filled]:
    size = max(_BLOCK // width, 1)
    for start in range(0, matrix.shape[0], size):
        yield matrix[start : start + size]


def _signs(matrix: Filled) -> tuple[float, ...]:
    """Signs that its weights have."""
    return (1.0, -1.0) if (matrix.data < 0).any() else (1.0,)


def _root(matrix: Filled, sign: float) -> Filled:
    """Roots of the weights of one sign, 0 for others."""
    found = matrix.copy()
    found.data = np.sqrt(np.maximum(sign * matrix.data, 0.0))
    return found
