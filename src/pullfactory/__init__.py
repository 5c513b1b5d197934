"""May I fit these observables as if they were independent?

pullfactory throws correlated toys of a profile-likelihood fit to several observables of the same
event, fits every toy binned (pyhf) and unbinned, and compares the pulls.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from pullfactory.binning.edges import exact_probabilities
    from pullfactory.calibration import Calibration
    from pullfactory.errors import PullfactoryError
    from pullfactory.fitting import (
        FitBatch,
        FitStatus,
        Intervals,
        ThrownToys,
        event_intervals,
        fit_events,
        fit_minuit,
        fit_toys,
        intervals,
        throw_toys,
    )
    from pullfactory.inference import (
        BootstrapResult,
        PredictedPull,
        PullSummary,
        bootstrap,
        summarise_pulls,
    )
    from pullfactory.likelihoods import BinnedLikelihood, JointLikelihood, UnbinnedLikelihood
    from pullfactory.methods import (
        Method,
        MethodKind,
        build_method,
        density_method,
        method_kind,
    )
    from pullfactory.report.table import calibration_table, pull_table
    from pullfactory.results.audit import AuditResult
    from pullfactory.results.audit_tables import audit_answer, data_table, pay_line
    from pullfactory.results.bootstrap import BootstrapSummary
    from pullfactory.results.closure import ClosureResult
    from pullfactory.results.keeping import Keep
    from pullfactory.results.merging import merge
    from pullfactory.results.prediction import PredictionResult
    from pullfactory.results.reading import read, write_report
    from pullfactory.results.rows import read_summary
    from pullfactory.results.scan import ScanResult
    from pullfactory.results.schemas import json_schema
    from pullfactory.results.selection import SelectionResult
    from pullfactory.results.standing import Standing, standing
    from pullfactory.results.study import StudyResult
    from pullfactory.results.tables import failure_table
    from pullfactory.results.toys import ToysResult
    from pullfactory.results.workspace_audit import WorkspaceAuditResult
    from pullfactory.runs.audit import audit
    from pullfactory.runs.bootstrap import bootstrap_toy
    from pullfactory.runs.calibrate import calibrate
    from pullfactory.runs.closure import closure
    from pullfactory.runs.predict import predict
    from pullfactory.runs.scan import scan
    from pullfactory.runs.select import select
    from pullfactory.runs.study import run
    from pullfactory.runs.toys import run_toys
    from pullfactory.runs.workspace_audit import audit_workspace
    from pullfactory.settings.audit import AuditConfig
    from pullfactory.settings.cabinetry import read_cabinetry
    from pullfactory.settings.mapping import EventMap
    from pullfactory.settings.study import Study
    from pullfactory.simulation.response import Response
    from pullfactory.simulation.toys import draw_toys
    from pullfactory.workspaces.reading import read_workspace
    from pullfactory.workspaces.study import (
        build_joint_workspace,
        build_workspace,
        negative_samples,
        write_workspace,
    )

__all__ = [
    "AuditConfig",
    "AuditResult",
    "BinnedLikelihood",
    "BootstrapResult",
    "BootstrapSummary",
    "Calibration",
    "ClosureResult",
    "EventMap",
    "FitBatch",
    "FitStatus",
    "Intervals",
    "JointLikelihood",
    "Keep",
    "Method",
    "MethodKind",
    "PredictedPull",
    "PredictionResult",
    "PullSummary",
    "PullfactoryError",
    "Response",
    "ScanResult",
    "SelectionResult",
    "Standing",
    "Study",
    "StudyResult",
    "ThrownToys",
    "ToysResult",
    "UnbinnedLikelihood",
    "WorkspaceAuditResult",
    "__version__",
    "audit",
    "audit_answer",
    "audit_workspace",
    "bootstrap",
    "bootstrap_toy",
    "build_joint_workspace",
    "build_method",
    "build_workspace",
    "calibrate",
    "calibration_table",
    "closure",
    "data_table",
    "density_method",
    "draw_toys",
    "event_intervals",
    "exact_probabilities",
    "failure_table",
    "fit_events",
    "fit_minuit",
    "fit_toys",
    "intervals",
    "json_schema",
    "merge",
    "method_kind",
    "negative_samples",
    "pay_line",
    "predict",
    "pull_table",
    "read",
    "read_cabinetry",
    "read_summary",
    "read_workspace",
    "run",
    "run_toys",
    "scan",
    "select",
    "standing",
    "summarise_pulls",
    "throw_toys",
    "write_report",
    "write_workspace",
]

_HOMES = {
    "AuditConfig": "settings.audit",
    "AuditResult": "results.audit",
    "BinnedLikelihood": "likelihoods",
    "BootstrapResult": "inference",
    "BootstrapSummary": "results.bootstrap",
    "Calibration": "calibration",
    "ClosureResult": "results.closure",
    "EventMap": "settings.mapping",
    "FitBatch": "fitting",
    "FitStatus": "fitting",
    "Intervals": "fitting",
    "JointLikelihood": "likelihoods",
    "PredictedPull": "inference",
    "Keep": "results.keeping",
    "PredictionResult": "results.prediction",
    "PullSummary": "inference",
    "PullfactoryError": "errors",
    "Response": "simulation.response",
    "ScanResult": "results.scan",
    "SelectionResult": "results.selection",
    "Standing": "results.standing",
    "Study": "settings.study",
    "StudyResult": "results.study",
    "ThrownToys": "fitting",
    "ToysResult": "results.toys",
    "UnbinnedLikelihood": "likelihoods",
    "WorkspaceAuditResult": "results.workspace_audit",
    "audit": "runs.audit",
    "audit_answer": "results.audit_tables",
    "audit_workspace": "runs.workspace_audit",
    "bootstrap": "inference",
    "bootstrap_toy": "runs.bootstrap",
    "build_joint_workspace": "workspaces.study",
    "Method": "methods",
    "MethodKind": "methods",
    "build_method": "methods",
    "method_kind": "methods",
    "build_workspace": "workspaces.study",
    "calibrate": "runs.calibrate",
    "calibration_table": "report.table",
    "closure": "runs.closure",
    "data_table": "results.audit_tables",
    "density_method": "methods",
    "draw_toys": "simulation.toys",
    "event_intervals": "fitting",
    "exact_probabilities": "binning.edges",
    "failure_table": "results.tables",
    "fit_events": "fitting",
    "fit_minuit": "fitting",
    "fit_toys": "fitting",
    "intervals": "fitting",
    "json_schema": "results.schemas",
    "merge": "results.merging",
    "negative_samples": "workspaces.study",
    "pay_line": "results.audit_tables",
    "predict": "runs.predict",
    "pull_table": "report.table",
    "read": "results.reading",
    "read_cabinetry": "settings.cabinetry",
    "read_summary": "results.rows",
    "read_workspace": "workspaces.reading",
    "run": "runs.study",
    "run_toys": "runs.toys",
    "scan": "runs.scan",
    "select": "runs.select",
    "standing": "results.standing",
    "summarise_pulls": "inference",
    "throw_toys": "fitting",
    "write_report": "results.reading",
    "write_workspace": "workspaces.study",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing the package is instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pullfactory' has no attribute {name!r}")
    value = getattr(import_module(f"pullfactory.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
