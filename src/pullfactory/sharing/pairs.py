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
from pullfactory.sharing.gradient import square_gradient
from pullfactory.sharing.point import Point

_BLOCK = 2**22  # numbers held at once
_LEAST = 0.1  # factor below which its error is not divided by it


class Factors(NamedTuple):
    """Errors with what the channels share.

    Attributes:
        factor: Actual over claimed error, shape (parameters,); NaN for what is held, and where the
            variance is not positive.
        covariance: V of the estimates, shape (parameters, parameters).
    """

    factor: NDArray[np.float64]
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


def numbers_in_common(matrix: Filled) -> NDArray[np.int_]:
    """Numbers of events, whatever their weights, in both of two bins, shape (bins, bins).

    Args:
        matrix: Events.
    """
    shared = several(matrix)
    shared.data = np.ones(len(shared.data), dtype=np.int64)
    found = np.asarray((shared.T @ shared).toarray(), dtype=np.int64)
    np.fill_diagonal(found, np.bincount(matrix.indices, minlength=matrix.shape[1]))
    return found


def factors(
    point: Point,
    joint: NDArray[np.float64],
    gammas: NDArray[np.float64] | None = None,
) -> Factors:
    """What pairs of bins do to the errors.

    Args:
        point: Of the workspace.
        joint: Covariance of the counts beside its diagonal, shape (bins, bins).
        gammas: The same of the scores of the auxiliary data, shape (parameters, parameters).
    """
    pulls = point.pulls
    added = pulls.T @ joint @ pulls
    if gammas is not None:
        added = added + point.inverse @ gammas @ point.inverse
    covariance = point.inverse + added
    claimed = np.where(point.moving, np.diag(point.inverse), np.nan)
    square = 1.0 + np.diag(added) / claimed
    return Factors(np.sqrt(np.where(square > 0, square, np.nan)), covariance)


def factor_errors(
    point: Point,
    joint: NDArray[np.float64],
    events: Filled,
    found: Factors,
    counts: Factors,
    *,
    simulated: bool,
) -> NDArray[np.float64]:
    """Standard errors of the factors, shape (parameters,).

    An event of the data moves a factor f by x / (2 f U_kk), because its pairs are counted, and by
    d . U s, because it moves the fitted point, where d are the derivatives of f. The error is the
    root of the sum of squares over all events, with what the auxiliary data add. Simulated events
    do not move the fitted point, whose errors are added as independent.

    Args:
        point: Of the workspace.
        joint: Covariance of the counts beside its diagonal, shape (bins, bins).
        events: That it was made of.
        found: The factors.
        counts: Those without gammas of simulated events.
        simulated: Whether the events are simulated ones.
    """
    power = 0.5 if simulated else 0.0
    slopes = square_gradient(point, joint, counts.factor**2, power=power)
    claimed = np.where(point.moving, np.diag(point.inverse), np.nan)
    own, both = _sums(events, point.pulls, point.pulls @ slopes.T)
    square = own / claimed**2 + np.einsum("kj,kj->k", slopes @ found.covariance, slopes)
    if not simulated:
        square = square + 2.0 * both / claimed
    return np.asarray(np.sqrt(np.maximum(square, 0.0)) / 2.0 / np.maximum(found.factor, _LEAST))


def _sums(
    events: Filled, pulls: NDArray[np.float64], moves: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums over events of x^2, and of x times what they move, both of shape (parameters,)."""
    squares, products = np.zeros((2, pulls.shape[1]))
    for part in _blocks(several(events), pulls.shape[1]):
        x, moved = np.zeros((2, part.shape[0], pulls.shape[1]))
        for sign in _signs(part):
            root = _root(part, sign)
            x += sign * ((root @ pulls) ** 2 - root.multiply(root).tocsr() @ pulls**2)
            moved += sign * (root @ moves)
        squares += np.einsum("ek,ek->k", x, x)
        products += np.einsum("ek,ek->k", x, moved)
    return squares, products


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
