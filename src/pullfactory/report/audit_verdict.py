"""The answer of an audit in words, for terminal and page alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from pullfactory.inference.judgement import TOLERATED, Judgement, judge_error
from pullfactory.numbers import rounded, significant
from pullfactory.report.verdict import Answer

Numbers = Mapping[str, Any]
"""A row of `errors` of an audit."""

BLINDED = "Blinded: estimates have a hidden offset."
NOT_CLOSED = "the workspace does not close"
UNANSWERED = "the answer is withheld"

_RIGHT = f"right within {TOLERATED:.0%}"


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
        rows: Its errors, one per parameter.
        poi: The parameter of interest, which is told of first.
        where: What it holds for, such as "with the binned fit"; nothing where that is clear.
        withheld: Why there is no answer; None where there is one.
        doubts: What the answer rests on, each in a clause.
        refused: Whether the fit of the data is refused.
    """
    if withheld:
        return Answer(text=f"Cannot be told: {withheld}", mood="bad" if refused else "open")
    answer = _answer_of_errors(rows, poi, where)
    if doubts:
        mended = "open" if answer.mood == "good" else answer.mood
        return Answer(text=f"{answer.text}; but {' and '.join(doubts)}", mood=mended)
    return answer


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
    errors = f"{claimed}, actual {significant(row['actual_error'])}{shown}"
    factor, kind = rounded(row["inflate_by"], row["inflate_by_error"]), judgement_of(row)
    if kind == "wrong":
        return f"{errors}. Multiply the claimed error by {factor}."
    said = _RIGHT if kind == "right" else "too few events to tell"
    return f"{errors}: {said}. Actual / claimed is {factor}."


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
