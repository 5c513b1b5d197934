"""The audit of one's own events: from files to errors that know the events belong together."""

from pullfactory.auditing.closure import AuditClosure, compare_morphings
from pullfactory.auditing.densities import UnbinnedModel, learn_unbinned
from pullfactory.auditing.dependence import PairDependence, measure_dependence
from pullfactory.auditing.expected import Expected, ExpectedSample
from pullfactory.auditing.gate import refuse_same
from pullfactory.auditing.measurement import (
    ChannelFit,
    DataFit,
    fit_data,
    fit_data_unbinned,
    in_units,
    unbinned_obstacle,
)
from pullfactory.auditing.model import AuditModel, audit_likelihood
from pullfactory.auditing.pool import EventPool
from pullfactory.auditing.prediction import (
    ErrorModel,
    PredictedErrors,
    claimed_errors,
    predict_errors,
    predict_subset,
)
from pullfactory.auditing.reading import ReadEvents, SampleCheck, read_events
from pullfactory.auditing.templates import build_audit_workspace, build_joint_audit_workspace
from pullfactory.auditing.unbinned_prediction import predict_unbinned

__all__ = [
    "AuditClosure",
    "AuditModel",
    "ChannelFit",
    "DataFit",
    "ErrorModel",
    "EventPool",
    "Expected",
    "ExpectedSample",
    "PairDependence",
    "PredictedErrors",
    "ReadEvents",
    "SampleCheck",
    "UnbinnedModel",
    "audit_likelihood",
    "build_audit_workspace",
    "build_joint_audit_workspace",
    "claimed_errors",
    "compare_morphings",
    "fit_data",
    "fit_data_unbinned",
    "in_units",
    "learn_unbinned",
    "measure_dependence",
    "predict_errors",
    "predict_subset",
    "predict_unbinned",
    "read_events",
    "refuse_same",
    "unbinned_obstacle",
]
