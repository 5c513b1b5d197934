"""What every result can do: a short text, a table in a notebook, figures by name, a folder."""

import io
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from rich.console import Console

from pullfactory.errors import LikelihoodError, OutputError
from pullfactory.methods import MethodKind, given_methods, method_kind
from pullfactory.progress import Progress, silent
from pullfactory.report.backend import require_backend
from pullfactory.report.drawing import laid_out, write_figures
from pullfactory.report.tabular import Table
from pullfactory.results.again import Earlier
from pullfactory.results.command import Command
from pullfactory.results.contents import require_plain
from pullfactory.results.damage import complete
from pullfactory.results.folders import check_formats, replaced_folder
from pullfactory.results.missing import Missing, Warn, warn_in_python
from pullfactory.results.report import REPORT
from pullfactory.results.rows import installed_versions, read_numbers, schema_name, write_numbers
from pullfactory.results.soundness import require_same, require_schema, with_less

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
        given: Methods that were given as objects; they have their names while it is drawn.
    """

    kind: ClassVar[str]
    """Name of the file of its numbers, without ending."""

    versions: Mapping[str, str] = field(default_factory=installed_versions)
    given: tuple[MethodKind, ...] = ()

    @classmethod
    def read(cls, folder: str | Path, *, methods: Iterable[MethodKind] = ()) -> Self:
        """Read what `write` wrote: table, figures, numbers and page can be made of it again.

        Args:
            folder: Of such a result.
            methods: Those that were given to the verb as objects.

        Raises:
            LikelihoodError: If a method has the name of another one.
            OutputError: If the folder holds none, or files that are damaged.
        """
        folder = Path(folder)
        require_plain(folder)
        numbers = read_numbers(folder, cls.kind)
        if not cls.holds(numbers):
            raise OutputError(
                f"'{folder}' holds no {cls.__name__}; pullfactory.read reads what it holds"
            )
        given = tuple(methods)
        with given_methods(given):
            _require_methods(folder, numbers)
            with complete(folder, f"{cls.kind}.json"):
                cls.require(numbers)
                result = replace(cls._read(folder, numbers), given=given)
                made = result.summary()
                if _version(numbers) == installed_versions()["pullfactory"]:
                    require_same(made, numbers)  # another version may compute otherwise
                return result

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The JSON Schema (2020-12) of its numbers."""
        from pullfactory.results.schemas import json_schema  # which all kinds are needed for

        return json_schema(cls.kind)

    @classmethod
    def require(cls, numbers: Mapping[str, Any]) -> None:
        """Refuse numbers that are not as their types say; those of version 1 may lack some.

        Args:
            numbers: From a file.

        Raises:
            ValueError: If one is missing or of another kind; says where.
        """
        schema = cls.schema()
        require_schema(
            numbers, schema if numbers["schema"] == schema_name(cls.kind) else with_less(schema)
        )

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
        warn: Warn = warn_in_python,
        anew: bool = True,
        command: Command | None = None,
    ) -> Path:
        """Write numbers, figures and what else there is; the folder appears whole or not at all.

        A figure, a format or a page that fails takes nothing else with it: it is told and listed in
        the manifest as missing.

        Args:
            folder: Replaced if it holds an earlier result of ours.
            figures: Formats of the figures, such as ("png", "pdf"); empty: none. None for those
                of the study or the audit, and for png.
            progress: How drawing shows that it goes on.
            warn: Is told what is missing; a warning of Python unless something else is given.
            anew: Whether everything is made anew where the folder has the same numbers already;
                if not, only what is missing there is.
            command: What made a shard, which `merge` names where others are missing.

        Returns:
            The folder.

        Raises:
            OutputError: If the folder holds anything else, or cannot be written, or a format is
                unknown.
        """
        formats = check_formats(self._formats if figures is None else figures)
        self._refuse(folder)
        with given_methods(self.given):
            summary = self.summary()
        earlier = None if anew else Earlier.of(Path(folder), summary)
        if earlier and earlier.is_all(formats):
            return Path(folder)
        with replaced_folder(folder) as staging, given_methods(self.given):
            self._fill(staging, summary)
            write_numbers(staging, summary)
            missing = Missing(folder=staging, warn=warn, command=command)
            pictures, report = staging / "figures", staging / REPORT
            with missing.noted(pictures):
                write_figures(
                    pictures,
                    self._figures,
                    formats,
                    progress=progress,
                    miss=missing.miss,
                    drawn=earlier.figures if earlier else {},
                )
            with missing.noted(report):
                if (page := self._page(staging, summary)) is not None:
                    report.write_text(page, encoding="utf-8")
            missing.write_manifest(report, pictures)
        return Path(folder)

    def _refuse(self, folder: str | Path) -> None:  # noqa: B027
        """Refuse a folder, besides those that no result may be written to."""

    @property
    def plots(self) -> tuple[str, ...]:
        """Names of the figures that `plot` knows."""
        return tuple(self._figures())

    def plot(self, name: str) -> "Figure":
        """Draw one of the figures that `write` fills a folder with.

        Args:
            name: One of `plots`, such as "pull_width".

        Raises:
            OutputError: If there is no such figure, or MPLBACKEND names no backend.
        """
        require_backend()
        from pullfactory.report.style import figure_style

        figures = self._figures()
        if not figures:
            raise OutputError(f"a {type(self).__name__} has no figures; it has a table")
        if name not in figures:
            raise OutputError(f"figure {name!r} is none of {', '.join(figures)}; choose one")
        with figure_style(), given_methods(self.given):
            return laid_out(figures[name].draw())

    def to_pandas(self) -> "pd.DataFrame":
        """The rows of `table` as a data frame; pandas must be installed."""
        return self.table.to_pandas()

    def __repr__(self) -> str:
        table = self.table
        text = io.StringIO()
        some = Table(columns=table.columns, rows=table.rows[:_ROWS], title=table.title)
        Console(width=_WIDTH, file=text, color_system=None, force_jupyter=False).print(some)
        lines = [line.rstrip() for line in text.getvalue().splitlines() if line.strip()]
        if len(table) > _ROWS:
            lines.append(f" ... and {len(table) - _ROWS} rows more")
        return "\n".join([f"{type(self).__name__}: {self.title}", *lines])

    def _repr_html_(self) -> str:
        head = f"<p><b>{type(self).__name__}</b>: {escape(self.title)}</p>"
        return f"{head}{self.table._repr_html_()}"


def _require_methods(folder: Path, numbers: Mapping[str, Any]) -> None:
    """Refuse numbers of methods that nobody knows here."""
    study = numbers.get("study")
    names = study.get("methods", ()) if isinstance(study, dict) else ()
    for name in names if isinstance(names, list) else ():
        try:
            method_kind(str(name))
        except LikelihoodError as error:
            raise OutputError(
                f"'{folder}' cannot be read here: {error}, or give it to read(folder, methods=...)"
            ) from None


def _version(numbers: Mapping[str, Any]) -> str:
    """Of the package that made numbers."""
    return str(numbers["provenance"]["versions"]["pullfactory"])
