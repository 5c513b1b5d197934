"""What an audit gives back."""

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import hist
import uhi.io.json

from pullfactory.auditing import (
    DataFit,
    PairDependence,
)
from pullfactory.auditing.rows import AuditRow
from pullfactory.inference.remarks import shape_rows
from pullfactory.numbers import plain_matrix
from pullfactory.report.drawing import Figures
from pullfactory.report.tabular import Table
from pullfactory.results._report import report_text
from pullfactory.results._rows import provenance, schema_name
from pullfactory.results.audit_csv import write_tables
from pullfactory.results.audit_notes import audit_notes, repeated_rows
from pullfactory.results.audit_numbers import AuditNumbers
from pullfactory.results.audit_tables import audit_answer, audit_table
from pullfactory.results.result import Result
from pullfactory.workspaces.study import write_workspace

__all__ = ["AuditResult"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AuditResult(AuditNumbers, Result):
    """The answer of an audit: what it found, in words, figures and files."""

    @property
    def title(self) -> str:
        """The question, and the answer in one sentence."""
        return audit_answer(self)

    @property
    def table(self) -> Table[AuditRow]:
        """Claimed and actual errors, by method and parameter."""
        return audit_table(self)

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

    def summary(self) -> dict[str, Any]:
        """Content of `audit.json`: plain data without NaN."""
        config = self.config
        return {
            "schema": schema_name("audit"),
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

    @property
    def _formats(self) -> tuple[str, ...]:
        return self.config.figures

    def _fill(self, folder: Path, summary: dict[str, Any]) -> None:
        (folder / "workspaces").mkdir()
        write_workspace(self.workspace, folder / "workspaces" / f"{self.config.name}.json")
        if self.joint_workspace:
            name = f"{self.config.name}_joint.json"
            write_workspace(self.joint_workspace, folder / "workspaces" / name)
        if self.toys.toys:
            self.toys.toys.copy_to(folder / "toys.parquet")
        (folder / "audit.toml").write_text(self.config.to_toml(), encoding="utf-8")
        histograms = dict(zip(self.config.observable_names, self.templates, strict=True))
        text = json.dumps(histograms, default=uhi.io.json.default)
        (folder / "templates.json").write_text(f"{text}\n", encoding="utf-8")
        write_tables(folder / "tables", summary, self.dependence)

    def _page(self, folder: Path, summary: dict[str, Any]) -> str:
        return report_text(folder, summary)

    def _figures(self) -> Figures:
        from pullfactory.results.audit_figures import make_audit_figures  # drawing is slow to load

        return make_audit_figures(self)


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
        "estimates": data.estimates(),
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
