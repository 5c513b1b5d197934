"""How results show themselves: a short text, a table in a notebook, figures by name."""

import io
from abc import ABC, abstractmethod
from html import escape
from typing import TYPE_CHECKING, Any

from rich.console import Console

from pullfactory.errors import OutputError
from pullfactory.report.tabular import Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pullfactory.report.drawing import Figures

__all__ = ["Shown"]

_ROWS = 6  # of a table that are shown in a text
_WIDTH = 120


class Shown(ABC):
    """What every result can do, in whatever way it is looked at."""

    __slots__ = ()

    @property
    @abstractmethod
    def table(self) -> Table[Any]:
        """What is looked at first: rows of numbers, with columns that say what they are."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What it is of, on one line."""

    @abstractmethod
    def _figures(self) -> "Figures":
        """What draws each figure, by its name."""

    @property
    def plots(self) -> tuple[str, ...]:
        """Names of the figures that `plot` knows."""
        return tuple(self._figures())

    def plot(self, name: str) -> "Figure":
        """Draw one of the figures that `write` fills a folder with.

        Args:
            name: One of `plots`, such as "pull_width".

        Raises:
            OutputError: If there is no such figure.
        """
        from pullfactory.report.style import figure_style

        figures = self._figures()
        if name not in figures:
            raise OutputError(f"figure {name!r} is none of {', '.join(figures)}; choose one")
        with figure_style():
            figure = figures[name]()
            figure.draw_without_rendering()  # the style ends here, and so must the layout
        return figure

    def to_pandas(self) -> "pd.DataFrame":
        """The rows of `table` as a data frame; pandas must be installed."""
        return self.table.to_pandas()

    def __repr__(self) -> str:
        table = self.table
        text = io.StringIO()
        some = Table(columns=table.columns, rows=table.rows[:_ROWS], title=table.title)
        Console(width=_WIDTH, file=text, color_system=None).print(some)
        lines = [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]
        if len(table) > _ROWS:
            lines.append(f" ... and {len(table) - _ROWS} rows more")
        return "\n".join([f"{type(self).__name__}: {self.title}", *lines])

    def _repr_html_(self) -> str:
        head = f"<p><b>{type(self).__name__}</b>: {escape(self.title)}</p>"
        return f"{head}{self.table._repr_html_()}"
