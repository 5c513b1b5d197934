"""The audit of one's own events: from files to errors that know the events belong together."""

from pullfactory.auditing.closure import AuditClosure, compare_morphings
from pullfactory.auditing.densities import UnbinnedModel, learn_unbinned
from pullfactory.auditing.dependence import PairDependence, measure_dependence
from pullfactory.auditing.gate import refuse_same
from pullfactory.auditing.measurement import (
    ChannelFit,
    DataFit,
    fit_data,
    fit_data_unbinned,
    in_units,
    observed_counts,
    unbinned_obstacle,
)
from pullfactory.auditing.model import audit_likelihood, binned_audit_method
from pullfactory.auditing.pool import EventPool
from pullfactory.auditing.prediction import (
    ErrorModel,
    PredictedErrors,
    claimed_errors,
    predict_errors,
    predict_subset,
)
from pullfactory.auditing.reading import ReadEvents, SampleCheck, read_events
from pullfactory.auditing.templates import (
    Expected,
    build_audit_workspace,
    build_joint_audit_workspace,
    joint_channels,
    noise_in_slopes,
    starved_bins,
)
from pullfactory.auditing.unbinned_prediction import predict_unbinned

__all__ = [
    "AuditClosure",
    "ChannelFit",
    "DataFit",
    "ErrorModel",
    "EventPool",
    "Expected",
    "PairDependence",
    "PredictedErrors",
    "ReadEvents",
    "SampleCheck",
    "UnbinnedModel",
    "audit_likelihood",
    "binned_audit_method",
    "build_audit_workspace",
    "build_joint_audit_workspace",
    "claimed_errors",
    "compare_morphings",
    "fit_data",
    "fit_data_unbinned",
    "in_units",
    "joint_channels",
    "learn_unbinned",
    "measure_dependence",
    "noise_in_slopes",
    "observed_counts",
    "predict_errors",
    "predict_subset",
    "predict_unbinned",
    "read_events",
    "refuse_same",
    "starved_bins",
    "unbinned_obstacle",
]
