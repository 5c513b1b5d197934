"""The response of every sample as a table: one line a sample, one column an observable."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pullfactory.numbers import ABSENT, plain, rounded
from pullfactory.report.tabular import Cells, Column, Table, text

MARKS: Mapping[str, str] = MappingProxyType(
    {
        "no effect": "NO EFFECT",
        "one direction": "ONE DIRECTION",
        "curved": "more curvature\nthan slope",
        "weak": "no visible\neffect",
    }
)
"""Marks of a sample as people are shown them."""
_ARROWS = MappingProxyType({"up": "↑ ", "down": "↓ "})

Numbers = Mapping[str, Any]


def response_table(rows: Iterable[Numbers], units: Mapping[str, str]) -> Table[Mapping[str, Any]]:
    """Rate, mean and width of every sample; of a variation by how much they change.

    Args:
        rows: Of `response` of an audit, as plain data.
        units: Of the observables, by name; "" is none.
    """
    columns = (
        Column(key="role", heading="sample", show=_beside(lambda r: str(r["role"])), words=True),
        Column(key=_key("", "rate"), heading="events,\nor change [%]", show=_beside(_rate)),
        *(_column(name, unit) for name, unit in units.items()),
        Column(key="mark", heading="", show=_beside(lambda row: str(row["mark"])), words=True),
    )
    return Table(columns=columns, rows=_samples(rows), sections=("process",))


def wide_response_table(
    rows: Iterable[Numbers], units: Mapping[str, str]
) -> Table[Mapping[str, Any]]:
    """The same with a column for every number.

    Args:
        rows: Of `response` of an audit, as plain data.
        units: Of the observables, by name; "" is none.
    """
    columns = (
        text("role", "sample"),
        Column(key=_key("", "rate"), heading="events, or change [%]", show=_rate, words=True),
        *(
            _single(name, unit, quantity)
            for name, unit in units.items()
            for quantity in ("mean", "width")
        ),
        Column(key="mark", heading="mark", show=lambda row: str(row["mark"]), words=True),
    )
    return Table(columns=columns, rows=_samples(rows))


def _samples(rows: Iterable[Numbers]) -> tuple[dict[str, Any], ...]:
    """Rows of one sample as one row."""
    samples: dict[str, dict[str, Any]] = {}
    for row in rows:
        sample = samples.setdefault(
            row["role"],
            {"role": row["role"], "mark": MARKS.get(row["mark"], ""), "process": row["process"]},
        )
        sample[_key(row["observable"], row["quantity"])] = row
    return tuple(samples.values())


def _single(name: str, unit: str, quantity: str) -> Column:
    """One number of one observable; it has its error and its arrow with it."""

    def show(row: Cells) -> str:
        number = row.get(_key(name, quantity))
        return _number(number) if number else ABSENT

    heading = f"{name}, {quantity}{f' [{unit}]' if unit else ''}"
    return Column(key=_key(name, quantity), heading=heading, show=show, words=True)


def _beside(show: Callable[[Cells], str]) -> Callable[[Cells], str]:
    """On the line of the means, which is above that of the widths."""

    def shown(row: Cells) -> str:
        said = show(row)
        return said if "\n" in said else f"{said}\n"

    return shown


def _column(name: str, unit: str) -> Column:
    """Mean and width of one observable."""

    def show(row: Cells) -> str:
        numbers = (row.get(_key(name, quantity)) for quantity in ("mean", "width"))
        return "\n".join(_number(number) if number else ABSENT for number in numbers)

    heading = f"{name} [{unit}]" if unit else name
    return Column(key=_key(name, "mean"), heading=f"{heading}\nmean, width", show=show)


def _key(observable: str, quantity: str) -> str:
    return f"{observable}.{quantity}"


def _rate(row: Cells) -> str:
    rate = row[_key("", "rate")]
    number, change = f"{rate['value']:.6g}", _change(rate, 100.0)
    if rate["step"]:
        return change
    return f"{number}\n{change} %" if rate["error"] else number


def _number(row: Numbers) -> str:
    if row["step"]:
        return _change(row, 1.0)
    if row["value"] is None:
        return ABSENT
    return rounded(row["value"], row["error"]) if row["error"] else f"{row['value']:.5g}"


def _change(row: Numbers, scale: float) -> str:
    """A difference with its error, and an arrow where it is one for sure."""
    if row["difference"] is None or row["error"] is None:
        return ABSENT
    if not row["error"] and not row["difference"]:
        return plain(0.0)
    shown = rounded(scale * row["difference"], scale * row["error"])
    return f"{_ARROWS.get(row['direction'], '')}{shown}"
