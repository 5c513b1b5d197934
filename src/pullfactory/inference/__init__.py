"""Pulls of fits, and what they say about an uncertainty."""

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
from pullfactory.inference.prediction import PredictedPull, predict_pulls
from pullfactory.inference.pulls import PullSummary, PullSums, summarise_pulls

__all__ = [
    "BootstrapResult",
    "Closure",
    "ClosureVerdict",
    "CorrelationSums",
    "PredictedPull",
    "PullSummary",
    "PullSums",
    "bootstrap",
    "closure_of",
    "judge_closure",
    "known_predictions",
    "measure_closure",
    "predict_pulls",
    "summarise_pulls",
]
