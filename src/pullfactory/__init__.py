"""May I fit these observables as if they were independent?

pullfactory throws correlated toys of a profile-likelihood fit to several observables of the same
event, fits every toy binned (pyhf) and unbinned, and compares the pulls.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pullfactory._version import __version__

if TYPE_CHECKING:
    from pullfactory.assessment import audit
    from pullfactory.auditing import AuditConfig
    from pullfactory.calibration import Calibration, calibrate
    from pullfactory.campaign import run_toys
    from pullfactory.closing import closure
    from pullfactory.errors import PullfactoryError
    from pullfactory.forecast import predict
    from pullfactory.inference import (
        BootstrapResult,
        FitBatch,
        FitStatus,
        PredictedPull,
        PullSummary,
        ThrownToys,
        bootstrap,
        fit_events,
        fit_minuit,
        fit_toys,
        summarise_pulls,
        throw_toys,
    )
    from pullfactory.likelihoods import (
        BinnedLikelihood,
        JointLikelihood,
        UnbinnedLikelihood,
        build_method,
        read_workspace,
    )
    from pullfactory.measurement import bootstrap_toy
    from pullfactory.pipeline import run
    from pullfactory.results import (
        AuditResult,
        BootstrapSummary,
        ClosureResult,
        PredictionResult,
        ScanResult,
        SelectionResult,
        StudyResult,
        ToysResult,
        read_summary,
        write_report,
    )
    from pullfactory.scanning import scan
    from pullfactory.selection import select
    from pullfactory.simulation.toys import draw_toys
    from pullfactory.study import Study
    from pullfactory.workspace import (
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
    "FitBatch",
    "FitStatus",
    "JointLikelihood",
    "PredictedPull",
    "PredictionResult",
    "PullSummary",
    "PullfactoryError",
    "ScanResult",
    "SelectionResult",
    "Study",
    "StudyResult",
    "ThrownToys",
    "ToysResult",
    "UnbinnedLikelihood",
    "__version__",
    "audit",
    "bootstrap",
    "bootstrap_toy",
    "build_joint_workspace",
    "build_method",
    "build_workspace",
    "calibrate",
    "closure",
    "draw_toys",
    "fit_events",
    "fit_minuit",
    "fit_toys",
    "negative_samples",
    "predict",
    "read_summary",
    "read_workspace",
    "run",
    "run_toys",
    "scan",
    "select",
    "summarise_pulls",
    "throw_toys",
    "write_report",
    "write_workspace",
]

_HOMES = {
    "AuditConfig": "auditing",
    "AuditResult": "results",
    "BinnedLikelihood": "likelihoods",
    "BootstrapResult": "inference",
    "BootstrapSummary": "results",
    "Calibration": "calibration",
    "ClosureResult": "results",
    "FitBatch": "inference",
    "FitStatus": "inference",
    "JointLikelihood": "likelihoods",
    "PredictedPull": "inference",
    "PredictionResult": "results",
    "PullSummary": "inference",
    "PullfactoryError": "errors",
    "ScanResult": "results",
    "SelectionResult": "results",
    "Study": "study",
    "StudyResult": "results",
    "ThrownToys": "inference",
    "ToysResult": "results",
    "UnbinnedLikelihood": "likelihoods",
    "audit": "assessment",
    "bootstrap": "inference",
    "bootstrap_toy": "measurement",
    "build_joint_workspace": "workspace",
    "build_method": "likelihoods",
    "build_workspace": "workspace",
    "calibrate": "calibration",
    "closure": "closing",
    "draw_toys": "simulation.toys",
    "fit_events": "inference",
    "fit_minuit": "inference",
    "fit_toys": "inference",
    "negative_samples": "workspace",
    "predict": "forecast",
    "read_summary": "results",
    "read_workspace": "likelihoods",
    "run": "pipeline",
    "run_toys": "campaign",
    "scan": "scanning",
    "select": "selection",
    "summarise_pulls": "inference",
    "throw_toys": "inference",
    "write_report": "results",
    "write_workspace": "workspace",
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
