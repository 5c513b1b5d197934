"""What is called right, wrong or unknown: every threshold of judgement, and the judges."""

import math
from typing import Literal

Judgement = Literal["right", "wrong", "unknown"]
Answer = Literal["yes", "no", "calibrate", "cannot", "unknown"]
Matter = Literal["matters", "small", "unknown"]
Agreement = Literal["agrees", "differs", "contradicts"]

SURE = 2.0
"""Standard errors that must fit into what is tolerated for something to be right."""
DISCERNED = 3.0
"""Standard errors that something must be off to be wrong: one in 400 is by chance."""
LIKELY = 1.645
"""Standard errors that a wrong "yes" is away by chance in one of 20 cases."""
CHANCE = 0.0027
"""Probability of what is told of a distribution if it were right, as in 3 standard deviations."""

TOLERATED = 0.05
"""Part of an error up to which it may be wrong and still be called right."""
TOLERATED_SHIFT = 0.1
"""Of the mean pull, up to which nothing is said of it."""
DISTANCE = TOLERATED_SHIFT / math.sqrt(2.0 * math.pi)
"""Of an ECDF from that of a unit Gaussian: what such a shift makes."""
AT_BOUND = 0.01
"""Part of the toys that end at a bound, from which it is told."""

TOLERATED_BIAS = 0.1
"""Of a closing morphing: root mean square bias in units of the error."""
TOLERATED_WIDTH = 0.05
"""Of a closing morphing: difference to the pull width that exact rates have."""
TOLERATED_OFF = 0.1
"""Of an error: where a workspace is farther off, no corrected error is given."""

TOLERATED_DRIFT = 0.05
"""Of an error, by which a density may shift estimates more at one calibration point than at another
of the same events: a wrong shape that loses a sixth of the precision moves them by 0.09."""
REFUSED_SHIFT = 0.5
"""Of an error, from which a density is refused that shifts an estimate by so much for sure."""

TOLERATED_NOISE = 0.1
"""Of the error: shift and widening of the pulls by the noise of a calibration."""
NOISY_TEMPLATES = 0.3
"""Of the claimed error, above which the noise of the templates is told."""
LEAST_SLOPE = 0.7
"""Of an estimate over the truth, below which its templates are too noisy for any answer."""
SLOPE_KNOWN = 0.2
"""Of that slope, the error above which no answer is given."""
NOISY_SLOPE = 0.95
"""Of an estimate over the truth, below which samples farther away are advised."""
FARTHER = 3.0
"""Times as far: noise of the slopes, squared, is a ninth."""
LEVER = 2.0
"""Errors that a truth may be off nominal."""
TOLERATED_PULL = 0.3
"""Of the error, by which a slope may move the estimate at such a truth."""
TOLERATED_BEND = 0.25
"""Of the error, by which noise of bends of templates may move the estimate one step away."""
OTHER_ERROR = 0.1
"""Of the expected claimed error, by which that of a fit of data hardly differs."""
TOLERATED_LOSS = 0.1
"""Part of the information on a parameter that smooth derivatives may lose in an observable."""
FAKE_SENSITIVITY = 0.05
"""Part of a sensitivity that is noise of the templates, above which it is told."""
STARVED = 10.0
"""Effective events in a bin below which its template is mostly noise."""
LEAST_CAUSE = 1 / 3
"""Of a shift that a cause must be expected to make to be named."""

DENSITY_MISFIT = 0.25
"""Squared distance of a density from a template: a bias of at most half an error."""
OTHER_RATE = 0.1
"""Of the nominal rate, by which a sample of other events hardly differs."""
FEWEST_SHARED = 0.9
"""Part of the events of a variation that the nominal sample has."""
UNEVEN_RATE = 0.05
"""Of the nominal rate, by which the mean of up and down hardly differs, of the same events."""
SAME = 1e-7
"""Of the rate of a bin, by which two templates of the same events may differ, as float32 rounds."""
LOPSIDED = 5.0
"""Ratio of the squared responses up and down, above which one side is told."""
FALLING = 0.2
"""Of its own step, by which a parameter lowers an observable of its unit if it is upside down."""
PLACEHOLDERS = 0.01
"""Part of the events with one value far outside all others, above which it stands for none."""
HEAVY = 0.02
"""Effective events for each selected one, below which few of them have nearly all weight."""
MOSTLY = 0.5
"""Part of the events that, outside the edges or in another sample too, is no accident."""
SCATTER_CHANGE = 0.01
"""Relative change of the scatter of counts, from which weights are told."""
BAD_FIT = 0.01
"""p-value of a fit, below which the model does not fit the data."""
FAR_FIT = 4.0
"""Spreads of the toys from which a part of the data that no toy is as far as is no chance."""
MANY_FAILED = 0.05
"""Part of the replicas of data whose fits may fail without a warning."""
HOPELESS_FIT = 1e-6
"""p-value of a chi-square, below which no correlation of channels makes a fit good."""
PULLED = 2.0
"""Widths of its constraint that the data may pull a parameter away."""
PAYS = 1e-3
"""Relative; an observable that lowers an error by less is not worth its work."""

