"""Tables as data: a column is described once, for terminal, notebook, CSV, Arrow and pandas."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from rich import box
from rich import markup as rich_markup
from rich.table import Table as RichTable

from pullfactory.errors import printable_lines
from pullfactory.numbers import ABSENT, plain, roughly, rounded, significant
from pullfactory.report.palette import with_minus

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Cells = Mapping[str, Any]
"""A row as plain data."""


R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: where its cells come from, and how they are shown.

    Attributes:
        key: Of the plain data of a row.
        heading: For people; a line break is where it may be broken.
        show: From the plain data of a row to the cell.
        words: Whether it is aligned left, as words are.
        once: Whether a cell is left out where it and all others of this kind repeat the row above.
        mood: From the plain data of a row to what gives the cell its colour on a page.
    """

    key: str
    heading: str
    show: Callable[[Cells], str]
    words: bool = False
    once: bool = False
    mood: Callable[[Cells], str] | None = None

    def shown(self, row: Cells) -> str:
        """A cell, in which what does not print is escaped: names may be of others.

        Args:
            row: Plain data.
        """
        return printable_lines(self.show(row))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table(Sequence[R_co]):
    """Rows of one kind, with a description of their columns.

    It is a sequence of its rows; a slice is a tuple of them.

    Attributes:
        columns: What people are shown.
        rows: With all their numbers: plain data, or what `to_dict` makes plain data of.
        sections: Keys; where the value of one changes a new section begins.
        title: Above the table.
    """

    columns: tuple[Column, ...]
    rows: tuple[R_co, ...]
    sections: tuple[str, ...] = ()
    title: str = ""

    @overload
    def __getitem__(self, at: int) -> R_co: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[R_co, ...]: ...
    def __getitem__(self, at: int | slice) -> R_co | tuple[R_co, ...]:
        return self.rows[at]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[R_co]:
        return iter(self.rows)

    def __eq__(self, other: object) -> bool:
        rows = other.rows if isinstance(other, Table) else other
        return self.rows == rows

    def __hash__(self) -> int:
        return hash(self.rows)

    def cells(self) -> Iterator[tuple[bool, list[str]]]:
        """For each row whether a section begins with it, and its cells as they are shown."""
        last: Any = None
        above: Any = None
        for row in self.rows:
            data = _plain(row)
            section = [data[key] for key in self.sections]
            once = [data[column.key] for column in self.columns if column.once]
            shown = [
                "" if column.once and once == above else column.shown(data)
                for column in self.columns
            ]
            yield section != last and bool(self.sections), shown
            last, above = section, once

    def to_dicts(self) -> list[dict[str, Any]]:
        """Rows as plain data, without NaN: all numbers, not only those that are shown."""
        return [_plain(row) for row in self.rows]

    def to_arrow(self) -> "pa.Table":
        """Rows as an Arrow table, with a column for every number."""
        import pyarrow as pa

        return pa.Table.from_pylist(self.to_dicts())

    def to_pandas(self) -> "pd.DataFrame":
        """Rows as a data frame, with a column for every number; pandas must be installed."""
        return self.to_arrow().to_pandas()

    def write_csv(self, path: str | Path) -> Path:
        """Write the rows, with a column for every number.

        Args:
            path: The file; an existing one is replaced.
        """
        rows = self.to_dicts()
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return Path(path)

    def __rich__(self) -> RichTable:
        table = RichTable(
            box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title=_shown(self.title) or None
        )
        for column in self.columns:
            table.add_column(
                _shown(column.heading),
                justify="left" if column.words else "right",
                vertical="bottom",
                overflow="fold" if column.words else "ellipsis",
            )
        for begins, row in self.cells():
            if begins:
                table.add_section()
            table.add_row(*map(_shown, row))
        return table

    def _repr_html_(self) -> str:
        def cell(tag: str, column: Column, content: str) -> str:
            align = "left" if column.words else "right"
            number = content if column.words or content == ABSENT else with_minus(content)
            return f'<{tag} style="text-align: {align}">{escape(number)}</{tag}>'

        head = "".join(cell("th", c, c.heading.replace("\n", " ")) for c in self.columns)
        body = "".join(
            "<tr>" + "".join(map(cell, ["td"] * len(row), self.columns, row)) + "</tr>"
            for _, row in self.cells()
        )
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def __repr__(self) -> str:
        shown = ", ".join(column.key for column in self.columns)
        return f"Table of {len(self)} rows: {shown}"


def _shown(content: str) -> str:
    """Text for a terminal, which neither obeys it nor reads it as markup."""
    return rich_markup.escape(printable_lines(content))


def _plain(row: Any) -> dict[str, Any]:
    return dict(row) if isinstance(row, Mapping) else dict(row.to_dict())


# --- kinds of columns ------------------------------------------------------------------------


def text(key: str, heading: str, *, once: bool = False) -> Column:
    """Words."""

    def show(row: Cells) -> str:
        return ABSENT if row[key] is None else str(row[key])

    return Column(key=key, heading=heading, show=show, words=True, once=once)


def named(key: str, heading: str, units: Mapping[str, str]) -> Column:
    """A name with its unit in brackets, if it has one."""

    def show(row: Cells) -> str:
        unit = units.get(row[key], "")
        return f"{row[key]} [{unit}]" if unit else str(row[key])

    return Column(key=key, heading=heading, show=show, words=True)


def value(key: str, heading: str, *, once: bool = False) -> Column:
    """A number without an error, such as a setting; nothing where there is none."""

    def show(row: Cells) -> str:
        return "" if row[key] is None else plain(row[key])

    return Column(key=key, heading=heading, show=show, once=once)


def measured(key: str, heading: str) -> Column:
    """A number with its error, which has the key KEY_error."""
    return Column(key=key, heading=heading, show=lambda r: rounded(r[key], r[f"{key}_error"]))


def digits(key: str, heading: str) -> Column:
    """Three significant digits."""
    return Column(key=key, heading=heading, show=lambda r: significant(r[key]))


def decimals(key: str, heading: str, n: int, *, scale: float = 1.0) -> Column:
    """So many digits after the point."""

    def show(row: Cells) -> str:
        return ABSENT if row[key] is None else f"{scale * row[key]:z.{n}f}"

    return Column(key=key, heading=heading, show=show)


def percent(key: str, heading: str) -> Column:
    """In percent, with its error, which has the key KEY_error."""

    def show(row: Cells) -> str:
        middle, error = row[key], row[f"{key}_error"]
        return ABSENT if middle is None or error is None else rounded(100 * middle, 100 * error)

    return Column(key=key, heading=heading, show=show)


def fraction(key: str, heading: str) -> Column:
    """In percent, with half its interval from KEY_low to KEY_high as error."""

    def show(row: Cells) -> str:
        middle, low, high = row[key], row[f"{key}_low"], row[f"{key}_high"]
        if middle is None or low is None or high is None:
            return ABSENT
        return rounded(100.0 * middle, 50.0 * (high - low))

    return Column(key=key, heading=heading, show=show)


def count(key: str, heading: str) -> Column:
    """A whole number."""
    return Column(
        key=key, heading=heading, show=lambda r: ABSENT if r[key] is None else str(r[key])
    )


def rough(key: str, heading: str) -> Column:
    """A large number with two digits."""
    return Column(key=key, heading=heading, show=lambda r: roughly(r[key]))


def yes_or_no(key: str, heading: str) -> Column:
    """Whether it is so."""

    def show(row: Cells) -> str:
        return ABSENT if row[key] is None else "yes" if row[key] else "no"

    return Column(key=key, heading=heading, show=show, words=True)
