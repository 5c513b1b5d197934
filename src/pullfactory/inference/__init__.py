"""Fits of toys, their pulls, and what they say about an uncertainty."""

from pullfactory.inference.bootstrapping import BootstrapResult, bootstrap
from pullfactory.inference.closing import (
    Closure,
    ClosureVerdict,
    closure_of,
    judge_closure,
    known_predictions,
    measure_closure,
)
from pullfactory.inference.correlation import CorrelationSums
from pullfactory.inference.fits import FitBatch, fit_toys
from pullfactory.inference.information import joint_errors, joint_information
from pullfactory.inference.minuit import MinuitFit, fit_minuit
from pullfactory.inference.prediction import PredictedPull, predict_pulls
from pullfactory.inference.pulls import (
    TOLERATED,
    Judgement,
    PullSummary,
    PullSums,
    judge_error,
    summarise_pulls,
)
from pullfactory.inference.sandwich import fit_events, sandwich_covariance
from pullfactory.inference.status import FitStatus
from pullfactory.inference.throwing import ThrownToys, throw_toys

__all__ = [
    "TOLERATED",
    "BootstrapResult",
    "Closure",
    "ClosureVerdict",
    "CorrelationSums",
    "FitBatch",
    "FitStatus",
    "Judgement",
    "MinuitFit",
    "PredictedPull",
    "PullSummary",
    "PullSums",
    "ThrownToys",
    "bootstrap",
    "closure_of",
    "fit_events",
    "fit_minuit",
    "fit_toys",
    "joint_errors",
    "joint_information",
    "judge_closure",
    "judge_error",
    "known_predictions",
    "measure_closure",
    "predict_pulls",
    "sandwich_covariance",
    "summarise_pulls",
    "throw_toys",
]
