"""The words of the verdict on a joint density: the answer, its cause and the remedy."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.flows.verdict import Closing
from pullfactory.inference.density_rows import DensityCorner, DensityLevel, DensityShift, LeftOut
from pullfactory.inference.density_sums import Ensemble
from pullfactory.inference.judgement import (
    DISCERNED,
    REFUSED_SHIFT,
    SURE,
    TOLERATED,
    TOLERATED_BIAS,
    TOLERATED_DRIFT,
    judge_error,
    judge_excess,
    judge_shift,
)
from pullfactory.numbers import roughly, rounded

_NAMED = 3  # parameters that a reason names
_MORE = 4  # times as many events, where something lies between right and wrong

Array = NDArray[np.float64]


class Judged(NamedTuple):
    """What a density is judged for.

    Attributes:
        method: As in the study.
        rho: The correlation.
        observables: Names.
        ensemble: What is fitted.
        reach: How far the truth is from nominal, shape (parameters,), in the parameters' units.
        learnt_from: Events of each calibration sample that it was learnt from; None if nobody
            knows.
        freedom: How its shape is let change with a parameter, in words; empty if nobody knows.
    """

    method: str
    rho: float
    observables: tuple[str, ...]
    ensemble: Ensemble
    reach: Array
    learnt_from: int | None
    freedom: str


def answer(
    levels: Sequence[DensityLevel],
    shifts: Sequence[DensityShift],
    corners: Sequence[DensityCorner],
    left_out: Sequence[LeftOut],
    events: int,
    judged: Judged,
) -> tuple[Closing, str | None]:
    """What is said of a density, and why.

    Args:
        levels: One row for each parameter.
        shifts: One row for each point and parameter.
        corners: One row for each point off the axes and parameter.
        left_out: Wald's tests, if there are any.
        events: Held-out events of each point.
        judged: What it is judged for.
    """
    everywhere: list[DensityShift | DensityCorner] = [*shifts, *corners]
    if flat := next((one for one in everywhere if not np.isfinite(one.shift)), None):
        return "refused", (
            f"the information on the parameters is not positive at {flat.point}, so that nothing "
            "can be fitted there; give the density more freedom"
        )
    stays = [(one.level, one.level_error) for one in levels]
    known = [one.counted for one in everywhere if not _is_nominal(one)] + stays
    if cause := _cause(levels, shifts, corners, left_out, judged):
        return ("refused" if _surely(known) > REFUSED_SHIFT else "does not close"), cause
    right = all(judge_shift(*pair) == "right" for pair in known)
    right &= all(judge_error(one.width, one.width_error) == "right" for one in everywhere)
    right &= all(
        judge_excess(one.excess, one.excess_error) == "right"
        for one in levels
        if np.isfinite(one.excess)
    )
    if right:
        return "closes", None
    return "cannot tell", _unknown(known, levels, everywhere, events)


def _is_nominal(row: DensityShift | DensityCorner) -> bool:
    return isinstance(row, DensityShift) and row.along is None


def _cause(
    levels: Sequence[DensityLevel],
    shifts: Sequence[DensityShift],
    corners: Sequence[DensityCorner],
    left_out: Sequence[LeftOut],
    judged: Judged,
) -> str | None:
    """What is wrong, the cause that explains the others first; None if nothing is for sure."""
    wrong = [
        one for one in shifts if one.along and judge_shift(*one.counted, _drift(one)) == "wrong"
    ]
    off = [one for one in levels if judge_shift(one.level, one.level_error) == "wrong"]
    bent = [one for one in corners if judge_shift(*one.counted, TOLERATED_DRIFT) == "wrong"]
    everywhere: list[DensityShift | DensityCorner] = [*shifts, *corners]
    wide = [one for one in everywhere if judge_error(one.width, one.width_error) == "wrong"]
    large = [one for one in levels if judge_excess(one.excess, one.excess_error) == "wrong"]
    wasted = max(large, key=lambda one: one.excess, default=None)
    if wrong and _surely([(one.level, one.level_error) for one in levels]) <= REFUSED_SHIFT:
        return _changing(wrong, left_out, wasted, judged)
    if off:
        return _shifted(max(off, key=lambda one: abs(one.level)), judged)
    if bent:
        return _bent(max(bent, key=lambda one: abs(one.counted[0])))
    if wide:
        return _widened(max(wide, key=lambda one: abs(one.width - 1.0)))
    return None if wasted is None else f"{_wasted(wasted)}; give the density more freedom"


def _drift(row: DensityShift) -> float:
    """What is tolerated: more of other samples, whose noise slopes are learnt with."""
    return TOLERATED_DRIFT if row.paired else TOLERATED_BIAS


def _surely(known: Sequence[tuple[float, float]]) -> float:
    """The largest of some numbers with their errors, as far as it is no chance."""
    return max((abs(size) - DISCERNED * error for size, error in known), default=0.0)


def _changing(
    wrong: Sequence[DensityShift],
    left_out: Sequence[LeftOut],
    wasted: DensityLevel | None,
    judged: Judged,
) -> str:
    """The shape changes with some parameters, the one that moves the most first."""
    ordered = sorted(wrong, key=lambda one: -abs(one.counted[0]))
    along = list(dict.fromkeys(one.along for one in ordered if one.along))
    worst = ordered[0]
    tests = {one.parameter: one for one in left_out}
    told = " and ".join(
        f"{name} (Wald's chi2 {tests[name].chi2:.0f} / {tests[name].dof})"
        if name in tests
        else name
        for name in along[:_NAMED]
    )
    remedy = judged.freedom or f"let its shape, or its response, depend on {along[0]}"
    lost = f", and {_wasted(wasted)}" if wasted else ""
    return (
        f"its shape changes with {told}: at {worst.point} the estimate of {worst.parameter} moves "
        f"by {rounded(worst.difference, worst.difference_error)} errors{lost}; {remedy}"
    )


def _wasted(worst: DensityLevel) -> str:
    return (
        f"the error of {worst.parameter} is at least "
        f"{rounded(worst.excess, worst.excess_error)} times what the events allow"
    )


def _shifted(worst: DensityLevel, judged: Judged) -> str:
    """The same shift everywhere: noise, if it is no larger than that of so many events."""
    times = (worst.level / TOLERATED_BIAS) ** 2
    said = (
        f"it shifts the estimate of {worst.parameter} by "
        f"{rounded(worst.level, worst.level_error)} errors"
    )
    if judged.learnt_from is None:
        return (
            f"{said}; see that the density is normalised at all parameters, give it more freedom, "
            f"or learn it from {roughly(times)} times as many events"
        )
    noise = np.sqrt(judged.ensemble.n_events / judged.learnt_from)
    if abs(worst.level) > DISCERNED * noise:
        return f"{said}, which is more than noise of what it has learnt; give it more freedom"
    needed = roughly(times * judged.learnt_from)
    return f"{said}; it needs {needed} events in each calibration sample"


def _bent(worst: DensityCorner) -> str:
    return (
        f"its shape changes with two parameters at once: at {worst.point} the estimate of "
        f"{worst.parameter} moves by {rounded(worst.extra, worst.extra_error)} errors more than "
        "at either alone; let its shape, or its response, depend on both together, or use closer "
        "calibration points"
    )


def _widened(worst: DensityShift | DensityCorner) -> str:
    return (
        f"pulls of {worst.parameter} at {worst.point} are "
        f"{rounded(worst.width, worst.width_error)} times as wide as with a right density: the "
        "observables depend on each other in another way; give the density more freedom"
    )


def _unknown(
    known: Sequence[tuple[float, float]],
    levels: Sequence[DensityLevel],
    everywhere: Sequence[DensityShift | DensityCorner],
    events: int,
) -> str:
    """More events are needed: for small errors, or to be between right and wrong no more."""
    shift = max(error for _, error in known) / TOLERATED_BIAS
    width = max(one.width_error for one in everywhere) / TOLERATED
    excess = max((one.excess_error for one in levels if np.isfinite(one.excess)), default=0.0)
    times = (SURE * max(shift, width, excess / TOLERATED)) ** 2
    wanted = roughly(events * (times if times > 1.0 else _MORE))
    return f"{events} held-out events a point are too few to tell; take {wanted}"
