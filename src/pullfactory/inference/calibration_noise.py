"""What the noise of the calibration does to the pulls, without toys.

Every method tells what its fits owe to the calibration (`pullfactory.methods.noise`, which has
the formulas). Shifts and widths are taken to first order in the variance of the noise: a tenth of
the events gives ten times the squared shift.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.described import Count, Rho, Size
from pullfactory.errors import LikelihoodError
from pullfactory.inference.judgement import TOLERATED_NOISE
from pullfactory.methods import method_kind
from pullfactory.methods.noise import (
    MethodNoise,
    NoiseSums,
    Untold,
    constraint_pulls,
    covariance_of_rows,
    typical_truth,
)

Array = NDArray[np.float64]

_UNDETERMINED = "the observables do not determine it"
_LITTLE = 1e-4  # of the variance of the noise, from which is extrapolated


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationNoise:
    """What the noise of one calibration is expected to do to the pulls of one parameter.

    Attributes:
        method: As in the study.
        rho: Correlation that it holds for: where the pulls of the method would have width 1
            without noise, 0 for one that takes the observables as independent.
        parameter: Name.
        shift: Of the mean pull, one standard deviation over calibrations, in fitted errors; None
            where the method cannot tell, also below.
        width: Pull width within one calibration where it would be 1 without noise.
        events_per_point: Events of a calibration point from which on both stay within 10 %.
        reason: Why the method cannot tell; None where it can.
    """

    method: str
    rho: Rho
    parameter: str
    shift: Size | None = None
    width: Size | None = None
    events_per_point: Count | None = None
    reason: str | None = None

    def known(self, shift: float, width: float, events: int) -> Self:
        """The same with its numbers, of a calibration with some events a point, if there are any.

        Args:
            shift: Of the mean pull; NaN where it is not known, also below.
            width: Of the pulls.
            events: Of each calibration point.
        """
        if not (np.isfinite(shift) and np.isfinite(width)):
            return self
        needed = _needed(events, shift, width)
        return replace(self, shift=shift, width=width, events_per_point=needed, reason=None)

    @property
    def tolerable(self) -> bool | None:
        """Whether shift and widening are below 10 % of the error; None where that is unknown."""
        if self.shift is None or self.width is None:
            return None
        return self.shift <= TOLERATED_NOISE and self.width <= 1.0 + TOLERATED_NOISE


def calibration_noise(calibration: Calibration) -> tuple[CalibrationNoise, ...]:
    """Estimate what the noise of a calibration does to the pulls.

    Args:
        calibration: What the fits know. The truth is not looked at.

    Returns:
        One row for each method, rho and parameter: rho = 0 for the methods that take the
        observables as independent, every rho of the scan for the others; none for an exact
        calibration.

    Raises:
        LikelihoodError: If a method tells what is no noise.
    """
    study = calibration.study
    if study.calibration.source == "exact":
        return ()
    theta = typical_truth(study)
    drawn = study.aux_scatter * (study.ensemble.truth == "fixed")
    events = study.calibration.events_per_point
    rows: list[CalibrationNoise] = []
    for method in study.methods:
        kind = method_kind(method)
        for rho in (0.0,) if kind.independent else study.ensemble.rho:
            told = kind.noise(calibration, rho, theta)
            if not isinstance(told, Untold | MethodNoise):
                raise LikelihoodError(
                    f"method {method!r} tells {told!r:.60} of the noise of its calibration; let it "
                    "tell a MethodNoise, or Untold with the reason"
                )
            if isinstance(told, Untold):
                shifts = widths = np.full(len(drawn), np.nan)
                reason = told.reason
            else:
                pull = constraint_pulls(study.aux_centre, told, theta)
                shifts, widths = _propagate(told, pull, drawn)
                reason = _UNDETERMINED
            for name, shift, width in zip(study.parameter_names, shifts, widths, strict=False):
                row = CalibrationNoise(method=method, rho=rho, parameter=name, reason=reason)
                rows.append(row.known(float(shift), float(width), events))
    return tuple(rows)


def _propagate(told: MethodNoise, pull: Array, drawn: Array) -> tuple[Array, Array]:
    """Shift and width of the pulls of each parameter of the fit, averaged over true values.

    Args:
        told: By the method.
        pull: Score of the constraints at these values, shape (points, parameters).
        drawn: Covariance of the score of auxiliary values that are drawn, of the parameters of the
            study.
    """
    sums = NoiseSums.of(told, len(pull), _LITTLE)
    constraint = told.constraint
    measured = np.pad(drawn, (0, len(constraint) - len(drawn)))
    ideal = _squared_widths(sums.data + constraint, sums.data + measured + covariance_of_rows(pull))
    information = sums.data + sums.noise + sums.fake + constraint
    within = sums.data + sums.noise + measured + covariance_of_rows(pull + sums.draw)
    within += sums.spread - sums.common
    draw = sums.draw.mean(axis=0)
    always = sums.common + np.outer(draw, draw) / _LITTLE
    excess = (_squared_widths(information, within) / ideal - 1.0) / _LITTLE
    squared = _squared_widths(information, always)
    shifts = np.sqrt(np.where(squared < 0.0, np.nan, squared) / _LITTLE)  # rounding, if singular
    return shifts, np.sqrt(np.maximum(1.0 + excess, 0.0))


def _squared_widths(information: Array, score: Array) -> Array:
    """Variance of estimates whose score has this covariance, over what the fit claims."""
    claimed = np.linalg.pinv(information, hermitian=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.diag(claimed @ score @ claimed) / np.diag(claimed))


def _needed(events: int, shift: float, width: float) -> int:
    """Events from which on the noise is tolerable, to two digits."""
    widened = (width**2 - 1.0) / ((1.0 + TOLERATED_NOISE) ** 2 - 1.0)
    times = max((shift / TOLERATED_NOISE) ** 2, widened)
    return int(float(f"{max(events * times, 1.0):.2g}"))


def noise_warnings(rows: Sequence[CalibrationNoise], events_per_point: int) -> Iterator[str]:
    """One line for each method that suffers from too few calibration events, or cannot tell.

    Args:
        rows: From `calibration_noise`.
        events_per_point: Events that the calibration has.
    """
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        for reason in dict.fromkeys(row.reason for row in own if row.reason):
            names = ", ".join(dict.fromkeys(row.parameter for row in own if row.reason == reason))
            yield f"calibration noise of {method} pulls of {names} is not known: {reason}"
        if line := _warning(own, events_per_point):
            yield line


def _warning(rows: Sequence[CalibrationNoise], events_per_point: int) -> str | None:
    """What the worst row suffers from; None if none suffers."""
    told = [
        (row.events_per_point, row)
        for row in rows
        if row.events_per_point is not None and not row.tolerable
    ]
    if not told:
        return None
    events, worst = max(told, key=lambda pair: pair[0])
    return (
        f"calibration from {events_per_point} events a point: expect {worst.method} pulls of "
        f"{worst.parameter} shifted by about {worst.shift:.2f}, with width {worst.width:.2f} at "
        f"rho = {worst.rho:g}; use at least {events} events"
    )
