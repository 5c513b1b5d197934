"""What an audit gives back."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import hist
import numpy as np
import uhi.io.json
from numpy.typing import NDArray

from pullfactory.auditing import (
    CalibrationCurve,
    CurveLine,
    CurvePoint,
    Finding,
    FlowFit,
    ImpactRow,
    OptimalFit,
    PairDependence,
    PaperRow,
    RatioRow,
    ResponseRow,
    SampleCheck,
)
from pullfactory.auditing.blinding import blind_offset
from pullfactory.auditing.measurement import ChannelFit
from pullfactory.auditing.rows import AuditRow
from pullfactory.auditing.tally import Axis
from pullfactory.described import row_of
from pullfactory.errors import OutputError
from pullfactory.files import read_json, short_name
from pullfactory.inference.goodness import read_goodness
from pullfactory.inference.remarks import shape_rows
from pullfactory.inference.rows import SetRow
from pullfactory.numbers import filled_matrix, plain_matrix
from pullfactory.report.figures import Figures
from pullfactory.report.paper import paper_lines
from pullfactory.report.tabular import Table
from pullfactory.results.audit_csv import write_tables
from pullfactory.results.audit_notes import audit_notes, exchanged_notes
from pullfactory.results.audit_numbers import (
    AuditData,
    AuditNumbers,
    AuditToysResult,
    AuditUnbinned,
)
from pullfactory.results.audit_paper import line_of, with_values
from pullfactory.results.audit_tables import audit_answer, audit_table
from pullfactory.results.audit_work import AuditWork, RowsOf
from pullfactory.results.failed_fits import FAILURES, write_failures
from pullfactory.results.ledger import Parts, table_at
from pullfactory.results.pull_sums import TOYS, pulls_of, summed_pulls
from pullfactory.results.report import report_text
from pullfactory.results.result import Result
from pullfactory.results.rows import provenance, read_numbers, schema_name
from pullfactory.results.schemas.audit import ClosureRow
from pullfactory.settings.audit import AuditConfig
from pullfactory.workspaces.study import write_workspace

TEMPLATES = "templates.json"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AuditResult(AuditNumbers, Result):
    """The answer of an audit: what it found, in words, figures and files.

    Attributes:
        notes: What a reader of the numbers should know, a line each.
        revealed: Whether it may take the place of a blinded one.
    """

    kind = "audit"

    notes: tuple[str, ...] = ()
    revealed: bool = False

    @classmethod
    def of(cls, work: AuditWork) -> Self:
        """The result of what was worked out.

        Args:
            work: With the events.
        """
        result = cls(**work.numbers())
        return replace(result, notes=audit_notes(result, work))

    @property
    def title(self) -> str:
        """The question, and the answer in one sentence."""
        return audit_answer(self)

    @property
    def lines(self) -> tuple[str, ...]:
        """The line for the paper, and the parts of its error, of each method; none without data."""
        (poi,) = (one for one in self.config.parameter if one.name == self.config.poi)
        return tuple(paper_lines([row.to_dict() for row in self.paper], poi.unit))

    @property
    def table(self) -> Table[Any]:
        """Claimed and whole errors and both answers, by method and parameter."""
        return audit_table(self)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the numbers wrong unless it is meant so."""
        return tuple(str(finding) for finding in self.gate if finding.level == "warn")

    def summary(self) -> dict[str, Any]:
        """Content of `audit.json`: plain data without NaN."""
        config = self.config
        return {
            "schema": schema_name(self.kind),
            "config": config.to_dict(),
            "provenance": provenance(
                config.seed,
                self.versions,
                config_sha256=config.sha256,
                mixed=list(self.mixed),
            ),
            "independent": self.independent,
            "withheld": self.withheld,
            "doubts": list(self.doubts),
            "n_events": self.n_events,
            "errors": [row.to_dict() for row in self.rows],
            "notes": list(self.notes),
            "samples": [asdict(check) for check in self.checks],
            "binning": {
                name: {"edges": axis.edges.tolist(), "open_ends": axis.open_ends}
                for name, axis in zip(config.observable_names, self.axes, strict=True)
            },
            "correlations": [_dependence_row(pair) for pair in self.dependence],
            "covariance": {
                method: {
                    "parameters": list(self.parameters(method)),
                    **{kind: plain_matrix(matrix) for kind, matrix in matrices.items()},
                }
                for method, matrices in self.covariances.items()
            },
            "sets": [row.to_dict() for row in self.sets],
            "do_not_pay": list(self.do_not_pay),
            "may_pay": list(self.may_pay),
            "unbinned": asdict(self.unbinned),
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
            "paper": [row.to_dict() for row in self.paper],
            "impacts": [row.to_dict() for row in self.impacts],
            "data": [_data_row(fit) for fit in self.data] if self.data else None,
            "closure": [asdict(row) for row in self.closure],
            "gate": [finding.to_dict() for finding in self.gate],
            "goodness": self.goodness.to_dict() if self.goodness else None,
            "response": [row.to_dict() for row in self.response],
            "calibration": self.curve.to_dict() if self.curve else None,
            **({"intervals": [row.to_dict() for row in self.intervals]} if self.intervals else {}),
            **({"optimal": [fit.to_dict() for fit in self.optimal]} if self.optimal else {}),
            **({"flow": self.flow.to_dict()} if self.flow else {}),
        }

    @property
    def n_toys(self) -> int:
        """How many toys were asked for, of which blocks may be left out."""
        return self.config.toys.n_toys

    @cached_property
    def mixed(self) -> tuple[str, ...]:
        """What other packages or processors have made some of the toys, in words."""
        return self.toys.toys.mixed(self.versions) if self.toys.toys else ()

    def with_toys(self, toys: Parts) -> Self:
        """The same with other toys.

        Args:
            toys: All blocks that are joined.
        """
        sums = {method: one for (_, method), one in pulls_of(toys).items()}
        made = replace(self, toys=replace(self.toys, toys=toys, sums=sums))
        return replace(made, notes=exchanged_notes(self.notes, self, made))

    def unblinded(self) -> Self:
        """The same result, with the estimates as they are, to be written in place of this one."""
        if not self.config.blind:
            return replace(self, revealed=True)
        roles = {process.nominal.role for process in self.config.sample_set.processes}
        names = self.config.observable_names
        nominal = {
            name: template.values()[[role in roles for role in template.axes[0]]].sum(axis=0)
            for name, template in zip(names, self.templates, strict=True)
        }
        config = self.config.with_settings({"blind": False})
        data = tuple(_unblinded(config, fit, nominal) for fit in self.data)
        values = {fit.method: fit.values for fit in data}
        paper = tuple(row.at(values.get(row.method, {}), blind=False) for row in self.paper)
        return replace(
            self,
            config=config,
            data=data,
            paper=paper,
            intervals=tuple(row.calibrated(line_of(paper, row)) for row in self.intervals),
            impacts=tuple(row.pulled(values.get(row.method, {})) for row in self.impacts),
            optimal=tuple(_shown(config, fit) for fit in self.optimal),
            flow=self.flow and _shown(config, self.flow),
            revealed=True,
        )

    def _refuse(self, folder: str | Path) -> None:
        """Refuse to take the place of a blinded audit unless that is wanted."""
        if not (self.config.blind or self.revealed) and is_blinded(folder):
            raise OutputError(
                f"output folder '{folder}' is blinded, and stays so; set blind = true, or write "
                "unblinded() of the result, or choose another folder"
            )

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        config = AuditConfig.from_dict(
            _as_made(numbers["config"]), place=f"configuration in '{folder}'"
        )
        joint = folder / "workspaces" / f"{short_name(config.name)}_joint.json"
        histograms = read_json(folder / TEMPLATES)
        return cls(
            versions=numbers["provenance"]["versions"],
            config=config,
            n_events=numbers["n_events"],
            rows=tuple(row_of(AuditRow, row) for row in numbers["errors"]),
            notes=tuple(numbers["notes"]),
            checks=tuple(row_of(SampleCheck, row) for row in numbers["samples"]),
            axes=tuple(
                Axis(edges=np.array(axis["edges"]), open_ends=axis["open_ends"])
                for axis in (numbers["binning"][name] for name in config.observable_names)
            ),
            templates=tuple(_histogram(histograms[name]) for name in config.observable_names),
            workspace=read_json(folder / "workspaces" / f"{short_name(config.name)}.json"),
            joint_workspace=read_json(joint) if joint.exists() else None,
            dependence=tuple(map(_dependence, numbers["correlations"])),
            covariances={
                method: {kind: _matrix(row[kind]) for kind in ("claimed", "corrected")}
                for method, row in numbers["covariance"].items()
            },
            sets=tuple(row_of(SetRow, row) for row in numbers["sets"]),
            unbinned=AuditUnbinned(**numbers["unbinned"]),
            toys=_toys(folder, numbers["toys"]),
            data=tuple(map(_data, numbers["data"] or ())),
            closure=tuple(row_of(ClosureRow, row) for row in numbers["closure"]),
            gate=tuple(row_of(Finding, row) for row in numbers.get("gate", ())),
            goodness=read_goodness(numbers.get("goodness")),
            paper=tuple(map(PaperRow.from_dict, numbers.get("paper", ()))),
            impacts=tuple(row_of(ImpactRow, row) for row in numbers.get("impacts", ())),
            response=tuple(row_of(ResponseRow, row) for row in numbers.get("response", ())),
            curve=_curve(numbers.get("calibration")),
            intervals=tuple(row_of(RatioRow, row) for row in numbers.get("intervals", ())),
            optimal=tuple(map(OptimalFit.from_dict, numbers.get("optimal", ()))),
            flow=FlowFit.from_dict(numbers["flow"]) if "flow" in numbers else None,
        )

    @property
    def _formats(self) -> tuple[str, ...]:
        return self.config.figures

    def _fill(self, folder: Path, summary: dict[str, Any]) -> None:
        (folder / "workspaces").mkdir()
        write_workspace(
            self.workspace, folder / "workspaces" / f"{short_name(self.config.name)}.json"
        )
        if self.joint_workspace:
            name = f"{short_name(self.config.name)}_joint.json"
            write_workspace(self.joint_workspace, folder / "workspaces" / name)
        if self.toys.toys:
            self.toys.toys.copy_to(folder / TOYS)
        (folder / "audit.toml").write_text(self.config.to_toml(), encoding="utf-8")
        histograms = dict(zip(self.config.observable_names, self.templates, strict=True))
        text = json.dumps(histograms, default=uhi.io.json.default)
        (folder / TEMPLATES).write_text(f"{text}\n", encoding="utf-8")
        write_tables(folder / "tables", summary, self.dependence)
        if self.failed:
            write_failures(folder / "tables" / FAILURES, self.failed)

    def _page(self, folder: Path, summary: dict[str, Any]) -> str:
        return report_text(folder, summary)

    def _figures(self) -> Figures:
        from pullfactory.results.audit_figures import make_audit_figures  # drawing is slow to load

        return make_audit_figures(self)


