"""What an audit gives back."""

import json
import math
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import hist
import numpy as np
import uhi.io.json
from numpy.typing import NDArray
from scipy.special import ndtr

from pullfactory.auditing import (
    AuditClosure,
    DataFit,
    Expected,
    PairDependence,
    PredictedErrors,
    SampleCheck,
    UnbinnedModel,
)
from pullfactory.inference import PullSummary, PullSums
from pullfactory.inference.judgement import Judgement, judge_error
from pullfactory.inference.sets import worth_most
from pullfactory.inference.shapes import PullShape
from pullfactory.progress import Progress, silent
from pullfactory.report.drawing import Figures, write_figures
from pullfactory.results._audit_notes import audit_notes, causes_in_audit, repeated_rows
from pullfactory.results._audit_tables import write_tables
from pullfactory.results._ledger import STATUS_NAMES, ToyTable
from pullfactory.results._remarks import Remark, Shapes, remarks, shape_rows
from pullfactory.results._report import REPORT, report_text
from pullfactory.results._rows import (
    PullRow,
    finite_or_none,
    plain_matrix,
    provenance,
    write_numbers,
)
from pullfactory.results._selection import SelectionRow
from pullfactory.results.folders import check_formats, replaced_folder
from pullfactory.settings.audit import AuditConfig
from pullfactory.workspaces.study import write_workspace

__all__ = ["AuditResult", "AuditRow", "AuditToysResult"]