MAY_PAY = 0.01
"""Relative; an observable that may lower an error by more, for all that is known, is not called
worthless."""


def judge_error(factor: float | None, factor_error: float | None) -> Judgement:
    """Whether a claimed error is right within `TOLERATED`, as far as can be told.

    Args:
        factor: Actual over claimed error; None where there is none.
        factor_error: Its standard error, or None.
    """
    if factor is None or factor_error is None:
        return "unknown"
    off = abs(factor - 1.0)
    if off > max(TOLERATED, DISCERNED * factor_error):
        return "wrong"
    return "right" if max(off, SURE * factor_error) <= TOLERATED else "unknown"


def right_as_it_stands(
    factor: float | None,
    factor_error: float | None,
    slope: float | None,
    slope_error: float | None,
) -> Answer:
    """Whether a claimed error is right as it stands, noise of the templates included.

    "calibrate": the estimate must be divided by its slope; "cannot": the templates are too noisy
    to tell; "unknown": within the errors it may be right or wrong.

    Args:
        factor: Whole over claimed error; None where the templates have nothing but noise.
        factor_error: Its standard error, or None.
        slope: Of the estimate over the truth, or None.
        slope_error: Its standard error, or None.
    """
    if factor is None or factor_error is None or slope is None or slope_error is None:
        return "cannot"
    if slope < LEAST_SLOPE or slope_error > SLOPE_KNOWN:
        return "cannot"
    if LEVER * (1.0 - slope) > TOLERATED_PULL:
        return "calibrate"
    off, moved = abs(factor - 1.0), abs(1.0 - slope)
    if (
        off + LIKELY * factor_error <= TOLERATED
        and LEVER * (moved + LIKELY * slope_error) <= TOLERATED_PULL
    ):
        return "yes"
    return "no" if off - DISCERNED * factor_error > TOLERATED else "unknown"


def correlation_matters(factor: float | None, factor_error: float | None) -> Matter:
    """Whether correlation alone makes a claimed error wrong, as with infinite simulation.

    Args:
        factor: Actual over claimed error without noise of the templates; None where that hides it.
        factor_error: Its standard error, or None.
    """
    if factor is None or factor_error is None:
        return "unknown"
    off = abs(factor - 1.0)
    if off - DISCERNED * factor_error > TOLERATED:
        return "matters"
    return "small" if off + LIKELY * factor_error <= TOLERATED else "unknown"


def curve_agrees(slope: float, error: float, expected: float, closed: float) -> Agreement:
    """Whether a slope that was measured is the one that is expected.

    What is expected is of first order in the noise of the templates: the square of what noise takes
    off is allowed beside the error. "contradicts": it is off for sure, and by so much that an
    estimate of a truth `LEVER` errors off nominal is moved by more than is tolerated of a slope.

    Args:
        slope: Measured.
        error: Its standard error.
        expected: By formula.
        closed: The same without noise.
    """
    off = abs(slope - expected)
    if off <= DISCERNED * error + (closed - expected) ** 2:
        return "agrees"
    return "contradicts" if LEVER * off > TOLERATED_PULL else "differs"


def is_shifted(mean: float | None, error: float | None) -> bool:
    """Whether pulls are shifted by more than is tolerated, and than chance would do.

    Args:
        mean: Their mean; None where there is none.
        error: Its standard error, or None.
    """
    if mean is None or error is None:
        return False
    return abs(mean) > max(TOLERATED_SHIFT, DISCERNED * error)


def judge_shift(shift: float, error: float, tolerated: float = TOLERATED_BIAS) -> Judgement:
    """Whether a shift of estimates is none, as far as can be told.

    Args:
        shift: In errors of the fit; NaN where there is no fit.
        error: Its standard error.
        tolerated: From where it is one, if it is no chance.
    """
    off = abs(shift)
    if not off <= max(tolerated, DISCERNED * error):
        return "wrong"
    return "right" if max(off, SURE * error) <= TOLERATED_BIAS else "unknown"


def judge_excess(excess: float, error: float) -> Judgement:
    """Whether an error is hardly larger than it has to be, as far as can be told.

    Args:
        excess: Over what it could be; NaN where that is not known.
        error: Its standard error.
    """
    above = excess - 1.0
    if above > max(TOLERATED, DISCERNED * error):
        return "wrong"
    return "right" if max(above, SURE * error) <= TOLERATED else "unknown"
