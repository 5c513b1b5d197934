"""What the run of a study gives back."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pullfactory.calibration import Calibration
from pullfactory.described import json_schema_of, row_of
from pullfactory.errors import OutputError
from pullfactory.files import read_json, short_name
from pullfactory.fitting.intervals import FEW_EVENTS
from pullfactory.fitting.slices import truth_slices
from pullfactory.inference import ClosureVerdict, ComparedPull, PullSummary, PullSums
from pullfactory.inference.calibration_noise import CalibrationNoise, calibration_noise
from pullfactory.inference.coverage import CoverageRow
from pullfactory.inference.failures import Failures
from pullfactory.inference.remarks import Remark, Shapes, causes_of, remarks, shape_rows
from pullfactory.inference.rows import PullRow
from pullfactory.inference.shapes import PullShape
from pullfactory.methods import given_methods
from pullfactory.report.figures import Figures
from pullfactory.report.study_verdict import study_answers
from pullfactory.report.table import coverage_table, pull_table
from pullfactory.report.tabular import Table
from pullfactory.results.contents import CALIBRATION
from pullfactory.results.failed_fits import FAILURES, failed_fits, write_failures
from pullfactory.results.ledger import STATUS_NAMES, Parts, ToyTable, table_at
from pullfactory.results.of_study import ResultOfStudy, write_calibration
from pullfactory.results.pull_sums import TOYS, pulls_of, summed_pulls
from pullfactory.results.report import report_text
from pullfactory.simulation.toys import block_size
from pullfactory.workspaces.study import build_joint_workspace, write_workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def sums_of_study(toys: Parts) -> dict[tuple[float, str], PullSums]:
    """Sums over the pulls by rho and method.

    Args:
        toys: Of a study, which all have a correlation.
    """
    return {(rho, method): one for (rho, method), one in pulls_of(toys).items() if rho is not None}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StudyResult(ResultOfStudy):
    """What a run gives back.

    Attributes:
        study: What was run.
        calibration: What the fits knew; of several replicas, the first.
        workspace: The pyhf workspace made of it.
        sums: Sums over the pulls of all toys, by rho and method.
        predictions: What was expected of the pulls; at more values of rho where that is cheap.
        toys: Every fit of every toy, on disk for as long as this result lives.
        closure: What the morphing does to the fits of `binned` at rho = 0; None if that is not
            among the methods. There is no corrected error of what is not `correctable`.
        null: Combinations of bins or scores that always have the same value, and are left out, by
            optimal method; empty without one.
    """

    kind = "summary"

    calibration: Calibration
    workspace: dict[str, Any]
    sums: dict[tuple[float, str], PullSums]
    predictions: tuple[ComparedPull, ...]
    toys: ToyTable
    closure: tuple[ClosureVerdict, ...] | None = None
    null: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def pulls(self) -> Table[PullRow]:
        """Pull summaries, by method, rho and parameter."""
        predicted: dict[tuple[float, str], dict[str, float]] = {}
        for row in self.predictions:
            predicted.setdefault((row.rho, row.method), {})[row.parameter] = row.predicted_width
        optimal = {
            (row.rho, row.method, row.parameter): row.optimal_error
            for row in self.predictions
            if row.optimal_error is not None and math.isfinite(row.optimal_error)
        }
        rows = (
            PullRow(
                method=method,
                rho=rho,
                pulls=summary,
                optimal_error=optimal.get((rho, method, summary.parameter)),
            )
            for method in self.study.methods
            for rho in self.study.ensemble.rho
            for summary in PullSummary.from_sums(
                self.study.parameter_names, self.sums[rho, method], predicted.get((rho, method))
            )
        )
        return pull_table(rows, self.study.parameter)

    @cached_property
    def coverage(self) -> Table[CoverageRow]:
        """Coverage of intervals from the likelihood ratio, where the study asks for it."""
        names, wanted = self.study.parameter_names, self.study.intervals or ()
        sums = self.toys.sums() if wanted and isinstance(self.toys, Parts) else {}
        few = self.study.ensemble.n_events < FEW_EVENTS
        rows = (
            CoverageRow.of(
                method, rho, name, sums[rho, method]["coverage"], names.index(name), few=few
            )
            for method in self.study.methods
            for rho in self.study.ensemble.rho
            for name in wanted
            if "coverage" in sums.get((rho, method), {})
        )
        return coverage_table(rows)

    @cached_property
    def noise(self) -> tuple[CalibrationNoise, ...]:
        """What the noise of the calibration is expected to do to the pulls at rho = 0."""
        with given_methods(self.given):
            return calibration_noise(self.calibration)

    @cached_property
    def shapes(self) -> Shapes:
        """Whether the pulls are unit normal as whole distributions, by method and rho."""
        names, slices = (
            self.study.parameter_names,
            truth_slices(self.study.ensemble.truth, self.study.parameter),
        )
        return {
            (method, rho): PullShape.of(names, self.sums[rho, method].transformed, slices)
            for method in self.study.methods
            for rho in self.study.ensemble.rho
        }

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What a verdict says of the pulls beside their width."""
        why = partial(causes_of, noise=self.noise, closure=self.closure or ())
        with given_methods(self.given):
            return remarks(self.pulls, self.shapes, why)

    @cached_property
    def joint_workspaces(self) -> dict[float, dict[str, Any]]:
        """The pyhf workspaces of the joint channel by rho; none without `binned_joint`."""
        if not self.study.learns.bins:
            return {}
        scan = self.study.ensemble.rho
        return {rho: build_joint_workspace(self.calibration, rho) for rho in scan}

    @property
    def failures(self) -> dict[str, dict[str, int]]:
        """Number of fits by method and status, summed over rho."""
        totals: dict[str, NDArray[np.int64]] = {}
        for (_, method), sums in self.sums.items():
            totals[method] = totals.get(method, 0) + sums.status
        return {
            method: dict(zip(STATUS_NAMES, (int(n) for n in total), strict=True))
            for method, total in totals.items()
        }

    @cached_property
    def failed(self) -> Failures | None:
        """Every fit that does not give all errors; None if all do."""
        return failed_fits(self.toys, self.failures)

    @cached_property
    def mixed(self) -> tuple[str, ...]:
        """What other packages or processors have made some of the toys, in words."""
        return self.toys.mixed(self.versions)

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return (
            f"study {self.study.name!r}, {self.study.ensemble.n_toys} toys at each of "
            f"{len(self.study.ensemble.rho)} values of rho"
        )

    @property
    def answers(self) -> tuple[str, ...]:
        """May the observables be fitted as if they were independent? A sentence for each method.

        Methods that take them as independent are told of, those that fit the workspace first.
        """
        rows = [row.to_dict() for row in self.pulls]
        names = self.study.observable_names
        with given_methods(self.given):
            return tuple(study_answers(rows, names, self.study.poi, self.closure or ()))

    @property
    def table(self) -> Table[PullRow]:
        """Pulls, by method, rho and parameter."""
        return self.pulls

    @property
    def n_toys(self) -> int:
        """How many toys were asked for at each rho, of which blocks may be left out."""
        return self.study.ensemble.n_toys

    def with_toys(self, toys: Parts) -> Self:
        """The same with other toys.

        Args:
            toys: All blocks that are joined.
        """
        return replace(self, toys=toys, sums=sums_of_study(toys))

    def summary(self) -> dict[str, Any]:
        """Content of `summary.json`: plain data without NaN."""
        return {
            **self._head(mixed=list(self.mixed)),
            "calibration": [asdict(row) for row in self.calibration.comparison()],
            "calibration_noise": [asdict(row) for row in self.noise],
            "status": self.failures,
            "closure": self.closure and [verdict.to_dict() for verdict in self.closure],
            "remarks": [remark.to_dict() for remark in self.remarks],
            "pulls": [row.to_dict() for row in self.pulls],
            "shapes": shape_rows(self.shapes),
            "predictions": [row.to_dict() for row in self.predictions],
            **({"intervals": self.coverage.to_dicts()} if self.study.intervals else {}),
            **({"null": dict(self.null)} if self.null else {}),
        }

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The JSON Schema (2020-12) of its numbers."""
        from pullfactory.results.schemas.summary import StudyFile

        return json_schema_of(StudyFile)

    @classmethod
    def holds(cls, numbers: Mapping[str, Any]) -> bool:
        """Whether numbers in a folder are of a study.

        Args:
            numbers: From a file.
        """
        return super().holds(numbers) and numbers.get("study") is not None

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        head = cls._read_head(folder, numbers)
        study = head["study"]
        if "predictions" not in numbers:
            raise OutputError(
                f"'{folder}' was written by an earlier version, and lacks the calibration that "
                "figures show; run the study again"
            )
        sums = summed_pulls(
            folder, truth_slices(study.ensemble.truth, study.parameter), block_size(study)
        )
        verdicts = numbers["closure"]
        return cls(
            **head,
            calibration=Calibration.read(folder / CALIBRATION),
            workspace=read_json(folder / "workspaces" / f"{short_name(study.name)}.json"),
            sums={(rho, method): some for (rho, method), some in sums.items() if rho is not None},
            predictions=tuple(row_of(ComparedPull, row) for row in numbers["predictions"]),
            toys=table_at(folder / TOYS, block_size(study)),
            closure=verdicts and tuple(row_of(ClosureVerdict, row) for row in verdicts),
            null=numbers.get("null", {}),
        )

    def _fill(self, folder: Path, summary: dict[str, Any]) -> None:
        super()._fill(folder, summary)
        (folder / "workspaces").mkdir()
        write_workspace(
            self.workspace, folder / "workspaces" / f"{short_name(self.study.name)}.json"
        )
        for rho, spec in self.joint_workspaces.items():
            write_workspace(spec, folder / "workspaces" / f"joint_rho_{rho:g}.json")
        self.toys.copy_to(folder / TOYS)
        if self.failed:
            write_failures(folder / FAILURES, self.failed)
        write_calibration(folder, self.calibration)

    def _page(self, folder: Path, summary: dict[str, Any]) -> str:
        return report_text(folder, summary)

    def _figures(self) -> Figures:
        from pullfactory.report.poster import make_figures  # drawing is slow to load

        return make_figures(
            calibration=self.calibration,
            study=self.study,
            sums=self.sums,
            predictions=self.predictions,
            failures=self.failed,
            coverage=tuple(self.coverage),
        )
