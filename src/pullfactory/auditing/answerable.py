"""Whether an audit has an answer at all, and what that rests on."""

from collections.abc import Sequence

from pullfactory.auditing.finding import Finding
from pullfactory.inference.goodness import Goodness

_FIT = "goodness"  # told with its numbers
_NOISE = "noise_in_slopes"
_CURVE = "calibration_curve"
_NAMED = 3


def withheld_by(goodness: Goodness | None, gate: Sequence[Finding]) -> str | None:
    """Why there is no answer, without a full stop; None where there is one.

    Args:
        goodness: Whether the model fits the data; None without data.
        gate: What was found.
    """
    if goodness and goodness.withheld:
        return goodness.withheld
    unmeasured = (one for one in gate if one.cause == "unmeasured")
    return next((f"{one.place}: {one.text.rstrip('.')}" for one in unmeasured), None)


def doubts_on(
    goodness: Goodness | None, gate: Sequence[Finding], *, noise_known: bool = False
) -> tuple[str, ...]:
    """What an answer rests on, each in a clause.

    Args:
        goodness: Whether the model fits the data; None without data.
        gate: What was found.
        noise_known: Whether the answer takes the noise of the slopes into account.
    """
    known = {_FIT, _NOISE} if noise_known else {_FIT}
    fit = (goodness.doubt,) if goodness and goodness.doubt else ()
    warned = [one for one in gate if one.level == "warn" and one.cause not in known]
    curved = [one.place.removeprefix("parameter.") for one in warned if one.cause == _CURVE]
    if curved:
        slope = f"the slope of {', '.join(curved)} is not known"
        fit = (*fit, f"{slope}: fits of halves of the events have another than the formula")
    places = dict.fromkeys(one.place for one in warned if one.cause != _CURVE)
    if not places:
        return fit
    more = len(places) - _NAMED
    named = ", ".join(list(places)[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (*fit, f"only if what is warned of is meant so ({named})")
