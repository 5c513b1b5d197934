"""Throwing toys of a model and fitting them."""

from pullfactory.fitting.fits import FitBatch, fit_toys
from pullfactory.fitting.information import joint_errors, joint_information
from pullfactory.fitting.intervals import Intervals, event_intervals, intervals
from pullfactory.fitting.minuit import MinuitFit, fit_minuit
from pullfactory.fitting.sandwich import fit_events, sandwich_covariance
from pullfactory.fitting.status import FitStatus
from pullfactory.fitting.throwing import ThrownToys, throw_toys

__all__ = [
    "FitBatch",
    "FitStatus",
    "Intervals",
    "MinuitFit",
    "ThrownToys",
    "event_intervals",
    "fit_events",
    "fit_minuit",
    "fit_toys",
    "intervals",
    "joint_errors",
    "joint_information",
    "sandwich_covariance",
    "throw_toys",
]
