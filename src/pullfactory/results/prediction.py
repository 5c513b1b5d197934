"""What a prediction gives back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pullfactory.described import row_of
from pullfactory.inference import AnyRho, ClosureVerdict, ComparedPull, WeightRow
from pullfactory.report.figures import Figures
from pullfactory.report.table import any_rho_table, prediction_table, weight_table
from pullfactory.report.tabular import Table
from pullfactory.results.of_study import ResultOfStudy


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PredictionResult(ResultOfStudy):
    """Errors and pull widths expected of a study.

    Attributes:
        study: What was predicted for.
        rows: By method, rho and parameter; NaN for what is not known.
        closure: What the morphing does to `binned` at rho = 0; None if that is not among the
            methods. What is not `correctable` has no actual error, width and coverage.
        weights: How much each observable counts for each parameter, by method and rho.
        any_rho: For which correlations errors are right, by method and parameter, if that was
            asked for.
    """

    kind = "prediction"

    rows: tuple[ComparedPull, ...]
    closure: tuple[ClosureVerdict, ...] | None = None
    weights: tuple[WeightRow, ...] = ()
    any_rho: tuple[AnyRho, ...] = ()

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"study {self.study.name!r}, without toys"

    @property
    def table(self) -> Table[ComparedPull]:
        """What is expected, by method, rho and parameter."""
        return prediction_table(self.rows, self.study.parameter)

    @property
    def weight_table(self) -> Table[WeightRow]:
        """How much each observable counts for each parameter, by method and rho."""
        return weight_table(self.weights)

    @property
    def any_rho_table(self) -> Table[AnyRho]:
        """For which correlations errors are right, by method and parameter."""
        return any_rho_table(self.any_rho)

    def summary(self) -> dict[str, Any]:
        """Content of `prediction.json`: plain data without NaN."""
        return {
            **self._head(),
            "closure": self.closure and [verdict.to_dict() for verdict in self.closure],
            "predictions": [row.to_dict() for row in self.rows],
            "weights": [row.to_dict() for row in self.weights],
            "any_rho": [row.to_dict() for row in self.any_rho],
        }

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        verdicts = numbers.get("closure")
        return cls(
            **cls._read_head(folder, numbers),
            rows=tuple(row_of(ComparedPull, row) for row in numbers["predictions"]),
            closure=verdicts and tuple(row_of(ClosureVerdict, row) for row in verdicts),
            weights=tuple(row_of(WeightRow, row) for row in numbers.get("weights", ())),
            any_rho=tuple(row_of(AnyRho, row) for row in numbers.get("any_rho", ())),
        )

    def _figures(self) -> Figures:
        from pullfactory.report.prediction_plots import make_prediction_figures

        return make_prediction_figures(self.study, self.rows, self.weights)
