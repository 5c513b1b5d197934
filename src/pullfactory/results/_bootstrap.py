"""What the bootstrap of one toy gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.inference import BootstrapResult
from pullfactory.numbers import finite_or_none, plain, plain_matrix
from pullfactory.report.drawing import Figures
from pullfactory.report.tabular import Table
from pullfactory.results._rows import schema_name
from pullfactory.results.result import Result
from pullfactory.results.tables import bootstrap_table
from pullfactory.settings.study import Study

__all__ = ["BootstrapSummary"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class BootstrapSummary(Result):
    """Errors of one toy of a study: claimed, from the sandwich, and from the bootstrap.

    Attributes:
        study: The study.
        rho: Correlation of the toy.
        toy: Its number, as in `toys.parquet`.
        truth: Its true parameters, shape (parameters,), in their units.
        results: One for each method, with the parameters of the study.
    """

    kind = "bootstrap"

    study: Study
    rho: float
    toy: int
    truth: NDArray[np.float64]
    results: tuple[BootstrapResult, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each method and parameter, without NaN."""
        return [
            finite_or_none(
                {
                    "method": result.method,
                    "parameter": name,
                    "truth": float(self.truth[k]),
                    "estimate": float(result.fit.estimate[0, k]),
                    "claimed_error": float(result.fit.error[0, k]),
                    "sandwich_error": float(result.fit.corrected_error[0, k]),
                    "bootstrap_error": float(result.error[k]),
                    "bootstrap_error_error": float(result.error_of_error[k]),
                }
            )
            for result in self.results
            for k, name in enumerate(result.parameters)
        ]

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"toy {self.toy} of study {self.study.name!r} at rho = {plain(self.rho)}"

    @property
    def table(self) -> Table[Mapping[str, Any]]:
        """Estimate and errors, by method and parameter."""
        return bootstrap_table(self.rows(), self.study.parameter)

    def _figures(self) -> Figures:
        return {}

    def summary(self) -> dict[str, Any]:
        """Content of `bootstrap.json`: plain data without NaN."""
        first = self.results[0]
        return {
            "schema": schema_name(self.kind),
            "study": self.study.to_dict(),
            "provenance": self._provenance(self.study.seed, study_sha256=self.study.sha256),
            "rho": self.rho,
            "toy": self.toy,
            "replicas": len(first.status),
            "status": {one.method: one.status_counts for one in self.results},
            "observables": list(self.study.observable_names),
            "correlation": plain_matrix(first.correlation),
            "correlation_error": plain_matrix(first.correlation_error),
            "covariance": {
                result.method: plain_matrix(result.covariance) for result in self.results
            },
            "errors": self.rows(),
        }

    @property
    def _formats(self) -> tuple[str, ...]:
        return self.study.figures

    def _fill(self, folder: Path, _summary: dict[str, Any]) -> None:
        (folder / "study.toml").write_text(self.study.to_toml(), encoding="utf-8")
