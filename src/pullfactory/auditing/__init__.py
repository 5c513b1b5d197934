"""The audit of one's own events: from files to errors that know the events belong together."""

from pullfactory.auditing.calibration_curve import (
    CalibrationCurve,
    CurveLine,
    CurvePoint,
    measure_curve,
)
from pullfactory.auditing.closure import AuditClosure, compare_morphings
from pullfactory.auditing.densities import UnbinnedModel, learn_unbinned
from pullfactory.auditing.dependence import PairDependence, measure_dependence
from pullfactory.auditing.expected import Expected, ExpectedPoint, ExpectedSample
from pullfactory.auditing.finding import Finding
from pullfactory.auditing.fitted_pool import FittedPool
from pullfactory.auditing.flow import FlowModel
from pullfactory.auditing.flow_fit import AuditFlow
from pullfactory.auditing.flow_rows import FlowFit, FlowRow
from pullfactory.auditing.gate import Gate, GateError, look
from pullfactory.auditing.half_models import HalfModels
from pullfactory.auditing.impacts import ImpactRow
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.measurement import (
    ChannelFit,
    DataFit,
    fit_data,
    fit_data_unbinned,
    in_units,
    unbinned_obstacle,
)
from pullfactory.auditing.model import AuditModel, audit_likelihood
from pullfactory.auditing.optimal import LearntDensities, OptimalModel, optimal_models
from pullfactory.auditing.optimal_rows import OptimalFit, OptimalRow, OptimalWeight
from pullfactory.auditing.paper import ErrorParts, PaperRow
from pullfactory.auditing.pool import EventPool
from pullfactory.auditing.prediction import (
    ErrorModel,
    PredictedErrors,
    SubsetErrors,
    claimed_errors,
    predict_errors,
)
from pullfactory.auditing.ratio import RatioRow, data_intervals
from pullfactory.auditing.reading import ReadEvents, SampleCheck, read_events
from pullfactory.auditing.response import ResponseRow
from pullfactory.auditing.smoothing import Smoothing
from pullfactory.auditing.templates import build_audit_workspace, build_joint_audit_workspace
from pullfactory.auditing.unbinned_fit import linear_unbinned
from pullfactory.auditing.unbinned_prediction import predict_unbinned
from pullfactory.auditing.whole_error import WholeErrors, whole_errors
from pullfactory.inference.goodness import Goodness

__all__ = [
    "AuditClosure",
    "AuditFlow",
    "AuditModel",
    "CalibrationCurve",
    "ChannelFit",
    "CurveLine",
    "CurvePoint",
    "DataFit",
    "ErrorModel",
    "ErrorParts",
    "EventPool",
    "Expected",
    "ExpectedPoint",
    "ExpectedSample",
    "Finding",
    "FittedPool",
    "FlowFit",
    "FlowModel",
    "FlowRow",
    "Gate",
    "GateError",
    "Goodness",
    "HalfModels",
    "ImpactRow",
    "LearntDensities",
    "LinearFit",
    "OptimalFit",
    "OptimalModel",
    "OptimalRow",
    "OptimalWeight",
    "PairDependence",
    "PaperRow",
    "PredictedErrors",
    "RatioRow",
    "ReadEvents",
    "ResponseRow",
    "SampleCheck",
    "Smoothing",
    "SubsetErrors",
    "UnbinnedModel",
    "WholeErrors",
    "audit_likelihood",
    "build_audit_workspace",
    "build_joint_audit_workspace",
    "claimed_errors",
    "compare_morphings",
    "data_intervals",
    "fit_data",
    "fit_data_unbinned",
    "in_units",
    "learn_unbinned",
    "linear_unbinned",
    "look",
    "measure_curve",
    "measure_dependence",
    "optimal_models",
    "predict_errors",
    "predict_unbinned",
    "read_events",
    "unbinned_obstacle",
    "whole_errors",
]
