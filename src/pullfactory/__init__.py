"""May I fit these observables as if they were independent?

pullfactory throws correlated toys of a profile-likelihood fit to several observables of the same
event, fits every toy binned (pyhf) and unbinned, and compares the pulls.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pullfactory._version import __version__

if TYPE_CHECKING:
    from pullfactory.calibration import Calibration, calibrate
    from pullfactory.errors import PullfactoryError
    from pullfactory.inference import (
        FitBatch,
        FitStatus,
        PullSummary,
        fit_minuit,
        fit_toys,
        summarise_pulls,
    )
    from pullfactory.likelihoods import BinnedLikelihood, UnbinnedLikelihood, build_method
    from pullfactory.pipeline import run
    from pullfactory.results import StudyResult, read_summary
    from pullfactory.simulation.toys import draw_toys
    from pullfactory.study import Study
    from pullfactory.workspace import build_workspace, write_workspace

__all__ = [
    "BinnedLikelihood",
    "Calibration",
    "FitBatch",
    "FitStatus",
    "PullSummary",
    "PullfactoryError",
    "Study",
    "StudyResult",
    "UnbinnedLikelihood",
    "__version__",
    "build_method",
    "build_workspace",
    "calibrate",
    "draw_toys",
    "fit_minuit",
    "fit_toys",
    "read_summary",
    "run",
    "summarise_pulls",
    "write_workspace",
]

_HOMES = {
    "BinnedLikelihood": "likelihoods",
    "Calibration": "calibration",
    "FitBatch": "inference",
    "FitStatus": "inference",
    "PullSummary": "inference",
    "PullfactoryError": "errors",
    "Study": "study",
    "StudyResult": "results",
    "UnbinnedLikelihood": "likelihoods",
    "build_method": "likelihoods",
    "build_workspace": "workspace",
    "calibrate": "calibration",
    "draw_toys": "simulation.toys",
    "fit_minuit": "inference",
    "fit_toys": "inference",
    "read_summary": "results",
    "run": "pipeline",
    "summarise_pulls": "inference",
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
