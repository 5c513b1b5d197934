"""Fits of toys, their pulls, and what they say about an uncertainty."""

from pullfactory.inference.fits import FitBatch, fit_toys
from pullfactory.inference.minuit import MinuitFit, fit_minuit
from pullfactory.inference.pulls import PullSummary, PullSums, summarise_pulls
from pullfactory.inference.status import FitStatus

__all__ = [
    "FitBatch",
    "FitStatus",
    "MinuitFit",
    "PullSummary",
    "PullSums",
    "fit_minuit",
    "fit_toys",
    "summarise_pulls",
]
