"""What is told of the whole error of each parameter of an audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.linear_fit import LinearFit, is_positive
from pullfactory.auditing.tally import GROUPS
from pullfactory.auditing.units import UnitFamily
from pullfactory.inference.judgement import (
    LEVER,
    TOLERATED_BEND,
    TOLERATED_PULL,
    correlation_matters,
    right_as_it_stands,
)

_MOVED = ("whole_error", "factor", "factor_error", "calibrated_error")
_CORRECTED = (*_MOVED, "factor_infinite", "factor_infinite_error")
_TOLD = ("slope", "slope_error", "simulated_events", *_CORRECTED)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WholeErrors:
    """What the whole error of each parameter is, each of shape (parameters,).

    Attributes:
        parameters: Names.
        slope: What the estimate moves for each unit of truth.
        slope_error: Its error.
        whole_error: Square root of E, in the parameters' units.
        factor: That over the claimed error.
        factor_error: Its error, of the fit with the slopes that it has.
        factor_infinite: What the correlation alone would do with infinite simulation; NaN where
            the noise of the templates hides it.
        factor_infinite_error: Its error.
        calibrated_error: Of an estimate divided by its slope; NaN for constrained parameters.
        simulated_events: Events of the nominal signal sample, others in proportion, at which noise
            makes the error 5 % larger; NaN where that cannot be told.
        usable: Whether there is information beyond the noise of the templates.
        free: Which parameters have no constraint that anyone has measured.
        dragged: By what part of its claimed error an estimate moves with a free parameter that is
            two of its errors away, as noise of the templates makes it.
        bend_shifts: Shifts by the noise of what templates bend by, one step away, over the claimed
            errors, shape (parameters, parameters): of the first by the second.
    """

    parameters: tuple[str, ...]
    slope: NDArray[np.float64]
    slope_error: NDArray[np.float64]
    whole_error: NDArray[np.float64]
    factor: NDArray[np.float64]
    factor_error: NDArray[np.float64]
    factor_infinite: NDArray[np.float64]
    factor_infinite_error: NDArray[np.float64]
    calibrated_error: NDArray[np.float64]
    simulated_events: NDArray[np.float64]
    usable: bool
    free: NDArray[np.bool_]
    dragged: NDArray[np.float64]
    bend_shifts: NDArray[np.float64]

    def bent_by(self, parameter: str) -> tuple[str, float] | None:
        """What moves a parameter by more noise of its bends than is tolerated, and how far.

        Args:
            parameter: Name.
        """
        shifts = self.bend_shifts[self.parameters.index(parameter)]
        worst = int(np.argmax(shifts))
        if shifts[worst] <= TOLERATED_BEND:
            return None
        return self.parameters[worst], float(shifts[worst])

    def told(
        self, parameter: str, *, correctable: bool = True, contradicted: bool = False
    ) -> dict[str, Any]:
        """What a row says of one parameter, with both answers; None for what is not known.

        Args:
            parameter: Name.
            correctable: Whether a corrected error can be right where the workspace does not close.
            contradicted: Whether fits of halves of the events have another slope.
        """
        k = self.parameters.index(parameter)
        found = {key: _finite(getattr(self, key)[k]) for key in _TOLD}
        if not (correctable and self.usable):
            found |= dict.fromkeys(_CORRECTED)
        elif self.bent_by(parameter):
            found |= dict.fromkeys(_MOVED)
        answer = right_as_it_stands(
            *(found[key] for key in ("factor", "factor_error", "slope", "slope_error"))
        )
        if answer in ("yes", "no", "unknown") and self.dragged[k] > TOLERATED_PULL:
            answer = "calibrate" if self.free[k] else "cannot"
        if contradicted:
            answer = "cannot"
        if answer == "cannot":
            found |= dict.fromkeys(_MOVED)
        return {
            **found,
            "answer": answer,
            "correlation": correlation_matters(
                found["factor_infinite"], found["factor_infinite_error"]
            ),
        }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def whole_errors(fit: LinearFit, parameters: Sequence[str], at: Sequence[int]) -> WholeErrors:
    """The whole error of some parameters.

    Args:
        fit: Around the nominal point.
        parameters: Names.
        at: Their positions in the fit.

    Raises:
        CalibrationError: If the parameters are not determined.
    """
    chosen = np.asarray(at, dtype=np.intp)
    slope = told_slopes(fit, chosen)
    factor = np.sqrt(np.diag(fit.whole) / np.diag(fit.claimed))
    infinite, infinite_error = infinite_factor(fit)
    return WholeErrors(
        parameters=tuple(parameters),
        slope=slope,
        slope_error=np.sqrt([fit.slope_scatters[k][k, k] for k in chosen]),
        whole_error=np.sqrt(np.diag(fit.whole))[chosen],
        factor=factor[chosen],
        factor_error=factor_error(fit)[chosen],
        factor_infinite=infinite[chosen],
        factor_infinite_error=infinite_error[chosen],
        calibrated_error=fit.calibrated()[chosen],
        simulated_events=enough_events(fit)[chosen],
        usable=fit.usable,
        free=fit.free[chosen],
        dragged=_dragged(fit)[chosen],
        bend_shifts=fit.bend_shifts[np.ix_(chosen, chosen)],
    )


def _dragged(fit: LinearFit) -> NDArray[np.float64]:
    """By how much free parameters two errors away move others, over claimed errors."""
    away = np.abs(fit.slope - np.diag(np.diag(fit.slope)))
    errors = np.where(fit.free, np.sqrt(np.diag(fit.whole)), 0.0)
    moved = LEVER * np.max(away * errors, axis=1, initial=0.0)
    return np.asarray(moved / np.sqrt(np.diag(fit.claimed)))


def told_slopes(fit: LinearFit, at: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float64]:
    """Slopes of estimates in their own truths, which constraints follow, shape (parameters,).

    Args:
        fit: Around the nominal point.
        at: Positions of the parameters.
    """
    return np.asarray(np.diag(fit.slope + np.diag(np.where(fit.free, 0.0, _pulled(fit))))[at])


def _pulled(fit: LinearFit) -> NDArray[np.float64]:
    """What held auxiliary values take off the slopes, shape (parameters,)."""
    return np.asarray(np.diag(fit.claimed @ np.where(fit.held, fit.penalty, 0.0)))


def factor_error(fit: LinearFit) -> NDArray[np.float64]:
    """Error of sqrt(E_kk / U_kk) with the slopes of log rates as the fit has them.

    What is not known are the true rates and pairs, of which H, C and T are made, and the true
    slopes behind A: (a + x)^2 with the Gaussian x of variance s has the variance 4 a^2 s + 2 s^2.
    To draw the slopes again would be another fit, not an error of this one.

    Args:
        fit: Around the nominal point.

    Returns:
        Shape (parameters,).
    """
    claimed, total = fit.claimed, fit.sampling
    size, square = np.diag(claimed), np.diag(fit.whole) / np.diag(claimed)
    correlated = np.diag(claimed @ fit.scatter @ claimed)
    more = 1.0 + np.diag(claimed @ fit.redrawn @ claimed) / np.maximum(
        correlated, np.finfo(float).eps * size
    )
    away = fit.slope - np.eye(len(size))
    moved = [np.zeros((GROUPS, len(size))) for _ in fit.units]
    for i, (family, change) in enumerate(zip(fit.units, fit.information_units, strict=True)):
        if change is not None and family.scores is not None:
            moved[i] += more * _diagonals(claimed @ family.scores @ claimed)
            moved[i] += square * _diagonals(change @ claimed) - 2.0 * _diagonals(change @ total)
    variance = np.zeros(len(size))
    for along in (move for nuisance in fit.nuisances for move in nuisance.moves):
        far = 2.0 * away @ along
        for i, slopes in enumerate(fit.slope_moves(along)):
            if slopes is not None:
                moved[i] += far * slopes
        variance += far**2 * fit.pair_moves(along)
        variance += 2.0 * np.diag(fit.slope_scatter(along)) ** 2  # of the square of noise
    for each in moved:
        variance += np.sum(each**2, axis=0)
    return np.asarray(np.sqrt(variance / square) / (2.0 * size))


def infinite_factor(fit: LinearFit) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Actual over claimed error with infinite simulation, and its error: correlation alone.

    From H - noise(H) and C - noise(C), without the bins' own factors, which vanish. As it is no
    linear function of these, half the sum over groups of its second differences is taken off.

    Args:
        fit: Around the nominal point.

    Returns:
        Each of shape (parameters,); NaN where the noise of the templates hides it.
    """
    kept = np.flatnonzero(~fit.local)
    inside = np.ix_(kept, kept)
    found, error = (np.full(len(fit.free), np.nan) for _ in range(2))
    information = (fit.information - fit.noise[0])[inside]
    if not is_positive(information):
        return found, error
    score = (fit.scatter - fit.noise[1] + fit.constraints)[inside]
    inverse = np.linalg.inv(information)
    actual, size = np.diag(inverse @ score @ inverse), np.diag(inverse)
    known = actual > 0
    width = np.sqrt(np.where(known, actual, np.nan) / size)
    variance, bias = np.zeros(len(kept)), np.zeros(len(kept))
    for family in fit.units:
        more, scores = _first_order(fit, family, kept)
        change = -inverse @ more @ inverse
        moved = 2.0 * _diagonals(change @ score @ inverse) + _diagonals(inverse @ scores @ inverse)
        variance += np.sum((width / 2 * (moved / actual - _diagonals(change) / size)) ** 2, axis=0)
        up, down = (_widths(information + s * more, score + s * scores) for s in (1.0, -1.0))
        bias += np.sum(up + down - 2.0 * width, axis=0) / 2
    told = np.abs(bias) < width / 2
    found[kept] = np.where(told, width - bias, np.nan)
    error[kept] = np.where(told, np.sqrt(variance), np.nan)
    return found, error


