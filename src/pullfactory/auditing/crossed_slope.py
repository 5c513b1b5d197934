"""What slope fits of one half of the simulated events to the other have.

Templates of half the events have twice the noise: to first order their slope is 1 - 2 U noise(H),
with U as half the events make it. Noise that is of first order in either half cancels in the mean
of both crossed fits: in the deviation of the slopes from 1 is left a square,

    -1/2 U d^T r d + 1/2 U (J^T d + d^T J) U J^T d,

of the difference d of the slopes of log rates of both halves, 2 sum_u s_u D_u with s_u = 1 or -1
for the half that unit u is in. Its mean is the sum over units alone; the second term is what noise
in the span of the slopes does, where it is no fake information. Pairs of units are its noise.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.halves import half_signs
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.units import UnitFamily


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossedSlopes:
    """Slopes of crossed fits of halves by formula.

    Attributes:
        expected: Of the estimate of each parameter in the truth of each, shape (parameters,
            parameters).
        closed: The same where templates and pseudo-data are the same events.
        error: What slopes of a parameter's own truth scatter by, shape (parameters,).
    """

    expected: NDArray[np.float64]
    closed: NDArray[np.float64]
    error: NDArray[np.float64]


def crossed_slopes(fit: LinearFit, at: list[int]) -> CrossedSlopes:
    """Slopes of crossed fits of halves, over all ways in which the events are halved.

    Args:
        fit: Of all events.
        at: Positions of the parameters that are wanted.

    Raises:
        numpy.linalg.LinAlgError: If half the events do not tell the parameters apart.
    """
    half = fit.information + fit.noise[0]  # noise of half the events is double
    claimed = np.asarray(np.linalg.inv(half), dtype=np.float64)
    pull = np.where(fit.free, np.diag(fit.penalty), 0.0)
    expected, closed = (
        (np.eye(len(claimed)) - each * pull)[np.ix_(at, at)] for each in (claimed, fit.claimed)
    )
    error = np.zeros(len(at))
    moved = [family.log_slopes for family in fit.units]
    families = list(zip(fit.units, moved, strict=True))
    for i, j in enumerate(at):
        scores = [_score(fit, claimed, j, *family) for family in families]
        for m, k in enumerate(at):
            for score, family in zip(scores, families, strict=True):
                if (column := _column(k, *family)) is not None:
                    expected[i, m] -= 2.0 * np.sum(score * column)
        error[i] = np.sqrt(_scatter(scores, [_column(j, *family) for family in families]))
    return CrossedSlopes(expected=expected, closed=closed, error=error)


def _column(k: int, family: UnitFamily, moved: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """D with respect to one parameter, shape (groups, bins); None if nothing."""
    return None if family.column(k) is None else moved[:, :, list(family.columns).index(k)]


def _score(
    fit: LinearFit,
    claimed: NDArray[np.float64],
    j: int,
    family: UnitFamily,
    moved: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What each group does to an estimate for a unit of log rate, shape (groups, bins).

    Of parameter j: (U D^T r - U (D^T J + J^T D) U J^T)_j.
    """
    own = fit.rates * (moved @ claimed[j, family.columns])
    along = own @ fit.log_slopes
    along[:, family.columns] += np.einsum("b,ubc->uc", fit.slopes @ claimed[j], moved)
    return np.asarray(own - along @ claimed @ fit.slopes.T)


def _scatter(scores: list[NDArray[np.float64]], columns: list[NDArray[np.float64] | None]) -> float:
    """Variance by pairs of groups: 4 sum c_uv^2 q_uv (q_uv + q_vu), q the products.

    c is the mean of s_u s_v over the ways to halve; groups of one number are in the same half.
    """
    signs = half_signs()
    together = (signs.T @ signs / len(signs)) ** 2
    apart = together - np.eye(len(together))
    found = 0.0
    for a, score in enumerate(scores):
        for b, column in enumerate(columns):
            if column is None:
                continue
            product = score @ column.T
            back = np.zeros_like(product)
            if (other := columns[a]) is not None:
                back = (scores[b] @ other.T).T
            found += 4.0 * np.sum((apart if a == b else together) * product * (product + back))
    return max(float(found), 0.0)
