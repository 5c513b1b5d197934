"""The line for the paper in words, and its parts and impacts as tables, for terminal and page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pullfactory.inference.judgement import LEVER, OTHER_ERROR
from pullfactory.numbers import rounded, significant
from pullfactory.report.palette import method_label
from pullfactory.report.tabular import Cells, Column, Table, decimals, digits, text

Numbers = Mapping[str, Any]
"""A row of `paper` or of `impacts` of an audit."""

SOURCES = {
    "statistics": "statistics of the data",
    "nuisance": "{}",
    "leakage": "noise of the {} templates",
    "templates": "noise of the nominal templates",
    "slope": "slope of the estimate",
}
_SHOWN = 0.05  # of the whole error, below which a part is among the others


def paper_line(row: Numbers, unit: str, *, several: bool = False) -> str:
    """The parameter of interest as a paper quotes it.

    Args:
        row: Of `paper`.
        unit: Of the parameter; "" is none.
        several: Whether there are other methods, so that it is told which this is.
    """
    with_fit = f" with the {method_label(row['method'])} fit" if several else ""
    if row["reason"]:
        return f"No line for the paper{with_fit}: {row['reason']}."
    known = row["value"] is not None
    value = row["value"] if known else row["shift"]
    said = rounded(value, row["error"])
    if not known:
        said = f"nominal {'-' if said.startswith('-') else '+'} {said.removeprefix('-')}"
    notes = [f"the fit claims {_alike(row['claimed_error'], row['error'])}"]
    if (expected := row.get("expected_error")) and not _near(row["claimed_error"], expected):
        notes.append(f"{_alike(expected, row['error'])} is expected, which this error is of")
    if row["calibrated"]:
        away = abs(row["shift"]) / row["error"]
        far = "" if row["blinded"] or away < LEVER else f", {away:.0f} errors from nominal"
        notes.insert(0, f"estimate divided by its slope{far}")
    if row["blinded"]:
        may = ", and perhaps divided by its slope when it is unblinded"
        later = may if row.get("slopes") and not row["calibrated"] else ""
        notes.insert(0, f"blinded: with a hidden offset{later}")
    shown = f" {unit}" if unit else ""
    return f"{row['parameter']}{with_fit} = {said}{shown} ({', '.join(notes)})"


def _near(claimed: float, expected: float) -> bool:
    """Whether a claimed error is about the expected one."""
    return abs(claimed / expected - 1.0) <= OTHER_ERROR


def _alike(value: float, error: float) -> str:
    """An error with as many decimals as another one is rounded to."""
    shown = rounded(error, error).partition(" ± ")[2]
    if not shown or "e" in shown or ")" in shown:
        return significant(value)
    return f"{value:.{len(shown.partition('.')[2])}f}"


def parts_sentence(row: Numbers, unit: str) -> str:
    """What the error is made of, the largest first; small parts are one.

    Args:
        row: Of `paper`, not withheld.
        unit: Of the parameter; "" is none.
    """
    parts = sorted(row["parts"], key=lambda part: -part["size"])
    least = _SHOWN * row["error"]
    told = [(source_name(part), part["size"]) for part in parts if part["size"] > least]
    rest = [part["size"] for part in parts if part["size"] <= least]
    told += [("others", math.hypot(*rest))] if rest else []
    said = ", ".join(f"{name} {_alike(size, row['error'])}" for name, size in told)
    return f"Its parts, which add in quadrature{f' [{unit}]' if unit else ''}: {said}."


def source_name(part: Numbers) -> str:
    """What a part of an error comes from, in words.

    Args:
        part: Of a row of `paper`.
    """
    return SOURCES[part["source"]].format(part["parameter"])


def parts_table(rows: Sequence[Numbers]) -> Table[Mapping[str, Any]]:
    """Every part of every error, the largest first.

    Args:
        rows: Of `paper`.
    """

    def share(row: Cells) -> str:
        return f"{100 * row['share']:.1f}"

    found = [
        {**part, "method": row["method"], "share": (part["size"] / row["error"]) ** 2}
        for row in rows
        for part in sorted(row["parts"], key=lambda part: -part["size"])
    ]
    columns = (
        Column(
            key="method",
            heading="method",
            show=lambda r: method_label(r["method"]),
            words=True,
            once=True,
        ),
        Column(key="source", heading="from", show=source_name, words=True),
        digits("size", "error"),
        Column(key="share", heading="of its square\n[%]", show=share),
    )
    return Table(columns=columns, rows=tuple(found), sections=("method",))


def impacts_table(
    rows: Sequence[Numbers], poi: str, *, short: bool = False
) -> Table[Mapping[str, Any]]:
    """Pulls, constraints and impacts of the nuisances, claimed and corrected.

    Args:
        rows: Of `impacts`.
        poi: The parameter of interest.
        short: Whether claimed pulls and constraints are left out beside corrected ones.
    """
    told = any(row["corrected_constraint"] is not None for row in rows)
    pulled = any(row["claimed_pull"] is not None for row in rows)
    both = ("claimed", "corrected") if told else ("claimed",)
    columns = [
        text("parameter", "nuisance"),
        *(
            decimals(f"{which}_{key}", f"{which}\n{key}", 2)
            for key in ("pull", "constraint")[not pulled :]
            for which in (both[-1:] if short else both)
        ),
        *(digits(f"{which}_impact", f"{which}\nimpact") for which in both),
    ]
    if told:
        columns += [
            digits("part", f"part of the\nerror of {poi}"),
            digits("leakage", "noise of its\ntemplates"),
        ]
    if len({row["method"] for row in rows}) > 1:
        columns.insert(0, text("method", "method", once=True))
    return Table(columns=tuple(columns), rows=tuple(rows), sections=("method",))


def absolute() -> Column:
    """The column of values that are nominal ones with estimates."""

    def show(row: Cells) -> str:
        return rounded(row["value"], row["claimed_error"]).partition(" ± ")[0]

    return Column(key="value", heading="value", show=show)


def paper_lines(rows: Sequence[Numbers], unit: str) -> Iterator[str]:
    """Lines and parts, with each method.

    Args:
        rows: Of `paper`.
        unit: Of the parameter of interest; "" is none.
    """
    for row in rows:
        yield paper_line(row, unit, several=len(rows) > 1)
        if not row["reason"]:
            yield parts_sentence(row, unit)