def is_blinded(folder: str | Path) -> bool:
    """Whether a folder holds a blinded audit.

    Args:
        folder: Need not exist.
    """
    try:
        return bool(read_numbers(folder, "audit")["config"].get("blind", False))
    except (OutputError, LookupError, AttributeError, TypeError):
        return False


def _as_made(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration with what held when it was written: nothing was smoothed, or combined."""
    earlier = {"smooth": "none", **config.get("workspace", {})}
    return {"optimal": False, **config, "workspace": earlier}


def _dependence_row(pair: PairDependence) -> dict[str, Any]:
    keys = ("first", "second", "overlap", "events")
    kinds = ("pearson", "pearson_error", "spearman", "spearman_error")
    return {
        **{key: getattr(pair, key) for key in (*keys, *kinds)},
        "excess": plain_matrix(pair.excess),
        "excess_error": plain_matrix(pair.excess_error),
    }


def _histogram(content: Any) -> hist.Hist[Any]:
    return hist.Hist(json.loads(json.dumps(content), object_hook=uhi.io.json.object_hook))


def _dependence(row: Mapping[str, Any]) -> PairDependence:
    matrices = {key: _matrix(row[key]) for key in ("excess", "excess_error")}
    return PairDependence(**{**row, **matrices})


def _matrix(rows: list[list[float | None]]) -> NDArray[np.float64]:
    matrix = filled_matrix(rows)
    assert matrix is not None
    return matrix


def _toys(folder: Path, row: Mapping[str, Any]) -> AuditToysResult:
    there = bool(row["n_toys"])
    sums = summed_pulls(folder) if there else {}
    return AuditToysResult(
        sums={method: some for (_, method), some in sums.items()},
        toys=table_at(folder / TOYS) if there else None,
        pool=row["pool"],
        reason=row["reason"],
    )


_CHANNEL = ("observed", "observed_error", "before", "after", "after_error")


def _data_row(data: AuditData) -> dict[str, Any]:
    return {
        "method": data.method,
        "status": data.status,
        "nll": data.nll,
        "bootstrap_failed": data.bootstrap_failed,
        "bootstrap_groups": data.groups,
        "estimates": [dict(row) for row in data.estimates],
        "channels": [
            {
                "name": one.name,
                **{key: _bins(getattr(one, key)) for key in _CHANNEL},
                "processes": {name: rates.tolist() for name, rates in one.processes.items()},
            }
            for one in data.channels
        ],
    }


def _data(row: Mapping[str, Any]) -> AuditData:
    return AuditData(
        method=row["method"],
        status=row["status"],
        nll=row["nll"],
        bootstrap_failed=row["bootstrap_failed"],
        groups=row["bootstrap_groups"],
        estimates=tuple(row["estimates"]),
        channels=tuple(
            ChannelFit(
                name=one["name"],
                before=None if one["before"] is None else np.array(one["before"]),
                **{key: np.array(one[key]) for key in _CHANNEL if key != "before"},
                processes={k: np.array(rates) for k, rates in one.get("processes", {}).items()},
            )
            for one in row["channels"]
        ),
    )


def _bins(values: NDArray[np.float64] | None) -> list[float] | None:
    return None if values is None else values.tolist()


def _curve(row: Mapping[str, Any] | None) -> CalibrationCurve | None:
    if row is None:
        return None
    return CalibrationCurve(
        points=tuple(row_of(CurvePoint, one) for one in row["points"]),
        lines=tuple(row_of(CurveLine, one) for one in row["lines"]),
        reason=row["reason"],
    )


def _shown(config: AuditConfig, fit: RowsOf) -> RowsOf:
    """An optimal or joint fit of the data without the offsets."""
    rows = (row.moved(-blind_offset(config, row.parameter), blinded=False) for row in fit.rows)
    return replace(fit, rows=tuple(rows))


def _unblinded(
    config: AuditConfig, data: AuditData, nominal: Mapping[str, NDArray[np.float64]]
) -> AuditData:
    """A fit of the data without the offsets."""
    estimates = []
    for row in data.estimates:
        shown = {key: value for key, value in row.items() if key != "blinded"}
        if shown["estimate"] is not None:
            shown["estimate"] -= blind_offset(config, row["parameter"])
        estimates.append(shown)
    channels = tuple(replace(one, before=nominal[one.name]) for one in data.channels)
    return replace(data, estimates=with_values(config, estimates), channels=channels)
