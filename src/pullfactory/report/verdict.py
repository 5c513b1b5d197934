"""By how much claimed errors are wrong, as numbers and in words."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pullfactory.inference.judgement import TOLERATED, Judgement, is_shifted, judge_error
from pullfactory.numbers import plain, rounded, significant
from pullfactory.report.palette import method_label, with_minus

_TOLERATED_TEXT = f"{100 * TOLERATED:.0f} %"
_LISTED = 12  # parameters with a sentence of their own
_NAMED = 3  # parameters in the answer
_KEY = ("method", "rho", "parameter")  # of a row
_NEGATIVE = re.compile(r"(?<= )-(?=\d)")  # sign of a number in a sentence

Mood = Literal["good", "bad", "large", "open"]
"""Of an answer: right, too small or wrong, too large, or not to be told."""

PullNumbers = Mapping[str, Any]
"""A row of `pulls` of a summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer to the question of a result.

    Attributes:
        text: In a sentence.
        mood: "good", "bad", "large" of an error that is too large, or "open" where it cannot be
            told.
        details: A sentence for each parameter.
    """

    text: str
    mood: Mood
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What toys say of the claimed error of one parameter.

    Attributes:
        parameter: Name.
        unit: Of the errors.
        claimed: Root mean square of the fitted errors; None where there is none, also below.
        actual: Standard deviation of estimate - truth.
        actual_error: Its standard error: relative to it, that of the pull width.
        factor: What to multiply the claimed error with: actual over claimed.
        factor_error: Its standard error.
        predicted: The pull width predicted without toys.
        n_toys: Toys thrown.
        n_failed: Toys without a pull of this parameter, which are not in the numbers.
        n_at_bound: Those of them where it ended at its bound.
        mean: Mean pull.
        shift: The same with its error, if it is off by more than is tolerated; else None.
        remarks: What is to be said of its pulls beside their width, in sentences.
    """

    parameter: str
    unit: str
    claimed: float | None
    actual: float | None
    actual_error: float | None
    factor: float | None
    factor_error: float | None
    predicted: float | None
    n_toys: int
    n_failed: int
    n_at_bound: int
    mean: float | None
    shift: str | None
    remarks: tuple[str, ...]

    @classmethod
    def of(
        cls, row: PullNumbers, unit: str = "", remarks: Sequence[Mapping[str, Any]] = ()
    ) -> "Verdict":
        """What a row of a summary says.

        Args:
            row: Summary of the pulls of one parameter.
            unit: Of the parameter.
            remarks: Those of the summary, on all its rows.
        """
        claimed, actual = row["claimed_error"], row["actual_error"]
        relative = (
            row["width_error"] / row["width"] if row["width"] and row["width_error"] else None
        )
        factor = actual / claimed if claimed and actual is not None else None
        return cls(
            parameter=row["parameter"],
            unit=unit,
            claimed=claimed,
            actual=actual,
            actual_error=None if None in (actual, relative) else actual * relative,
            factor=factor,
            factor_error=None if factor is None or relative is None else factor * relative,
            predicted=row["predicted_width"],
            n_toys=row["n_toys"],
            n_failed=row["n_failed"],
            n_at_bound=row["n_at_bound"],
            mean=row["mean"],
            shift=(
                with_minus(rounded(row["mean"], row["mean_error"]))
                if is_shifted(row["mean"], row["mean_error"])
                else None
            ),
            remarks=remarks_on(row, remarks),
        )

    @property
    def kind(self) -> Judgement:
        """Whether the claimed error is right within `TOLERATED`, as far as the toys can tell."""
        return judge_error(self.factor, self.factor_error)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return " ".join((self._counted, *self.remarks))

    @property
    def _counted(self) -> str:
        if not self.n_failed:
            return self._sentence
        bound = f", {self.n_at_bound} of them at its bound" if self.n_at_bound else ""
        return f"{self._sentence} {self.n_failed} of {self.n_toys} toys have no pull of it{bound}."

    @property
    def _sentence(self) -> str:
        if self.factor is None or self.claimed is None:
            return f"{self.parameter}: too few fits give an error."
        unit = f" {self.unit}" if self.unit else ""
        actual = _bracketed(rounded(self.actual, self.actual_error), unit)
        errors = (
            f"{self.parameter}: claimed error {significant(self.claimed)}{unit}, actual {actual}"
        )
        factor = rounded(self.factor, self.factor_error)
        if self.predicted is not None:
            factor += f" (predicted without toys: {self.predicted:.3f})"
        if self.kind == "wrong":
            error = None if self.factor_error is None else 100.0 * self.factor_error
            size = _bracketed(rounded(100.0 * abs(self.factor - 1.0), error), " %")
            way = "larger" if self.factor > 1.0 else "smaller"
            return f"{errors}, {size} {way}. Multiply the claimed error by {factor}."
        if self.kind == "right":
            return f"{errors}: right within {_TOLERATED_TEXT}. Actual / claimed is {factor}."
        return f"{errors}: too few toys to tell. Actual / claimed is {factor}."


