"""Answers beside references."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import hypot, isfinite
from typing import Any

from rich.table import Table

from reference.cases import Case, CaseError, Value
from reference.tolerances import TIERS

__all__ = ["Comparison", "compare", "table"]

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One answer beside its reference.

    Attributes:
        case: Name of the case.
        value: The reference.
        tier: Name of the tolerance.
        answer: Of pullfactory; None if it withholds the number or has no such row.
        error: Standard errors of both, added in quadrature; 0 if both are exact.
    """

    case: str
    value: Value
    tier: str
    answer: Any
    error: float

    @property
    def difference(self) -> float | None:
        """Answer - reference; None if they are no two numbers."""
        if not _is_number(self.value.value) or not _is_number(self.answer):
            return None
        return float(self.answer) - float(self.value.value or 0.0)

    @property
    def scale(self) -> float:
        """What a relative difference refers to."""
        if self.value.scale is not None:
            return self.value.scale
        return abs(float(self.value.value or 0.0))

    @property
    def passed(self) -> bool:
        """Whether the answer is within its tolerance."""
        if self.difference is None:
            return type(self.answer) is type(self.value.value) and self.answer == self.value.value
        return abs(self.difference) <= TIERS[self.tier].allowed(self.error, self.scale)

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as texts."""
        apart, part = "", ""
        if self.difference is not None:
            apart = f"{self.difference / self.error:+.1f}" if self.error else ""
            part = f"{self.difference / self.scale:+.1g}" if self.scale else ""
        right = _text(self.value.value) + (f" ± {self.value.error:.1g}" if self.value.error else "")
        verdict = "" if self.passed else "off"
        return (
            self.case,
            self.value.name,
            right,
            _text(self.answer),
            apart,
            part,
            self.tier,
            verdict,
        )


def compare(case: Case, answers: Mapping[str, Rows]) -> tuple[Comparison, ...]:
    """Put the answers to all questions of a case beside its values.

    Args:
        case: The case.
        answers: By the name of the question: rows of the answer.
    """
    found = []
    for value in case.values:
        answer, error = _look_up(value, answers[value.ask])
        found.append(
            Comparison(
                case=case.name,
                value=value,
                tier=case.asks[value.ask].tiers[value.key],
                answer=answer,
                error=hypot(value.error, error),
            )
        )
    return tuple(found)


def table(rows: Iterable[Comparison]) -> Table:
    """All comparisons for the terminal."""
    shown = Table(title="Answers beside references")
    for name in ("case", "value", "reference", "pullfactory", "errors", "relative", "tier", ""):
        shown.add_column(name, justify="left" if name in {"case", "value", "tier"} else "right")
    last = ""
    for row in rows:
        if last and row.case != last:
            shown.add_section()
        cells = ("" if row.case == last else row.case, *row.cells[1:])
        shown.add_row(*cells, style=None if row.passed else "red")
        last = row.case
    return shown


def _look_up(value: Value, rows: Rows) -> tuple[Any, float]:
    """The one entry that is meant, and the error that pullfactory gives it."""
    chosen = [row for row in rows if all(_same(row.get(k), v) for k, v in value.row.items())]
    if len(chosen) > 1:
        raise CaseError(f"{len(chosen)} rows of the answer are {dict(value.row)}; say which")
    if not chosen:
        return None, 0.0
    error = chosen[0].get(f"{value.key}_sampling_error") or 0.0
    return chosen[0].get(value.key), float(error)


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float) and isinstance(found, float | int):
        return abs(found - wanted) < 1e-12
    return bool(found == wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.5g}" if _is_number(value) else str(value)
