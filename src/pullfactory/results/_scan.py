"""What a scan over a key of the study gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pullfactory.described import row_of
from pullfactory.inference.rows import ScanRow
from pullfactory.report.drawing import Figures
from pullfactory.report.tabular import Table
from pullfactory.results._rows import schema_name
from pullfactory.results.result import Result
from pullfactory.results.tables import scan_table
from pullfactory.settings.study import Study

__all__ = ["ScanResult"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScanResult(Result):
    """Pulls of a study at several values of one of its keys.

    Attributes:
        study: The study, before any change.
        over: The key.
        values: Its values.
        variants: Settings of each variant of the study, by label.
        rows: Pull summaries, by variant, value, method, rho and parameter.
    """

    kind = "scan"

    study: Study
    over: str
    values: tuple[Any, ...]
    variants: Mapping[str, Mapping[str, Any]]
    rows: tuple[ScanRow, ...]

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"study {self.study.name!r} over {self.over}"

    @property
    def table(self) -> Table[ScanRow]:
        """Pulls, by variant, method and value."""
        return scan_table(self.over, self.variants, self.rows)

    def summary(self) -> dict[str, Any]:
        """Content of `scan.json`: plain data without NaN."""
        return {
            "schema": schema_name(self.kind),
            "study": self.study.to_dict(),
            "provenance": self._provenance(self.study.seed, study_sha256=self.study.sha256),
            "over": self.over,
            "values": list(self.values),
            "variants": {label: dict(settings) for label, settings in self.variants.items()},
            "rows": [row.to_dict() for row in self.rows],
        }

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        return cls(
            versions=numbers["provenance"]["versions"],
            study=Study.from_dict(numbers["study"], place=f"study in '{folder}'"),
            over=numbers["over"],
            values=tuple(numbers["values"]),
            variants=numbers["variants"],
            rows=tuple(row_of(ScanRow, row) for row in numbers["rows"]),
        )

    @property
    def _formats(self) -> tuple[str, ...]:
        return self.study.figures

    def _fill(self, _folder: Path, _summary: dict[str, Any]) -> None:
        """Numbers and figures are all."""

    def _figures(self) -> Figures:
        from pullfactory.results.scan_figures import make_scan_figures  # drawing is slow to load

        return make_scan_figures(self.study, self.over, self.values, self.rows)