def _widths(information: NDArray[np.float64], score: NDArray[np.float64]) -> NDArray[np.float64]:
    """Actual over claimed errors, shape (..., parameters), from matrices of the same first axes."""
    inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    actual, size = _diagonals(inverse @ score @ inverse), _diagonals(inverse)
    return np.asarray(np.sqrt(np.where(actual > 0, actual, np.nan) / size))


def _first_order(
    fit: LinearFit, family: UnitFamily, kept: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What each group adds to H and C, each of shape (groups, kept, kept)."""
    n_par = len(fit.free)
    moved = np.zeros((GROUPS, len(fit.rates), n_par))
    moved[:, :, family.columns] = family.log_slopes
    moved, slopes = moved[:, :, kept], fit.log_slopes[:, kept]
    information = (fit.rates[:, None] * slopes).T @ moved
    scores = (slopes.T @ fit.counts) @ moved
    information, scores = (each + each.swapaxes(1, 2) for each in (information, scores))
    inside = np.ix_(np.arange(GROUPS), kept, kept)
    if family.information is not None:
        information += family.information[inside]
    if family.scores is not None:
        scores += family.scores[inside]
    if family.learnt is not None:
        information += family.learnt[0][inside]
        scores += family.learnt[1][inside]
    return information, scores


def enough_events(fit: LinearFit, part: float = 0.05) -> NDArray[np.float64]:
    """Simulated events at which their noise makes the error larger by a part of it.

    Noise of slopes and of the nominal templates falls with the number n of events:
    n u^T (noise(C) + Cov(templates)) u / u^T (C - noise(C) + K) u / ((1 + part)^2 - 1), with the
    parameter's row u of (H - noise(H) + P)^-1.

    Args:
        fit: Around the nominal point.
        part: Of the error.

    Returns:
        Events of the nominal signal sample if all samples grow alike, to one digit, shape
        (parameters,); NaN where they cannot be told.
    """
    found = np.full(len(fit.free), np.nan)
    kept = np.flatnonzero(~fit.local)
    inside = np.ix_(kept, kept)
    information = (fit.information - fit.noise[0])[inside]
    if not is_positive(information):
        return found
    inverse = np.linalg.inv(information)
    noise = (fit.template + fit.noise[1])[inside]
    score = (fit.scatter - fit.noise[1] + fit.constraints)[inside]
    noisy, clean = (np.diag(inverse @ each @ inverse) for each in (noise, score))
    events = fit.events * noisy / np.where(clean > 0, clean, np.nan) / ((1 + part) ** 2 - 1)
    found[kept] = [float(f"{n:.0e}") for n in events]
    return found


def _diagonals(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.diagonal(matrices, axis1=-2, axis2=-1))
