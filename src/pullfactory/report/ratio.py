"""Intervals of the data from the likelihood ratio as a table, for terminal and page."""

from collections.abc import Mapping, Sequence
from typing import Any

from pullfactory.numbers import ABSENT, significant
from pullfactory.report.tabular import Cells, Column, Table, decimals, named, text

Numbers = Mapping[str, Any]
"""A row of `intervals` of an audit."""

SAID = (
    "The corrected intervals are where the ratio is below λ (68 %) and 4 λ (95 %), with λ the "
    "square of whole over claimed error, which is of the simulated events."
)


def ratio_table(rows: Sequence[Numbers], units: Mapping[str, str]) -> Table[Numbers]:
    """Intervals from the likelihood ratio, as distances below and above the estimate.

    Args:
        rows: Of `intervals`.
        units: Of the parameters.
    """
    kinds = [("", ""), ("corrected_", "corrected\n")]
    if any(row["calibrated_minus_68"] is not None for row in rows):
        kinds.append(("calibrated_", "divided by slope\n"))
    several = len({row["method"] for row in rows}) > 1
    columns = (
        *((text("method", "method", once=True),) if several else ()),
        named("parameter", "parameter", units),
        *(
            _ends(f"{kind}{{}}_{level}", f"{words}{level} %")
            for kind, words in kinds
            for level in ("68", "95")
        ),
        decimals("scale", "lambda", 3),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",), title=_TITLE)


_TITLE = "Intervals from the likelihood ratio, from the estimate"


def _ends(key: str, heading: str) -> Column:
    """Distances below and above the estimate in one cell."""

    def show(row: Cells) -> str:
        low, high = (row[key.format(end)] for end in ("minus", "plus"))
        if low is None or high is None:
            return ABSENT
        return f"-{significant(low)} +{significant(high)}"

    return Column(key=key.format("plus"), heading=heading, show=show)
