"""What a prediction gives back."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pullfactory.inference import ClosureVerdict, PredictedPull
from pullfactory.output import replaced_folder
from pullfactory.results._rows import finite_or_none, provenance, write_numbers
from pullfactory.study import Study

__all__ = ["PredictionResult"]

_SCHEMA = "pullfactory-prediction/1"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictionResult:
    """Errors and pull widths expected of a study.

    Attributes:
        study: What was predicted for.
        rows: By method, rho and parameter; NaN for what is not known.
        closure: What the morphing does to `binned` at rho = 0; None if that is not among the
            methods. What is not `correctable` has no actual error, width and coverage.
    """

    study: Study
    rows: tuple[PredictedPull, ...]
    closure: tuple[ClosureVerdict, ...] | None = None

    def summary(self) -> dict[str, Any]:
        """Content of `prediction.json`: plain data without NaN."""
        return {
            "schema": _SCHEMA,
            "study": self.study.to_dict(),
            "provenance": provenance(self.study.seed, study_sha256=self.study.sha256),
            "closure": self.closure and [verdict.to_dict() for verdict in self.closure],
            "predictions": [finite_or_none(asdict(row)) for row in self.rows],
        }

    def write(self, folder: str | Path) -> Path:
        """Write summary and figures; the folder appears whole or not at all.

        Args:
            folder: Replaced if it holds an earlier result of ours.

        Returns:
            The folder.

        Raises:
            OutputError: If the folder holds anything else, or cannot be written.
        """
        from pullfactory.report.prediction_plots import write_prediction_figures

        with replaced_folder(folder) as staging:
            (staging / "study.toml").write_text(self.study.to_toml(), encoding="utf-8")
            write_numbers(staging, self.summary())
            write_prediction_figures(staging / "figures", self.study, self.rows)
        return Path(folder)
