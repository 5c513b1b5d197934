"""What every result can do: a short text, a table in a notebook, figures by name, a folder."""

import io
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rich.console import Console

from pullfactory.errors import OutputError
from pullfactory.methods import MethodKind, given_methods
from pullfactory.progress import Progress, silent
from pullfactory.report.drawing import laid_out, write_figures
from pullfactory.report.tabular import Table
from pullfactory.results.damage import complete
from pullfactory.results.folders import check_formats, replaced_folder
from pullfactory.results.report import REPORT
from pullfactory.results.rows import installed_versions, read_numbers, write_numbers

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pullfactory.report.figures import Figures

_ROWS = 6  # of a table that are shown in a text
_WIDTH = 120


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Result(ABC):
    """What a verb gives back, in whatever way it is looked at.

    Attributes:
        versions: Of the packages that made its numbers.
    """

    kind: ClassVar[str]
    """Name of the file of its numbers, without ending."""

    versions: Mapping[str, str] = field(default_factory=installed_versions)

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read what `write` wrote: table, figures, numbers and page can be made of it again.

        Args:
            folder: Of such a result.

        Raises:
            OutputError: If the folder holds none, or files that are damaged.
        """
        folder = Path(folder)
        numbers = read_numbers(folder, cls.kind)
        if not cls.holds(numbers):
            raise OutputError(
                f"'{folder}' holds no {cls.__name__}; pullfactory.read reads what it holds"
            )
        with complete(folder, f"{cls.kind}.json"):
            return cls._read(folder, numbers)

    @classmethod
    def holds(cls, numbers: Mapping[str, Any]) -> bool:
        """Whether numbers in a folder are of such a result.

        Args:
            numbers: From a file.
        """
        return str(numbers["schema"]).startswith(f"pullfactory-{cls.kind}/")

    @classmethod
    @abstractmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        """The result of which a folder has the files."""

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

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """All numbers as plain data without NaN; the schema names their file."""

    @property
    @abstractmethod
    def _formats(self) -> tuple[str, ...]:
        """Formats of the figures unless others are asked for."""

    @property
    def _given(self) -> tuple[MethodKind, ...]:
        """Methods that only this result knows; they have their names while it is drawn."""
        return ()

    @abstractmethod
    def _fill(self, folder: Path, summary: dict[str, Any]) -> None:
        """Write what stands beside numbers and figures into a new folder."""

    def _page(self, folder: Path, summary: dict[str, Any]) -> str | None:  # noqa: ARG002
        """The report, made of what is in the folder; None where there is none."""
        return None

    def write(
        self,
        folder: str | Path,
        *,
        figures: Collection[str] | None = None,
        progress: Progress = silent,
    ) -> Path:
        """Write numbers, figures and what else there is; the folder appears whole or not at all.

        Args:
            folder: Replaced if it holds an earlier result of ours.
            figures: Formats of the figures, such as ("png", "pdf"); empty: none. None for those
                of the study or the audit, and for png.
            progress: How drawing shows that it goes on.

        Returns:
            The folder.

        Raises:
            OutputError: If the folder holds anything else, or cannot be written, or a format is
                unknown.
        """
        formats = check_formats(self._formats if figures is None else figures)
        with replaced_folder(folder) as staging, given_methods(self._given):
            summary = self.summary()
            self._fill(staging, summary)
            write_numbers(staging, summary)
            write_figures(staging / "figures", self._figures, formats, progress=progress)
            if (page := self._page(staging, summary)) is not None:
                (staging / REPORT).write_text(page, encoding="utf-8")
        return Path(folder)

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
        if not figures:
            raise OutputError(f"a {type(self).__name__} has no figures; it has a table")
        if name not in figures:
            raise OutputError(f"figure {name!r} is none of {', '.join(figures)}; choose one")
        with figure_style(), given_methods(self._given):
            return laid_out(figures[name].draw())

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
