"""What an audit of a workspace gives back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pullfactory.described import row_of
from pullfactory.inference.error_part import Part
from pullfactory.inference.goodness import Goodness, read_goodness
from pullfactory.report.figures import Figures
from pullfactory.report.sharing import (
    narrow_table,
    shared_table,
    sharing_answer,
    sharing_table,
    shown_rows,
)
from pullfactory.report.tabular import Table
from pullfactory.results.report import report_text
from pullfactory.results.result import Result
from pullfactory.results.rows import provenance, schema_name
from pullfactory.sharing import Combined, CombinedRow, Covariance, SharedRow, SharingRow

_MOST_BINS = 1000  # of which the covariance is written as JSON too


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class WorkspaceAuditResult(Result):
    """What events in several channels do to the errors of a workspace.

    Attributes:
        name: Of the audit.
        measurement: Name of the measurement.
        model_sha256: Digest of the model.
        seed: Of all random numbers.
        status: How the fit to the observations ended; where it failed, numbers are those at the
            initial values.
        channels: Names, in the order of the model.
        rows: One for each parameter: that of interest first, gammas last.
        pairs: One for each pair of channels that share events.
        without: Samples that have no events though others have.
        notes: What is not known.
        covariance: Of all bins and of the estimates; None without events.
        goodness: Whether the workspace fits its observations; None without events.
        parts: Of the corrected error of the parameter of interest, which add in quadrature.
        optimal: The optimal combination of the counts; None without events, or where the answer
            is withheld.
    """

    kind = "workspace_audit"

    name: str
    measurement: str
    model_sha256: str
    seed: int
    status: str
    channels: tuple[str, ...]
    rows: tuple[SharingRow, ...]
    pairs: tuple[SharedRow, ...] = ()
    without: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    covariance: Covariance | None = None
    goodness: Goodness | None = None
    parts: tuple[Part, ...] = ()
    optimal: Combined | None = None

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"workspace {self.name!r}, measurement {self.measurement!r}"

    @property
    def table(self) -> Table[SharingRow]:
        """Errors, by parameter."""
        return sharing_table(self.rows)

    @property
    def shown(self) -> Table[SharingRow]:
        """The rows that matter most."""
        return narrow_table(shown_rows(self.rows))

    @property
    def shared(self) -> Table[SharedRow]:
        """Events that channels share, by pair of channels."""
        return shared_table(self.pairs)

    @property
    def answer(self) -> tuple[str, ...]:
        """What follows for the parameter of interest and the others, line by line."""
        return sharing_answer(self.rows, self.status, len(self.channels), self.goodness)

    def summary(self) -> dict[str, Any]:
        """Content of `workspace_audit.json`: plain data without NaN."""
        return {
            "schema": schema_name(self.kind),
            "name": self.name,
            "provenance": provenance(self.seed, self.versions, model_sha256=self.model_sha256),
            "measurement": self.measurement,
            "status": self.status,
            "channels": list(self.channels),
            "errors": [row.to_dict() for row in self.rows],
            "shared": [row.to_dict() for row in self.pairs],
            "without": list(self.without),
            "notes": list(self.notes),
            "goodness": self.goodness.to_dict() if self.goodness else None,
            "parts": [asdict(part) for part in self.parts],
            "optimal": self.optimal.to_dict() if self.optimal else None,
        }

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        made = numbers["provenance"]
        return cls(
            versions=made["versions"],
            seed=made["seed"],
            model_sha256=made["model_sha256"],
            name=numbers["name"],
            measurement=numbers["measurement"],
            status=numbers["status"],
            channels=tuple(numbers["channels"]),
            rows=tuple(row_of(SharingRow, row) for row in numbers["errors"]),
            pairs=tuple(row_of(SharedRow, row) for row in numbers.get("shared", ())),
            without=tuple(numbers.get("without", ())),
            notes=tuple(numbers.get("notes", ())),
            covariance=Covariance.read(folder / "covariance.npz"),
            goodness=read_goodness(numbers.get("goodness")),
            parts=tuple(row_of(Part, row) for row in numbers.get("parts", ())),
            optimal=_optimal(numbers.get("optimal")),
        )

    def _figures(self) -> Figures:
        from pullfactory.results.sharing_figures import (
            make_sharing_figures,  # drawing is slow to load
        )

        return make_sharing_figures(self.channels, self.pairs, self.rows, self.goodness)

    def _page(self, folder: Path, summary: dict[str, Any]) -> str:
        return report_text(folder, summary)

    @property
    def _formats(self) -> tuple[str, ...]:
        return ("png",)

    def _fill(self, folder: Path, _summary: dict[str, Any]) -> None:
        self.table.write_csv(folder / "errors.csv")
        if self.covariance is None:
            return
        self.shared.write_csv(folder / "shared.csv")
        self.covariance.write(folder / "covariance.npz")
        if len(self.covariance.bins) <= _MOST_BINS:
            contents = {
                "covariance.json": self.covariance.to_dict(),
                "covariance_hs3.json": self.covariance.to_hs3(self.name),
            }
            for name, content in contents.items():
                text = json.dumps(content, allow_nan=False)
                (folder / name).write_text(f"{text}\n", encoding="utf-8")


def _optimal(row: Mapping[str, Any] | None) -> Combined | None:
    if row is None:
        return None
    return Combined(**{**row, "rows": tuple(row_of(CombinedRow, one) for one in row["rows"])})