_SCHEMA = "pullfactory-audit/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """What is expected of the error of one parameter, with one method.

    Errors of errors are standard errors from the bootstrap of all samples.

    Attributes:
        method: "binned" or "unbinned".
        parameter: Name.
        claimed_error: Error that the fit gives, in the parameter's unit.
        claimed_error_error: Its error.
        actual_error: Spread of estimate - truth, in the parameter's unit.
        actual_error_error: Its error.
        inflate_by: Actual over claimed error, which is the pull width.
        inflate_by_error: Its error.
        coverage_68: Expected fraction with |pull| < 1; nominal 0.6827.
        coverage_68_error: Its error.
        coverage_95: Expected fraction with |pull| < 2; nominal 0.9545.
        coverage_95_error: Its error.
        template_noise: What the finite number of nominal events adds to the estimates; None where
            it is not known.
        joint_error: Error of a fit to the joint workspace; None where there is none.
        closes: Whether the workspace closes; None where that is not known, and unbinned.
        reason: Why actual error, `inflate_by` and coverages are NaN; None where they are not.
    """

    method: str
    parameter: str
    claimed_error: float
    claimed_error_error: float
    actual_error: float
    actual_error_error: float
    inflate_by: float
    inflate_by_error: float
    coverage_68: float
    coverage_68_error: float
    coverage_95: float
    coverage_95_error: float
    template_noise: float | None
    joint_error: float | None
    closes: bool | None = None
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`; no NaN."""
        return finite_or_none(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditToysResult:
    """The check by toys drawn from the events.

    Attributes:
        sums: Sums over the pulls, by method; empty if there are no toys.
        toys: Every fit of every toy; None if there are no toys.
        pool: Events that they are drawn from.
        reason: Why there are none.
    """

    sums: dict[str, PullSums]
    toys: ToyTable | None
    pool: int
    reason: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class AuditResult:
    """The answer of an audit.

    Attributes:
        expected: The samples, scaled to the data.
        workspace: The pyhf workspace of the observables taken as independent.
        joint_workspace: That of the observables together; None if there is none.
        dependence: How pairs of observables depend on each other.
        predictions: Claimed and actual errors by method.
        joint_errors: Errors of a fit to the joint workspace, of the parameters in it, shape
            (parameters,); None without one.
        sets: Sets of observables, the best first.
        unbinned: Densities of the unbinned fit; None if there is no such fit.
        unbinned_reason: Why not.
        toys: The check by toys.
        data: Fits of the data by method; empty if there are none.
        closure: What the samples leave open between their steps, by parameter.
    """

    expected: Expected
    workspace: dict[str, Any]
    joint_workspace: dict[str, Any] | None
    dependence: tuple[PairDependence, ...]
    predictions: dict[str, PredictedErrors]
    joint_errors: NDArray[np.float64] | None
    sets: tuple[SelectionRow, ...]
    unbinned: UnbinnedModel | None
    unbinned_reason: str | None
    toys: AuditToysResult
    data: tuple[DataFit, ...]
    closure: tuple[AuditClosure, ...] = ()

    @property
    def config(self) -> AuditConfig:
        """What was asked."""
        return self.expected.config

    @property
    def checks(self) -> tuple[SampleCheck, ...]:
        """What was seen in each sample."""
        return tuple(read.check for read in self.expected.events.samples.values())

    @cached_property
    def rows(self) -> tuple[AuditRow, ...]:
        """Expected errors, by method and parameter."""
        return tuple(
            _row(method, predicted, k, self.joint_errors, self._closure_of(method, name))
            for method, predicted in self.predictions.items()
            for k, name in enumerate(predicted.parameters)
        )

    def _closure_of(self, method: str, parameter: str) -> AuditClosure | None:
        """What is known of the closure of what a method fits a parameter with."""
        if method != "binned":
            return None
        return next((row for row in self.closure if row.parameter == parameter), None)

    @cached_property
    def pulls(self) -> tuple[PullRow, ...]:
        """Pulls of the toys, by method and parameter."""
        found = []
        for method, sums in self.toys.sums.items():
            predicted = self.predictions[method]
            named = zip(predicted.parameters, predicted.width.tolist(), strict=True)
            widths = {name: width for name, width in named if math.isfinite(width)}
            found += [
                PullRow(method=method, rho=None, pulls=pulls)
                for pulls in PullSummary.from_sums(predicted.parameters, sums, widths)
            ]
        return tuple(found)

    @cached_property
    def shapes(self) -> Shapes:
        """Whether the pulls of the toys are unit normal as whole distributions."""
        return {
            (method, None): PullShape.of(self.predictions[method].parameters, sums.transformed)
            for method, sums in self.toys.sums.items()
        }

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What a verdict says of the pulls of the toys beside their width."""
        return remarks(self.pulls, self.shapes, partial(causes_in_audit, errors=self.rows))

    @property
    def status(self) -> dict[str, dict[str, int]]:
        """Number of fits of toys by method and status."""
        return {
            method: dict(zip(STATUS_NAMES, (int(n) for n in sums.status), strict=True))
            for method, sums in self.toys.sums.items()
        }

    @property
    def do_not_pay(self) -> tuple[str, ...]:
        """Observables that do not lower the actual error of the parameter of interest."""
        if not all(math.isfinite(row.pull.actual_error) for row in self.sets):
            return ()
        best = worth_most(
            self.sets, lambda row: row.pull.actual_error, lambda row: len(row.observables)
        )
        return tuple(n for n in self.config.observable_names if n not in best.observables)

    @property
    def judgements(self) -> dict[str, Judgement]:
        """Whether the binned fit's claimed error of each parameter is right within 5 %."""
        return {
            row.parameter: judge_error(row.inflate_by, row.inflate_by_error)
            for row in self.rows
            if row.method == "binned"
        }

    @property
    def independent(self) -> bool | None:
        """Whether every error that the binned fit claims is right; None if that cannot be told."""
        found = set(self.judgements.values())
        if "wrong" in found:
            return False
        return None if "unknown" in found else True

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know, a line each."""
        return audit_notes(self)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Notes on what makes the numbers wrong unless it is meant so."""
        return tuple(repeated_rows(self.checks))

    @cached_property
    def templates(self) -> tuple[hist.Hist[Any], ...]:
        """One weighted histogram per observable, of expected events, with axes role and value."""
        return tuple(self.expected.histogram(o) for o in range(len(self.config.observable)))

    def covariance(self, method: str = "binned") -> dict[str, NDArray[np.float64]]:
        """Claimed and corrected covariance of the fit of the data, or else of the expected one.

        Args:
            method: "binned" or "unbinned".

        Returns:
            Each of shape (parameters, parameters), in the parameters' units.
        """
        for one in self.data:
            if one.method == method and one.fit.sandwich is not None:
                return {"claimed": one.fit.covariance[0], "corrected": one.fit.sandwich[0]}
        predicted = self.predictions[method]
        return {"claimed": predicted.claimed, "corrected": predicted.actual}

    def summary(self) -> dict[str, Any]:
        """Content of `audit.json`: plain data without NaN."""
        config = self.config
        return {
            "schema": _SCHEMA,
            "config": config.to_dict(),
            "provenance": provenance(config.seed, config_sha256=config.sha256),
            "independent": self.independent,
            "n_events": self.expected.n_events,
            "errors": [row.to_dict() for row in self.rows],
            "notes": list(self.notes),
            "samples": [asdict(check) for check in self.checks],
            "binning": {
                name: {"edges": axis.edges.tolist(), "open_ends": axis.open_ends}
                for name, axis in zip(
                    config.observable_names, self.expected.events.axes, strict=True
                )
            },
            "correlations": [_dependence_row(pair) for pair in self.dependence],
            "covariance": {
                method: {
                    "parameters": list(predicted.parameters),
                    **{kind: plain_matrix(m) for kind, m in self.covariance(method).items()},
                }
                for method, predicted in self.predictions.items()
            },
            "sets": [row.to_dict() for row in self.sets],
            "do_not_pay": list(self.do_not_pay),
            "unbinned": {
                "used": self.unbinned is not None,
                "reason": self.unbinned_reason,
                "misfit": None if self.unbinned is None else self.unbinned.misfit,
            },
            "toys": {
                "n_toys": max((sums.toys for sums in self.toys.sums.values()), default=0),
                "pool": self.toys.pool,
                "held_apart": config.toys.held_apart,
                "reason": self.toys.reason,
            },
            "status": self.status,
            "remarks": [remark.to_dict() for remark in self.remarks],
            "pulls": [row.to_dict() for row in self.pulls],
            "shapes": shape_rows(self.shapes),
            "data": [_data_row(fit) for fit in self.data] if self.data else None,
            "closure": [row.to_dict() for row in self.closure],
        }

    def write(
        self,
        folder: str | Path,
        *,
        figures: Collection[str] | None = None,
        progress: Progress = silent,
    ) -> Path:
        """Write workspaces, tables, toys, numbers and figures; whole or not at all.

        Args:
            folder: Replaced if it holds an earlier result of ours.
            figures: Formats of the figures, such as ("png", "pdf"); empty: none. None for those
                of the configuration.
            progress: How drawing shows that it goes on.

        Returns:
            The folder.

        Raises:
            OutputError: If the folder holds anything else, or cannot be written, or a format is
                unknown.
        """
        formats = check_formats(self.config.figures if figures is None else figures)
        with replaced_folder(folder) as staging:
            (staging / "workspaces").mkdir()
            write_workspace(self.workspace, staging / "workspaces" / f"{self.config.name}.json")
            if self.joint_workspace:
                name = f"{self.config.name}_joint.json"
                write_workspace(self.joint_workspace, staging / "workspaces" / name)
            if self.toys.toys:
                self.toys.toys.copy_to(staging / "toys.parquet")
            (staging / "audit.toml").write_text(self.config.to_toml(), encoding="utf-8")
            histograms = dict(zip(self.config.observable_names, self.templates, strict=True))
            text = json.dumps(histograms, default=uhi.io.json.default)
            (staging / "templates.json").write_text(f"{text}\n", encoding="utf-8")
            summary = self.summary()
            write_numbers(staging, summary)
            write_tables(staging / "tables", summary, self.dependence)
            write_figures(staging / "figures", self._figures, formats, progress=progress)
            text = report_text(staging, summary)
            (staging / REPORT).write_text(text, encoding="utf-8")
        return Path(folder)

    def _figures(self) -> Figures:
        from pullfactory.report.audit import make_audit_figures  # drawing is slow to load

        return make_audit_figures(self)


def _row(
    method: str,
    predicted: PredictedErrors,
    k: int,
    joint: NDArray[np.float64] | None,
    closure: AuditClosure | None,
) -> AuditRow:
    claimed, actual = (float(errors[k]) for errors in predicted.errors)
    width = actual / claimed
    noise, error = float(predicted.template[k]), float(predicted.width_error[k])
    known = closure is None or closure.correctable
    corrected = {
        "actual_error": actual,
        "actual_error_error": float(predicted.actual_error[k]),
        "inflate_by": width,
        "inflate_by_error": error,
        **_coverage("coverage_68", 1.0, width, error),
        **_coverage("coverage_95", 2.0, width, error),
    }
    return AuditRow(
        method=method,
        parameter=predicted.parameters[k],
        claimed_error=claimed,
        claimed_error_error=float(predicted.claimed_error[k]),
        **(corrected if known else dict.fromkeys(corrected, math.nan)),
        template_noise=noise if math.isfinite(noise) else None,
        joint_error=None if joint is None or method != "binned" else float(joint[k]),
        closes=None if closure is None else closure.closes,
        reason=None if closure is None or known else closure.reason,
    )


def _coverage(key: str, reach: float, width: float, error: float) -> dict[str, float]:
    """Probability of a normal pull of this width within the reach, and its propagated error."""
    at = reach / width
    slope = 2.0 * math.exp(-0.5 * at**2) / math.sqrt(2.0 * math.pi) * at / width
    return {key: float(1 - 2 * ndtr(-at)), f"{key}_error": slope * error}


def _dependence_row(pair: PairDependence) -> dict[str, Any]:
    keys = ("first", "second", "overlap", "events")
    kinds = ("pearson", "pearson_error", "spearman", "spearman_error")
    return {
        **{key: getattr(pair, key) for key in (*keys, *kinds)},
        "excess": plain_matrix(pair.excess),
        "excess_error": plain_matrix(pair.excess_error),
    }


def _data_row(data: DataFit) -> dict[str, Any]:
    fit = data.fit
    return {
        "method": data.method,
        "status": data.status,
        "nll": float(fit.nll[0]) if math.isfinite(fit.nll[0]) else None,
        "bootstrap_failed": data.bootstrap_failed,
        "bootstrap_groups": data.groups,
        "estimates": [
            finite_or_none(
                {
                    "parameter": name,
                    "estimate": float(fit.estimate[0, k]),
                    "claimed_error": float(fit.error[0, k]),
                    "sandwich_error": float(fit.corrected_error[0, k]),
                    "bootstrap_error": float(data.bootstrap[k]),
                    "bootstrap_error_error": float(data.bootstrap_error[k]),
                }
            )
            for k, name in enumerate(fit.parameters)
        ],
        "channels": [
            {
                "name": channel.name,
                **{
                    key: getattr(channel, key).tolist()
                    for key in ("observed", "observed_error", "before", "after", "after_error")
                },
            }
            for channel in data.channels
        ],
    }
