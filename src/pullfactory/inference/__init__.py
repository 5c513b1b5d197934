"""Pulls of fits, and what they say about an uncertainty."""

from pullfactory.inference.any_rho import AnyRho, every_rho, judge_any_rho
from pullfactory.inference.bootstrapping import BootstrapResult, bootstrap
from pullfactory.inference.closing import (
    Closure,
    ClosureVerdict,
    closure_of,
    judge_closure,
    known_predictions,
    measure_closure,
)
from pullfactory.inference.comparison import (
    ComparedPull,
    compared_pulls,
    optimal_errors,
    optimal_methods,
)
from pullfactory.inference.correlation import CorrelationSums
from pullfactory.inference.density_rows import DensityVerdict
from pullfactory.inference.density_verdict import judge_densities
from pullfactory.inference.prediction import PredictedPull, predict_pulls
from pullfactory.inference.pulls import PullSummary, PullSums, summarise_pulls
from pullfactory.inference.weights import WeightRow, observable_weights

__all__ = [
    "AnyRho",
    "BootstrapResult",
    "Closure",
    "ClosureVerdict",
    "ComparedPull",
    "CorrelationSums",
    "DensityVerdict",
    "PredictedPull",
    "PullSummary",
    "PullSums",
    "WeightRow",
    "bootstrap",
    "closure_of",
    "compared_pulls",
    "every_rho",
    "judge_any_rho",
    "judge_closure",
    "judge_densities",
    "known_predictions",
    "measure_closure",
    "observable_weights",
    "optimal_errors",
    "optimal_methods",
    "predict_pulls",
    "summarise_pulls",
]
