"""The goodness of fit in words and as a table, for terminal and page alike."""

from collections.abc import Mapping, Sequence
from typing import Any

from pullfactory.inference.goodness import ASSUMED, p_text, row_name
from pullfactory.inference.judgement import BAD_FIT
from pullfactory.numbers import ABSENT, plain, significant
from pullfactory.report.tabular import Cells, Column, Table, count, digits

Numbers = Mapping[str, Any]
"""`goodness` of an audit."""


def goodness_table(goodness: Numbers) -> Table[Mapping[str, Any]]:
    """How far the data are from the fit, beside the toys.

    Args:
        goodness: With rows.
    """

    def of_toys(row: Cells) -> str:
        return f"{significant(row['mean'])} ± {significant(row['spread'])}"

    def distance(row: Cells) -> str:
        return ABSENT if row["distance"] is None else f"{row['distance']:+.1f}"

    columns = (
        Column(key="of", heading="fit of the data", show=lambda r: row_name(r["of"]), words=True),
        digits("statistic", "distance"),
        Column(key="mean", heading="of toys", show=of_toys),
        Column(key="distance", heading="in spreads\nof the toys", show=distance),
        count("beyond", "toys\nbeyond"),
        Column(key="p_value", heading="p-value", show=lambda r: p_text(r["beyond"], r["toys"])),
    )
    return Table(columns=columns, rows=tuple(goodness["rows"]))


def most_off(p_values: Sequence[float], most: int) -> list[int]:
    """Which distances are shown where there are many: the first, of all bins, and the least likely.

    Args:
        p_values: Of all.
        most: How many are shown.

    Returns:
        Their positions, in order.
    """
    others = sorted(range(1, len(p_values)), key=lambda k: p_values[k])
    return [0, *sorted(others[: most - 1])] if p_values else []


def shown_goodness(goodness: Numbers, most: int) -> Numbers:
    """The same with the rows that a table of many channels shows.

    Args:
        goodness: With rows.
        most: How many are shown.
    """
    rows = goodness["rows"]
    shown = most_off([row["p_value"] for row in rows], most)
    return {**goodness, "rows": [rows[k] for k in shown]}


def goodness_sentences(goodness: Numbers) -> list[str]:
    """What there is beside the table.

    Args:
        goodness: Of an audit with data.
    """
    said = []
    if goodness["reason"]:
        said.append(f"No toys at the fitted point: {goodness['reason']}.")
    if goodness["failed"]:
        lost = ", ".join(f"{n} {status}" for status, n in goodness["failed"].items())
        said.append(f"Of {goodness['toys']} toys at the fitted point are left out: {lost}.")
    if chi := goodness["chi_square"]:
        p_value = significant(chi["p_value"])
        said.append(
            f"Chi-square of all bins: {significant(chi['statistic'])} for {plain(chi['dof'])} "
            f"degrees of freedom, p = {p_value}. {ASSUMED}."
        )
    return said


def is_refused(goodness: Numbers | None) -> bool:
    """Whether the data say that the model is wrong, and not only that too few toys tell.

    Args:
        goodness: Of an audit; None without data.
    """
    if goodness is None or not goodness["rows"]:
        return goodness is not None and goodness["withheld"] is not None
    return any(row["p_value"] < BAD_FIT for row in goodness["rows"])
