"""Whether an audit has an answer at all, and what that rests on."""

from collections.abc import Sequence

from pullfactory.auditing.finding import Finding
from pullfactory.auditing.goodness import Goodness

_FIT = "goodness"  # told with its numbers
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


def doubts_on(goodness: Goodness | None, gate: Sequence[Finding]) -> tuple[str, ...]:
    """What an answer rests on, each in a clause.

    Args:
        goodness: Whether the model fits the data; None without data.
        gate: What was found.
    """
    fit = (goodness.doubt,) if goodness and goodness.doubt else ()
    places = dict.fromkeys(one.place for one in gate if one.level == "warn" and one.cause != _FIT)
    if not places:
        return fit
    more = len(places) - _NAMED
    named = ", ".join(list(places)[:_NAMED]) + (f" and {more} more" if more > 0 else "")
    return (*fit, f"only if what is warned of is meant so ({named})")
