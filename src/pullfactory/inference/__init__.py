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
from pullfactory.inference.pulls import (
    TOLERATED,
    Judgement,
    PullSummary,
    PullSums,
    judge_error,
    summarise_pulls,
)

__all__ = [
    "TOLERATED",
    "BootstrapResult",
    "Closure",
    "ClosureVerdict",
    "CorrelationSums",
    "Judgement",
    "PredictedPull",
    "PullSummary",
    "PullSums",
    "bootstrap",
    "closure_of",
    "judge_closure",
    "judge_error",
    "known_predictions",
    "measure_closure",
    "predict_pulls",
    "summarise_pulls",
]
