"""Learning the map of one observable: damped Gauss-Newton steps, then Newton's, and no seed.

The log density of the events of all points is maximised, with a standard normal prior of each
coefficient, which only decides where the events say nothing. The first steps, damped as by
Levenberg and Marquardt (doi:10.1137/0111030), see a part of the events; what they leave is a few
standard deviations, which Newton's steps square away.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import CalibrationError
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.sums import FlowSample, density_sums

_FEW, _MORE = 2**14, 2**17  # events of each point that the first and the next steps see
_FIRST_STEPS = 200
_LAST_STEPS = 60
_SETTLED = 1e-6
"""Distance to the maximum in units of the log likelihood: a thousandth of a standard deviation."""
_ROUGHLY = 1.0
_NEAR = 0.1
"""Distance at which Newton's step needs no check, which rounding would spoil."""
_DAMPING = 1e-3
_PARTS = tuple(0.25**i for i in range(8))  # of a step: an ascent, if it is short enough
_ROUNDING = 1e-12  # relative, of the log likelihood


class TrainedMap(NamedTuple):
    """A map that is learnt.

    Attributes:
        coefficients: Shape (1 + parameters, size), as in `FlowDensity`.
        hessian: Minus the Hessian of what was maximised by the coefficients of the learnt rows, row
            by row; shape (rows size, rows size).
        weight: Sum of the weights of the events.
    """

    coefficients: NDArray[np.float64]
    hessian: NDArray[np.float64]
    weight: float


class _Place(NamedTuple):
    """What is maximised, with derivatives by the coefficients of the learnt rows."""

    value: float
    gradient: NDArray[np.float64]
    outline: NDArray[np.float64]
    hessian: NDArray[np.float64]


def train_map(
    conditional: Conditional,
    samples: Sequence[FlowSample],
    linear: Sequence[bool],
    start: NDArray[np.float64] | None = None,
) -> TrainedMap:
    """Learn one map.

    Args:
        conditional: The map.
        samples: The points that it is learnt from.
        linear: Whether it changes with each parameter.
        start: Coefficients at 0 to begin with, near the maximum, shape (size,); None for far away.

    Raises:
        CalibrationError: If the events do not determine it.
    """
    rows = [0, *(1 + p for p, changes in enumerate(linear) if changes)]
    found = np.zeros((len(rows), conditional.size))
    if start is None:
        found = _climb(conditional, _first(samples, _FEW), rows, found)
    else:
        found[0] = start
    if max(sample.events for sample in samples) > 2 * _MORE:
        found = _settle(conditional, _first(samples, _MORE), rows, found, _ROUGHLY)[0]
    found, hessian = _settle(conditional, samples, rows, found, _SETTLED)
    full = np.zeros((1 + len(linear), conditional.size))
    full[rows] = found
    return TrainedMap(full, hessian, sum(sample.weight for sample in samples))


def _first(samples: Sequence[FlowSample], events: int) -> list[FlowSample]:
    return [sample.part(slice(0, events)) for sample in samples]


def _climb(
    conditional: Conditional,
    samples: Sequence[FlowSample],
    rows: Sequence[int],
    found: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Damped Gauss-Newton steps, to near the maximum."""
    damping = _DAMPING
    here = _evaluate(conditional, samples, rows, found)
    for _ in range(_FIRST_STEPS):
        matrix = here.outline + damping * np.diag(np.diag(here.outline))
        step = np.linalg.solve(matrix, here.gradient)
        if 0.5 * float(here.gradient @ step) < _ROUGHLY:
            break
        moved = found + step.reshape(found.shape)
        there = _evaluate(conditional, samples, rows, moved)
        if np.isfinite(there.value) and there.value >= here.value:
            found, here = moved, there
            damping /= 10.0
        else:
            damping = max(10.0 * damping, 1e-6)
    return found


def _settle(
    conditional: Conditional,
    samples: Sequence[FlowSample],
    rows: Sequence[int],
    found: NDArray[np.float64],
    enough: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Newton's steps to the maximum and the Hessian there; Gauss's where these lead away."""
    here = _evaluate(conditional, samples, rows, found)
    left = np.inf
    for _ in range(_LAST_STEPS):
        if not np.isfinite(here.value):
            break
        bent = bool(np.linalg.eigvalsh(here.hessian)[0] > 0.0)  # else no maximum is near
        step = np.linalg.solve(here.hessian if bent else here.outline, here.gradient)
        left = 0.5 * float(here.gradient @ step)
        if bent and left < enough:
            return found, here.hessian
        for part in _PARTS:
            moved = found + part * step.reshape(found.shape)
            there = _evaluate(conditional, samples, rows, moved)
            near = bent and left < _NEAR
            if near or there.value >= here.value - _ROUNDING * abs(here.value):
                break
        found, here = moved, there
    raise CalibrationError(
        f"its flow is not determined by the calibration events: {left:.3g} of the log likelihood "
        "are left; use more events, or a smaller flow.degree"
    )


def _evaluate(
    conditional: Conditional,
    samples: Sequence[FlowSample],
    rows: Sequence[int],
    found: NDArray[np.float64],
) -> _Place:
    n, size = found.shape
    value, gradient = -0.5 * float(np.sum(found**2)), -found
    outline, hessian = (np.eye(n * size).reshape(n, size, n, size) for _ in range(2))
    for sample in samples:
        steps = np.array([1.0, *sample.theta])[list(rows)]
        sums = density_sums(conditional, sample, steps @ found)
        value += sums.value
        gradient = gradient + np.outer(steps, sums.gradient)
        blocks = np.outer(steps, steps)[:, None, :, None]
        outline += blocks * sums.outline[None, :, None, :]
        hessian += blocks * sums.hessian[None, :, None, :]
    flat = (n * size, n * size)
    return _Place(value, gradient.ravel(), outline.reshape(flat), hessian.reshape(flat))
