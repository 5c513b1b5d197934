"""The two answers of an audit in words, for terminal and page alike.

Whether the error of a parameter is right as it stands, and whether the correlation matters: they
may differ, where noise of the templates and correlation cancel, and share no word. A row of an
earlier version has neither, and is told by its factor without the noise of the templates.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from pullfactory.inference.judgement import (
    LEAST_SLOPE,
    LEVER,
    LIKELY,
    NOISY_SLOPE,
    SLOPE_KNOWN,
    TOLERATED,
    TOLERATED_PULL,
    Judgement,
    judge_error,
)
from pullfactory.numbers import rounded, significant
from pullfactory.report.verdict import Answer, Mood, listed_names

Numbers = Mapping[str, Any]
"""A row of `errors` of an audit."""

Standing = Literal["right", "small", "large", "calibrate", "noisy", "cannot", "unknown"]
"""How a claimed error is, as it stands."""

BLINDED = "Blinded: estimates have a hidden offset."
NOT_CLOSED = "the workspace does not close"
UNANSWERED = "the answer is withheld"

_EXACT = 0.00355  # error of a factor that is shown in thousandths
_RIGHT = f"right within {TOLERATED:.0%}"
_STANDING: Mapping[Standing, str] = MappingProxyType(
    {
        "right": "right",
        "small": "too small",
        "large": "too large",
        "calibrate": "calibrate",
        "noisy": "too noisy",
        "cannot": "cannot tell",
        "unknown": "unknown",
    }
)
_MOODS: Mapping[Standing, Mood] = MappingProxyType(
    {"right": "good", "small": "bad", "large": "large"}
)
_HEADS: Mapping[Standing, str] = MappingProxyType(
    {
        "right": "Yes",
        "small": "No",
        "large": "No",
        "calibrate": "Not as it stands",
        "noisy": "Not as it stands",
        "cannot": "Cannot be told",
        "unknown": "Perhaps",
    }
)
_CORRELATION = MappingProxyType({"matters": "matters", "small": "minor", "unknown": "unclear"})


def described(
    rows: Sequence[Numbers], parameters: Sequence[Numbers], simulated: int | None
) -> list[dict[str, Any]]:
    """Rows with what their sentences name beside their numbers.

    Args:
        rows: Errors of an audit.
        parameters: As the configuration has them, with name, unit and constraint.
        simulated: Events of the nominal signal sample.
    """
    known = {one["name"]: one for one in parameters}
    return [
        {
            **row,
            "unit": known.get(row["parameter"], {}).get("unit", ""),
            "free": known.get(row["parameter"], {}).get("constraint") == "free",
            "simulated": simulated,
        }
        for row in rows
    ]


def standing_of(row: Numbers) -> Standing:
    """How the claimed error of a row is, as it stands.

    Too small and too large are a wrong one; of a constrained parameter, whose estimate nobody
    divides by its slope, noise of its templates is told instead of "calibrate".

    Args:
        row: Its errors.
    """
    answer = row.get("answer")
    if answer == "yes":
        return "right"
    if answer == "calibrate":
        return "noisy" if row["calibrated_error"] is None else "calibrate"
    if answer in ("cannot", "unknown"):
        return "cannot" if answer == "cannot" else "unknown"
    kind = judgement_of(row)
    if kind == "wrong" or answer == "no":
        return "small" if (row["factor"] if answer else row["inflate_by"]) > 1 else "large"
    return "right" if kind == "right" else "unknown"


def standing_word(row: Numbers) -> str:
    """The first answer in a word or two."""
    return _STANDING[standing_of(row)]


def standing_mood(row: Numbers) -> Mood:
    """Its colour."""
    return _MOODS.get(standing_of(row), "open")


def correlation_word(row: Numbers) -> str:
    """The second answer in a word; nothing where there is none."""
    return _CORRELATION.get(row.get("correlation") or "", "")


def factor_text(factor: float | None, error: float | None) -> str:
    """A factor of an error, whose thousandths nobody needs to know better.

    Args:
        factor: None where there is none.
        error: Its standard error, or None.
    """
    if factor is None or error is None or error >= _EXACT:
        return rounded(factor, error)
    return f"{factor:.3f} ± {max(error, 0.001):.3f}"


def has_numbers(row: Numbers) -> bool:
    """Whether a whole error is quoted: not where the templates are too noisy for any formula.

    Args:
        row: Its errors.
    """
    return row.get("answer") != "cannot"


def slope_matters(row: Numbers) -> bool:
    """Whether a slope may move the estimate by more than is tolerated.

    Args:
        row: With a slope.
    """
    slope, error = row.get("slope"), row.get("slope_error")
    if slope is None or error is None:
        return False
    return bool(LEVER * (abs(1.0 - slope) + LIKELY * error) > TOLERATED_PULL)


def poi_first(rows: Sequence[Any], poi: str) -> list[Any]:
    """Rows of a table, in each method that of the parameter of interest first.

    Args:
        rows: Plain data.
        poi: The parameter of interest.
    """
    methods = list(dict.fromkeys(row["method"] for row in rows))
    return sorted(rows, key=lambda row: (methods.index(row["method"]), row["parameter"] != poi))


def change_of(row: Numbers) -> str:
    """What would change the answers of a row, in a clause; nothing where nothing needs to.

    Args:
        row: Its errors.
    """
    if row.get("reason") or not row.get("answer"):
        return ""
    kind, more = standing_of(row), _more_events(row)
    if kind == "right":
        return _change_of_right(row, more)
    if kind in ("small", "large"):
        return _change_of_wrong(row, more)
    if kind == "calibrate":
        divide = f"divide the estimate by {rounded(row['slope'], row['slope_error'])}"
        return f"{divide}, or {more}{_farther(row)}"
    return f"{more}{_farther(row)}"


def _change_of_right(row: Numbers, more: str) -> str:
    if row["correlation"] == "unknown":
        return f"whether the correlation matters: {more}"
    infinite = factor_text(row["factor_infinite"], row["factor_infinite_error"])
    with_more = f"with more simulation it becomes wrong: then multiply it by {infinite}"
    return with_more if row["correlation"] == "matters" else ""


def _change_of_wrong(row: Numbers, more: str) -> str:
    multiply = f"multiply it by {factor_text(row['factor'], row['factor_error'])}"
    if row["correlation"] == "small":
        return f"{multiply}, or {more}"
    if row["factor_infinite"] is None:
        return multiply
    infinite = factor_text(row["factor_infinite"], row["factor_infinite_error"])
    return f"{multiply}; with more simulation it goes to {infinite}"


def _farther(row: Numbers) -> str:
    """What mass points may do for a free parameter with a noisy slope."""
    noisy = row.get("free") and row["slope"] is not None and row["slope"] < NOISY_SLOPE
    return ", or samples three times as far from nominal" if noisy else ""


def _more_events(row: Numbers) -> str:
    """How many simulated events make the noise of the templates small."""
    enough, simulated = row["simulated_events"], row.get("simulated")
    if enough is None or (simulated and enough <= simulated):
        return f"more simulated events{f' than {simulated}' if simulated else ''}"
    return f"{enough:.0f} simulated events{f' instead of {simulated}' if simulated else ''}"


def audit_answer_of(
    rows: Sequence[Numbers],
    poi: str,
    where: str = "",
    *,
    withheld: str | None = None,
    doubts: Sequence[str] = (),
    refused: bool = False,
) -> Answer:
    """The answer for one method, without a full stop.

    Args:
        rows: Its errors, one per parameter, as `described` leaves them or as they are.
        poi: The parameter of interest, which is told of first.
        where: What it holds for, such as "with the binned fit"; nothing where that is clear.
        withheld: Why there is no answer; None where there is one.
        doubts: What the answer rests on, each in a clause.
        refused: Whether the fit of the data is refused.
    """
    if withheld:
        return Answer(text=f"Cannot be told: {withheld}", mood="bad" if refused else "open")
    own = next((row for row in rows if row["parameter"] == poi), None)
    if own is None or own.get("reason") or not own.get("answer"):
        answer = _answer_of_errors(rows, poi, where)
    else:
        answer = _two_answers(own, rows, where)
    if doubts:
        mended = "open" if answer.mood == "good" else answer.mood
        return Answer(text=f"{answer.text}; but {' and '.join(doubts)}", mood=mended)
    return answer


def _two_answers(own: Numbers, rows: Sequence[Numbers], where: str) -> Answer:
    """The answers on the parameter of interest, which the other parameters do not flip."""
    kind = standing_of(own)
    told = [f"{_HEADS[kind]}: {f'{where}, ' if where else ''}{_stands(own)}"]
    if kind in ("noisy", "cannot", "unknown"):
        told.append(f"what would tell: {_more_events(own)}{_farther(own)}")
    told.append(_correlates(own))
    others = [
        f"{row['parameter']} ({standing_word(row)})"
        for row in rows
        if row is not own and standing_of(row) != "right"
    ]
    if others:
        told.append(f"beside it: {listed_names(others)}")
    return Answer(text="; ".join(told), mood=standing_mood(own))


def _stands(row: Numbers) -> str:
    """How the claimed error of a parameter is, without a head."""
    kind, name = standing_of(row), row["parameter"]
    claimed = f"the claimed error of {name}"
    factor = factor_text(row["factor"], row["factor_error"])
    slope = rounded(row["slope"], row["slope_error"])
    if kind == "right":
        return f"{claimed} is {_RIGHT} as it stands"
    if kind in ("small", "large"):
        return f"{claimed} is {_off(row['factor'])} as it stands (multiply it by {factor})"
    if kind == "calibrate":
        shown = f" {row['unit']}" if row.get("unit") else ""
        return (
            f"divide the estimate of {name} by its slope, {slope}; its error is then "
            f"{significant(row['calibrated_error'])}{shown}, where the fit claims "
            f"{significant(row['claimed_error'])}{shown}"
        )
    if kind == "unknown":
        return f"{claimed} may be right or wrong as it stands (whole / claimed is {factor})"
    return _hidden(row, slope)


def _hidden(row: Numbers, slope: str) -> str:
    """What keeps the answer on a parameter from being told."""
    name = row["parameter"]
    if row["slope"] is None or row["factor_infinite"] is row["simulated_events"] is None:
        return f"the templates know nothing of {name} beyond their noise"
    if row["slope"] >= LEAST_SLOPE and row["slope_error"] <= SLOPE_KNOWN:
        return f"noise of the templates moves {name} by more than is told, as a note says"
    return (
        f"the templates are too noisy for {name}: its estimate moves by {slope} for each unit of "
        "truth"
    )


def _correlates(row: Numbers) -> str:
    """Whether the correlation matters for a parameter."""
    kind, infinite = row["correlation"], row["factor_infinite"]
    shown = factor_text(infinite, row["factor_infinite_error"])
    if kind == "matters":
        it = "it" if standing_of(row) in ("right", "small", "large") else "the claimed error"
        return (
            f"the correlation alone makes {it} {_off(infinite)} with infinite simulation "
            f"(factor {shown})"
        )
    if kind == "small":
        return f"the correlation is minor (factor {shown} with infinite simulation)"
    also = "" if infinite is None else f" (factor {shown} with infinite simulation)"
    return f"whether the correlation matters is unclear{also}"


def _off(factor: float) -> str:
    """By how much a claimed error is off that is to be multiplied by a factor, in percent."""
    return f"{100.0 * abs(1.0 / factor - 1.0):.0f} % too {'small' if factor > 1 else 'large'}"


def _answer_of_errors(rows: Sequence[Numbers], poi: str, where: str) -> Answer:
    kinds = {row["parameter"]: judgement_of(row) for row in rows}
    wrong, unsure = (
        [name for name, kind in kinds.items() if kind == wanted] for wanted in ("wrong", "unknown")
    )
    here, there = (f"{where}, " if where else ""), (f" {where}" if where else "")
    if not (wrong or unsure):
        return Answer(text=f"Yes: {here}every claimed error is {_RIGHT}", mood="good")
    hidden = [row["parameter"] for row in rows if row.get("reason")]
    if hidden and (not wrong or poi in hidden):
        text = (
            f"That cannot be told for {', '.join(hidden)}{there}: the workspace does not close; "
            'use workspace.morphing = "multiplicative", or samples at smaller steps'
        )
        return Answer(text=text, mood="open")
    if not wrong:
        text = f"Perhaps: {here}too few events to tell for {', '.join(unsure)}"
        return Answer(text=text, mood="open")
    if poi in wrong:
        own = next(row for row in rows if row["parameter"] == poi)
        kind = "small" if own["inflate_by"] > 1 else "large"
        factor = rounded(own["inflate_by"], own["inflate_by_error"])
        said = f"is too {kind}, multiply it by {factor}"
    else:
        said = f"is {_RIGHT}" if kinds[poi] == "right" else "is uncertain"
    others = ", ".join(name for name in wrong if name != poi)
    also = f"; {'also wrong' if poi in wrong else 'wrong'}: {others}" if others else ""
    return Answer(text=f"No: {here}the claimed error of {poi} {said}{also}", mood="bad")


def judgement_of(row: Numbers) -> Judgement:
    """Whether a claimed error is right."""
    return judge_error(row["inflate_by"], row["inflate_by_error"])


def error_sentence(row: Numbers, unit: str) -> str:
    """What is expected of the error of one parameter.

    Args:
        row: Its errors.
        unit: Of the parameter; "" is none.
    """
    shown = f" {unit}" if unit else ""
    claimed = f"{row['parameter']}: claimed error {significant(row['claimed_error'])}{shown}"
    if row.get("reason"):
        return f"{claimed}. {row['reason']}"
    if row.get("answer"):
        return _two_sentences(row, claimed, shown)
    errors = f"{claimed}, actual {significant(row['actual_error'])}{shown}"
    factor, kind = rounded(row["inflate_by"], row["inflate_by_error"]), judgement_of(row)
    if kind == "wrong":
        return f"{errors}. Multiply the claimed error by {factor}."
    said = _RIGHT if kind == "right" else "too few events to tell"
    return f"{errors}: {said}. Actual / claimed is {factor}."


def _two_sentences(row: Numbers, claimed: str, unit: str) -> str:
    """What both answers on a parameter are, and what would change them."""
    told = [f"{claimed}: {standing_word(row)}, for the noise of the templates"]
    if has_numbers(row):
        ratio = factor_text(row["factor"], row["factor_error"])
        whole = f", whole {significant(row['whole_error'])}{unit}"
        told = [f"{claimed}{whole}: {standing_word(row)}, whole / claimed is {ratio}"]
    if slope_matters(row):
        told.append(f"its estimate moves by {rounded(row['slope'], row['slope_error'])}")
        if has_numbers(row) and row["calibrated_error"] is not None:
            divided = f"{significant(row['calibrated_error'])}{unit}"
            told.append(f"divided by that its error is {divided}")
    infinite = factor_text(row["factor_infinite"], row["factor_infinite_error"])
    alone = "correlation" if row["factor_infinite"] is None else f"correlation alone {infinite},"
    told.append(f"{alone} {correlation_word(row)}")
    change = change_of(row)
    return f"{'; '.join(told)}.{f' {change[0].upper()}{change[1:]}.' if change else ''}"


def pay_sentence(
    poi: str, idle: Sequence[str], unsure: Sequence[str] = (), *, known: bool, why: str = NOT_CLOSED
) -> str:
    """Which observables do not lower the actual error of the parameter of interest.

    Args:
        poi: The parameter of interest.
        idle: Those that do not.
        unsure: Those of which that cannot be told.
        known: Whether there are actual errors of it.
        why: Why there are none.
    """
    if not known:
        return f"Which observables pay for {poi} cannot be told: {why}."
    if not idle and not unsure:
        return f"Every observable lowers the actual error of {poi}."
    said = []
    if idle:
        said.append(f"Not worth their work for {poi}: {', '.join(idle)}.")
    if unsure:
        said.append(
            f"Too few simulated events to tell whether {' and '.join(unsure)} "
            f"{'lowers' if len(unsure) == 1 else 'lower'} the actual error of {poi}."
        )
    return " ".join(said)
