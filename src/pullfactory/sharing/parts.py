"""What corrected errors are made of, and corrected pulls of nuisance parameters.

With u the column of U of the parameter of interest, C the covariance of the scores of the counts
and K that of the auxiliary scores, its variance is u^T C u + u^T K u: statistics, one part for each
constraint or for those together that are correlated, and one for all gammas, whose scores are
correlated where channels share simulated events. The estimate of a nuisance less its auxiliary
value has the variance V + Sigma - 2 U, where the fit claims Sigma - U.
"""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from pullfactory.inference.error_part import Part
from pullfactory.sharing.answer import Answer
from pullfactory.sharing.point import Point


def error_parts(point: Point, answer: Answer, gammas: Collection[int]) -> tuple[Part, ...]:
    """Parts of the corrected error of the parameter of interest, the largest nuisance first.

    Args:
        point: Of the workspace.
        answer: Of events.
        gammas: Positions of gammas.

    Returns:
        Nothing where there is no parameter of interest, or the variance is not positive.
    """
    poi = point.likelihood.poi
    if poi is None:
        return ()
    k = point.parameters.index(poi)
    if not np.isfinite(answer.whole.factor[k]):
        return ()
    column, pulls = point.inverse[:, k], point.pulls[:, k]
    counted = float(pulls**2 @ point.rates + pulls @ answer.joint @ pulls)
    own = column**2 * point.constraint
    measured = dict(_measured(point, column, own, gammas))
    simulated = float(sum(own[i] for i in gammas) + column @ answer.gammas @ column)
    parts = [
        Part(source="statistics", parameter=None, size=_root(counted)),
        *(
            Part(source="nuisance", parameter=name, size=_root(square))
            for name, square in sorted(measured.items(), key=lambda each: -each[1])
        ),
        Part(source="templates", parameter=None, size=_root(simulated)),
    ]
    return tuple(part for part in parts if part.size > 0)


def _measured(
    point: Point, column: NDArray[np.float64], own: NDArray[np.float64], gammas: Collection[int]
) -> Iterator[tuple[str, float]]:
    """Squares of the parts of auxiliary measurements, those together that are correlated."""
    coupled = [k for k in dict.fromkeys(point.likelihood.coupled) if point.moving[k]]
    for k in np.flatnonzero(own):
        if k not in gammas and k not in coupled:
            yield point.parameters[k], float(own[k])
    if coupled:
        beyond = float(column @ point.likelihood.coupled_information @ column)
        yield "+".join(point.parameters[k] for k in coupled), float(own[coupled].sum()) + beyond


def pulls_of(point: Point, answer: Answer | None) -> NDArray[np.float64]:
    """Estimate less auxiliary value over its spread, claimed and corrected.

    Args:
        point: Of the workspace.
        answer: Of events, or None.

    Returns:
        Shape (2, parameters); NaN for what has no constraint, or does not move, and the corrected
        ones without events.
    """
    likelihood = point.likelihood
    at = np.array(likelihood.aux_index, dtype=int)
    value = np.full(len(point.theta), np.nan)
    value[at] = likelihood.observed[likelihood.n_main :] / likelihood.aux_factor
    usable = point.moving & (point.constraint > 0)
    prior = 1.0 / np.where(usable, point.constraint, np.nan)
    claimed = np.diag(point.inverse)
    actual = np.full_like(claimed, np.nan)
    if answer is not None:
        known = np.isfinite(answer.whole.factor)
        actual = np.where(known, np.diag(answer.whole.covariance), np.nan)
    variances = np.stack([prior - claimed, actual + prior - 2.0 * claimed])
    positive = variances > 1e-9 * prior
    spread = np.sqrt(np.where(positive, variances, np.nan))
    return np.asarray((point.theta - value) / spread, dtype=np.float64)


def _root(square: float) -> float:
    return float(np.sqrt(max(square, 0.0)))