def answer_of(verdicts: Sequence[Verdict], *, where: str, independent: bool) -> Answer:
    """The answer for one method and rho.

    Args:
        verdicts: One per parameter.
        where: What it holds for, such as "at rho = 0.3 with the binned fit".
        independent: Whether the fit takes the observables as independent; else the question is
            whether its errors are right.
    """
    wrong = [verdict for verdict in verdicts if verdict.kind == "wrong"]
    unknown = [verdict for verdict in verdicts if verdict.kind == "unknown"]
    mood: Literal["good", "bad", "open"]
    shifted, shifts = [verdict for verdict in verdicts if verdict.shift], shifts_of(verdicts)
    if wrong:
        worst = max(wrong, key=lambda verdict: abs(math.log(verdict.factor or 1.0)))
        off = 100.0 * ((worst.factor or 1.0) - 1.0)
        way = "larger" if off > 0 else "smaller"
        mood, word = "bad", "No"
        answer = f"the error of {worst.parameter} is actually {abs(off):.0f} % {way} than claimed"
        if others := _names([verdict for verdict in wrong if verdict is not worst]):
            answer += f"; also wrong: {others}"
    elif shifted:
        mood, word = "bad", "No"
        answer = ""
    elif unknown:
        mood, word = "open", "Perhaps"
        answer = f"the toys are too few to tell for {_names(unknown)}"
    else:
        mood, word = "good", "Yes"
        answer = f"all errors are right within {_TOLERATED_TEXT}"
    answer = "; ".join(text for text in (answer, shifts) if text)
    said = f"{word}: {where}, {answer}." if independent else f"{where.capitalize()}, {answer}."
    ordered = verdicts if len(verdicts) <= _LISTED else wrong or shifted or unknown
    details = [verdict.sentence for verdict in ordered[:_LISTED]]
    if left := len(verdicts) - len(details):
        details.append(f"The other {left} are in the table.")
    return Answer(text=said, mood=mood, details=tuple(details))


def remarks_on(row: Mapping[str, Any], remarks: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """What is to be said of the pulls of one row, in sentences.

    Args:
        row: Its method, rho and parameter choose; without a rho, what belongs to none.
        remarks: Those of a result, on all its rows.
    """
    texts = (one["text"] for one in remarks if all(one[k] == row.get(k) for k in _KEY))
    shown = (_NEGATIVE.sub("\N{MINUS SIGN}", text) for text in texts)
    return tuple(f"{text[0].upper()}{text[1:]}." for text in shown)


def shifts_of(verdicts: Sequence[Verdict]) -> str:
    """Whose pulls are shifted, and by what; empty if none are."""
    shifted = [verdict for verdict in verdicts if verdict.shift]
    shifts = ", ".join(f"{verdict.parameter} by {verdict.shift}" for verdict in shifted[:_NAMED])
    more = f" and {len(shifted) - _NAMED} more" if len(shifted) > _NAMED else ""
    return f"the pulls are shifted: {shifts}{more}" if shifted else ""


def rho_name(rho: float | None) -> str:
    """A correlation as people write it."""
    return "" if rho is None else with_minus(plain(rho))


def where_of(method: str, rho: float | None) -> str:
    """What a verdict holds for, in words."""
    return f"at ρ = {rho_name(rho)} with the {method_label(method)} fit"


def listed_names(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _names(verdicts: Sequence[Verdict]) -> str:
    return listed_names([verdict.parameter for verdict in verdicts])


def _bracketed(number: str, unit: str) -> str:
    """A number with its unit, in brackets if it has an error."""
    return f"({number}){unit}" if unit and "±" in number else f"{number}{unit}"
