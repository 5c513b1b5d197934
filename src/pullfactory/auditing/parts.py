"""What the whole error of a parameter is made of: parts that add in quadrature.

With U, C, K, T, A and Sigma of `linear_fit`, an estimate c . theta has the error c^T E c, which is

    statistics              c^T U C U c,
    auxiliary measurement   (c^T U)_k^2 K_kk, the impact of its global observable (Pinto et al.,
                            arXiv:2307.04007); of blocks where K is not diagonal; of a value that
                            is held (c^T (A - 1 - U P))_k^2 Sigma_k,
    leakage                 (c^T (A - 1))_k^2 Sigma_k and what A is off by chance: noise of the
                            templates of a nuisance that its truth moves estimates with,
    templates               c^T T c,

and nothing else, so that they add up exactly. Impacts of the usual kind, the shift of an estimate
with a nuisance moved by its error after the fit, do not. Where an estimate is divided by its slope
c is the parameter's row of A^-1 over the free parameters, and

    slope                   sum over free j of x_j^2 c^T Cov(A_j) c

is added for free parameters at x. All matrices are those at the nominal point.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.inference.error_part import Part, Source

_Square = tuple[Source, str | None, float]


def direction(fit: LinearFit, k: int, *, calibrated: bool) -> NDArray[np.float64]:
    """What an estimate is made of: c, so that it is c . theta.

    Args:
        fit: Around the nominal point.
        k: Position of its parameter.
        calibrated: Whether the free parameters are divided by their slopes; k is one of them.

    Returns:
        Shape (parameters,).
    """
    found = np.zeros(len(fit.free))
    if not calibrated:
        found[k] = 1.0
        return found
    free = np.flatnonzero(fit.free)
    inverse = np.linalg.inv(fit.slope[np.ix_(free, free)])
    found[free] = inverse[int(np.flatnonzero(free == k)[0])]
    return found


def divide_error(
    fit: LinearFit, along: NDArray[np.float64], names: Sequence[str]
) -> tuple[Part, ...]:
    """Parts of the error of an estimate at the nominal point, without those that are nothing.

    Args:
        fit: Around the nominal point.
        along: c of `direction`.
        names: Of all parameters.
    """
    moved = along @ fit.claimed
    found: list[_Square] = [
        ("statistics", None, float(moved @ fit.scatter @ moved)),
        *_auxiliary(fit, moved, names),
        *_truths(fit, along, names),
        ("templates", None, float(moved @ fit.redrawn @ moved)),
    ]
    return tuple(
        Part(source=source, parameter=name, size=float(np.sqrt(square)))
        for source, name, square in found
        if square > 0.0
    )


def _auxiliary(
    fit: LinearFit, moved: NDArray[np.float64], names: Sequence[str]
) -> Iterator[_Square]:
    """Auxiliary measurements, those together that are correlated."""
    number, block = connected_components(fit.auxiliary != 0.0, directed=False)
    local = 0.0
    for each in range(number):
        where = np.flatnonzero(block == each)
        square = float(moved[where] @ fit.auxiliary[np.ix_(where, where)] @ moved[where])
        if fit.local[where].all():
            local += square
        else:
            yield "nuisance", "+".join(names[int(k)] for k in where), square
    yield "templates", None, local


def _truths(fit: LinearFit, along: NDArray[np.float64], names: Sequence[str]) -> Iterator[_Square]:
    """What truths of the nuisances do: held ones as such, of others the noise."""
    for nuisance in fit.nuisances:
        name = "+".join(names[k] for k in nuisance.positions)
        away = sum(float(along @ (fit.slope @ move - move)) ** 2 for move in nuisance.moves)
        chance = sum(float(along @ fit.slope_scatter(move) @ along) for move in nuisance.moves)
        if fit.held[nuisance.positions[0]]:
            yield "nuisance", name, away
            yield "leakage", name, chance
        else:
            yield "leakage", name, away + chance


def slope_variances(fit: LinearFit, along: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance of an estimate divided by its slope for each squared unit of a free parameter.

    Args:
        fit: Around the nominal point.
        along: c of `direction`.

    Returns:
        c^T Cov(A_j) c of the free parameters j, shape (free parameters,).
    """
    return np.array([along @ fit.slope_scatters[j] @ along for j in np.flatnonzero(fit.free)])


def pull_spread(fit: LinearFit, k: int) -> tuple[float, float]:
    """Standard deviation of estimate - auxiliary value of a nuisance: claimed, and actual.

    A fit whose claim is right has Sigma - U; what is claimed wrongly enters both the estimate and
    its covariance with the auxiliary value: E + Sigma K Sigma - 2 U K Sigma, which for auxiliary
    values with the widths of their constraints is E + Sigma - 2 U (Demortier and Lyons, CDF note
    5776, is the case E = U).

    Args:
        fit: Around the nominal point.
        k: Position of the nuisance, which has a constraint.

    Returns:
        In its unit; NaN where there is none.
    """
    prior, claimed, whole = (float(each[k, k]) for each in (fit.prior, fit.claimed, fit.whole))
    if fit.held[k]:  # a = 0, and the truth has the variance of the constraint
        actual = whole + 2.0 * float((fit.slope[k] @ fit.prior)[k] - prior) + prior
    else:
        drawn = fit.auxiliary @ fit.prior[k]
        actual = whole + float(fit.prior[k] @ drawn) - 2.0 * float(fit.claimed[k] @ drawn)
    return _root(prior - claimed), _root(actual)


def _root(square: float) -> float:
    return float(np.sqrt(square)) if square > 0.0 else float("nan")
