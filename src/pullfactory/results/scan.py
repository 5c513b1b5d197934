"""What a scan over a key of the study gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pullfactory.described import row_of
from pullfactory.inference.rows import ScanRow
from pullfactory.report.figures import Figures
from pullfactory.report.tabular import Table
from pullfactory.results.of_study import ResultOfStudy
from pullfactory.results.tables import scan_table


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ScanResult(ResultOfStudy):
    """Pulls of a study at several values of one of its keys.

    Attributes:
        study: The study, before any change.
        over: The key.
        values: Its values.
        variants: Settings of each variant of the study, by label.
        rows: Pull summaries, by variant, value, method, rho and parameter.
    """

    kind = "scan"

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
            **self._head(),
            "over": self.over,
            "values": list(self.values),
            "variants": {label: dict(settings) for label, settings in self.variants.items()},
            "rows": [row.to_dict() for row in self.rows],
        }

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        return cls(
            **cls._read_head(folder, numbers),
            over=numbers["over"],
            values=tuple(numbers["values"]),
            variants=numbers["variants"],
            rows=tuple(row_of(ScanRow, row) for row in numbers["rows"]),
        )

    def _figures(self) -> Figures:
        from pullfactory.results.scan_figures import make_scan_figures  # drawing is slow to load

        return make_scan_figures(self.study, self.over, self.values, self.rows)
