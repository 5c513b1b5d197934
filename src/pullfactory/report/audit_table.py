"""The whole errors of an audit as a table, for terminal and page alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pullfactory.numbers import rounded, significant
from pullfactory.report.audit_verdict import (
    Numbers,
    change_of,
    correlation_word,
    factor_text,
    has_numbers,
    poi_first,
    slope_matters,
    standing_mood,
    standing_word,
)
from pullfactory.report.tabular import Cells, Column, digits, named


def has_answers(rows: Sequence[Numbers]) -> bool:
    """Whether any row has the two answers, which earlier versions did not give."""
    return any(row.get("answer") for row in rows)


def whole_columns(rows: Sequence[Numbers], units: Mapping[str, str]) -> tuple[Column, ...]:
    """What is claimed, what is true, and both answers.

    Where a row has no answers, its actual error is without the noise of the templates. Slopes have
    columns where one matters.

    Args:
        rows: Of `errors` of an audit.
        units: Of the parameters; "" is none.
    """
    slopes = (
        Column(key="slope", heading="slope", show=_slope),
        Column(key="calibrated_error", heading="divided\nby slope", show=_calibrated),
    )
    return (
        named("parameter", "parameter", units),
        digits("claimed_error", "claimed\nerror"),
        digits("whole", "whole\nerror"),
        Column(key="ratio", heading="whole /\nclaimed", show=_factor("ratio")),
        *(slopes if any(map(slope_matters, rows)) else ()),
        Column(key="answer", heading="as it\nstands", show=_stands, words=True, mood=standing_mood),
        Column(key="factor_infinite", heading="infinite\nevents", show=_factor("factor_infinite")),
        Column(
            key="correlation",
            heading="correlation",
            show=correlation_word,
            words=True,
            mood=lambda _row: "",
        ),
    )


CHANGE = Column(
    key="simulated_events",
    heading="what would change it",
    show=change_of,
    words=True,
    mood=lambda _row: "",
)
"""What would change the answers."""


def whole_rows(rows: Sequence[Numbers], poi: str) -> tuple[dict[str, Any], ...]:
    """Rows with what is shown of them, the parameter of interest first; no number that cannot hold.

    Args:
        rows: Of `errors` of an audit.
        poi: The parameter of interest.
    """
    found = []
    for row in poi_first(rows, poi):
        old = not row.get("answer")
        keys = ("actual_error", "inflate_by") if old else ("whole_error", "factor")
        kept = row if has_numbers(row) else {}
        whole, ratio, error = (kept.get(key) for key in (*keys, f"{keys[1]}_error"))
        absent = dict.fromkeys(("slope", "slope_error", "calibrated_error", "simulated_events"))
        absent |= dict.fromkeys(("factor_infinite", "factor_infinite_error", "correlation"))
        shown = {"whole": whole, "ratio": ratio, "ratio_error": error, "answer": None}
        found.append({**absent, **shown, **row, "whole": whole})
    return tuple(found)


def _factor(key: str) -> Callable[[Cells], str]:
    return lambda row: factor_text(row[key], row[f"{key}_error"])


def _slope(row: Cells) -> str:
    return rounded(row["slope"], row["slope_error"]) if slope_matters(row) else ""


def _calibrated(row: Cells) -> str:
    known = has_numbers(row) and row["calibrated_error"] is not None and slope_matters(row)
    return significant(row["calibrated_error"]) if known else ""


def _stands(row: Cells) -> str:
    said = standing_word(row)
    return f"{said}, does not close" if row.get("closes") is False else said
