"""What an audit worked out with the events, and the numbers that are kept of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pullfactory.auditing import (
    AuditClosure,
    CalibrationCurve,
    DataFit,
    ErrorParts,
    Expected,
    Finding,
    FlowFit,
    Goodness,
    OptimalFit,
    PairDependence,
    PredictedErrors,
    RatioRow,
    ResponseRow,
    Smoothing,
    UnbinnedModel,
    WholeErrors,
)
from pullfactory.auditing.answerable import withheld_by
from pullfactory.auditing.blinding import blind_offset
from pullfactory.auditing.rows import AuditRow
from pullfactory.described import row_of
from pullfactory.inference.rows import SetRow
from pullfactory.methods import method_kind
from pullfactory.results.audit_numbers import AuditData, AuditToysResult, AuditUnbinned
from pullfactory.results.audit_paper import (
    impact_rows,
    interval_rows,
    paper_rows,
    with_values,
)
from pullfactory.results.schemas.audit import ClosureRow
from pullfactory.settings.audit import AuditConfig

RowsOf = TypeVar("RowsOf", OptimalFit, FlowFit)

_UNANSWERED = "Its actual error is withheld: there is no answer."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditWork:
    """What an audit worked out.

    Attributes:
        expected: The samples, scaled to the data.
        workspace: The pyhf workspace of the observables taken as independent.
        joint_workspace: That of the observables together; None if there is none.
        dependence: How pairs of observables depend on each other.
        predictions: Claimed and actual errors by method.
        joint_errors: Errors of a fit to the joint workspace, of the parameters in it, shape
            (parameters,); None without one.
        sets: Sets of observables, the best first.
        unbinned: Densities of the unbinned fit; None if there is no such fit.
        unbinned_reason: Why not.
        toys: The check by toys.
        data: Fits of the data by method; empty if there are none.
        closure: What the samples leave open between their steps, by parameter.
        gate: What was found in the inputs and in the fit.
        response: Rate, means and widths of every sample beside nominal.
        goodness: Whether the model fits the data; None without data.
        whole: Errors with the noise of the templates, by method.
        parts: Of the whole error of the parameter of interest, by method.
        smoothing: Of the derivatives of its templates.
        curve: Estimate against generated value; None where it was not measured.
        intervals: Of the data, from the likelihood ratio.
        optimal: The observables combined optimally.
        flow: The joint fit by a flow; None where none is asked for.
    """

    expected: Expected
    workspace: dict[str, Any]
    joint_workspace: dict[str, Any] | None
    dependence: tuple[PairDependence, ...]
    predictions: dict[str, PredictedErrors]
    joint_errors: NDArray[np.float64] | None
    sets: tuple[SetRow, ...]
    unbinned: UnbinnedModel | None
    unbinned_reason: str | None
    toys: AuditToysResult
    data: tuple[DataFit, ...]
    closure: tuple[AuditClosure, ...] = ()
    gate: tuple[Finding, ...] = ()
    goodness: Goodness | None = None
    response: tuple[ResponseRow, ...] = ()
    whole: Mapping[str, WholeErrors] = field(default_factory=dict)
    parts: tuple[ErrorParts, ...] = ()
    smoothing: Smoothing = field(default_factory=Smoothing)
    curve: CalibrationCurve | None = None
    intervals: tuple[RatioRow, ...] = ()
    optimal: tuple[OptimalFit, ...] = ()
    flow: FlowFit | None = None

    def numbers(self) -> dict[str, Any]:
        """What `AuditNumbers` is made of."""
        expected, rows = self.expected, self._rows()
        observables = range(len(expected.config.observable))
        data = tuple(_data(expected.config, fit) for fit in self.data)
        withheld = withheld_by(self.goodness, self.gate)
        paper = tuple(paper_rows(expected.config, self.parts, rows, data, withheld))
        return {
            "config": expected.config,
            "n_events": expected.n_events,
            "rows": rows,
            "checks": tuple(read.check for read in expected.events.samples.values()),
            "axes": tuple(expected.events.axes),
            "templates": tuple(expected.histogram(o) for o in observables),
            "workspace": self.workspace,
            "joint_workspace": self.joint_workspace,
            "dependence": self.dependence,
            "covariances": {method: self._covariance(method) for method in self.predictions},
            "sets": self._sets(),
            "unbinned": AuditUnbinned(
                used=self.unbinned is not None,
                reason=self.unbinned_reason,
                misfit=None if self.unbinned is None else self.unbinned.misfit,
            ),
            "toys": self.toys,
            "data": data,
            "paper": paper,
            "impacts": tuple(impact_rows(expected.config, self.parts, rows, data)),
            "closure": tuple(row_of(ClosureRow, row.to_dict()) for row in self.closure),
            "gate": self.gate,
            "goodness": self.goodness,
            "response": self.response,
            "curve": self.curve,
            "intervals": tuple(interval_rows(expected.config, self.intervals, rows, paper)),
            "optimal": tuple(map(self._shown, self.optimal)),
            "flow": self.flow and self._shown(self.flow),
        }

    @property
    def _withheld(self) -> bool:
        """Whether actual errors are kept back."""
        return withheld_by(self.goodness, self.gate) is not None

    def _shown(self, fit: RowsOf) -> RowsOf:
        """Without what is withheld, and with hidden estimates where they are blinded."""
        config, rows = self.expected.config, fit.rows
        if self._withheld:
            rows = tuple(row.withheld() for row in rows)
        if config.blind:
            rows = tuple(
                row.moved(blind_offset(config, row.parameter), blinded=True) for row in rows
            )
        return replace(fit, rows=rows)

    def _sets(self) -> tuple[SetRow, ...]:
        """Sets of observables; without actual errors the lowest claimed one is best."""
        if not self._withheld:
            return self.sets
        hidden = [
            SetRow(observables=row.observables, pull=row.pull.without_actual()) for row in self.sets
        ]
        return tuple(sorted(hidden, key=lambda row: row.pull.claimed_error))

    def _rows(self) -> tuple[AuditRow, ...]:
        """Expected errors, by method and parameter."""
        found = []
        withheld = _UNANSWERED if self._withheld else None
        for method, predicted in self.predictions.items():
            for k, name in enumerate(predicted.parameters):
                closure = self._closure_of(method, name)
                row = _row(method, predicted, k, self.joint_errors, closure, withheld)
                if method in self.whole and not withheld:
                    known = closure is None or closure.correctable
                    curve = self.curve if method_kind(method).workspace else None
                    off = curve is not None and curve.contradicts(name)
                    told = self.whole[method].told(name, correctable=known, contradicted=off)
                    row = replace(row, **told)
                found.append(row)
        return tuple(found)

    def _closure_of(self, method: str, parameter: str) -> AuditClosure | None:
        """What is known of the closure of what a method fits a parameter with."""
        if not method_kind(method).workspace:
            return None
        return next((row for row in self.closure if row.parameter == parameter), None)

    def _covariance(self, method: str) -> dict[str, NDArray[np.float64]]:
        """Claimed and corrected covariance of the fit of the data, or else of the expected one."""
        for one in self.data:
            if one.method == method and one.fit.sandwich is not None:
                return {"claimed": one.fit.covariance[0], "corrected": one.fit.sandwich[0]}
        predicted = self.predictions[method]
        return {"claimed": predicted.claimed, "corrected": predicted.actual}


def _data(config: AuditConfig, data: DataFit) -> AuditData:
    nll = float(data.fit.nll[0])
    estimates, channels = data.estimates(), data.channels
    if config.blind:
        estimates = [_blinded(config, row) for row in estimates]
        channels = tuple(replace(one, before=None, processes={}) for one in channels)
    return AuditData(
        method=data.method,
        status=data.status,
        nll=nll if math.isfinite(nll) else None,
        bootstrap_failed=data.bootstrap_failed,
        groups=data.groups,
        estimates=with_values(config, estimates),
        channels=channels,
    )


def _blinded(config: AuditConfig, row: dict[str, Any]) -> dict[str, Any]:
    """An estimate with its hidden offset."""
    estimate = row["estimate"]
    if estimate is not None:
        estimate += blind_offset(config, row["parameter"])
    return {**row, "estimate": estimate, "blinded": True}


def _row(
    method: str,
    predicted: PredictedErrors,
    k: int,
    joint: NDArray[np.float64] | None,
    closure: AuditClosure | None,
    withheld: str | None,
) -> AuditRow:
    claimed, actual = (float(errors[k]) for errors in predicted.errors)
    width = actual / claimed
    noise, error = float(predicted.template[k]), float(predicted.width_error[k])
    closing = closure is None or closure.correctable
    corrected: dict[str, Any] = {
        "actual_error": actual,
        "actual_error_error": float(predicted.actual_error[k]),
        "inflate_by": width,
        "inflate_by_error": error,
        **_coverage("coverage_68", 1.0, width, error),
        **_coverage("coverage_95", 2.0, width, error),
    }
    return AuditRow(
        method=method,
        parameter=predicted.parameters[k],
        claimed_error=claimed,
        claimed_error_error=float(predicted.claimed_error[k]),
        **(corrected if closing and not withheld else dict.fromkeys(corrected, math.nan)),
        template_noise=noise if math.isfinite(noise) else None,
        joint_error=None if joint is None or not method_kind(method).workspace else float(joint[k]),
        closes=None if closure is None else closure.closes,
        reason=withheld or (None if closure is None or closing else closure.reason),
    )


def _coverage(key: str, reach: float, width: float, error: float) -> dict[str, float]:
    """Probability of a normal pull of this width within the reach, and its propagated error."""
    at = reach / width
    slope = 2.0 * math.exp(-0.5 * at**2) / math.sqrt(2.0 * math.pi) * at / width
    return {key: float(1 - 2 * ndtr(-at)), f"{key}_error": slope * error}
