"""What an audit found: its numbers, and what follows from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing import (
    CalibrationCurve,
    Finding,
    FlowFit,
    Goodness,
    ImpactRow,
    OptimalFit,
    PairDependence,
    PaperRow,
    RatioRow,
    ResponseRow,
    SampleCheck,
)
from pullfactory.auditing.answerable import doubts_on, withheld_by
from pullfactory.auditing.measurement import ChannelFit
from pullfactory.auditing.rows import AuditRow, causes_in_audit
from pullfactory.auditing.tally import Axis
from pullfactory.inference import PullSummary, PullSums
from pullfactory.inference.failures import Failures
from pullfactory.inference.judgement import Answer, Judgement, judge_error
from pullfactory.inference.remarks import Remark, Shapes, remarks
from pullfactory.inference.rows import PullRow, SetRow
from pullfactory.inference.sets import idle_observables
from pullfactory.inference.shapes import PullShape
from pullfactory.methods import BINNED, FLOW, method_kind
from pullfactory.report.table import pull_table
from pullfactory.report.tabular import Table
from pullfactory.results.failed_fits import failed_fits
from pullfactory.results.ledger import STATUS_NAMES, ToyTable
from pullfactory.results.schemas.audit import ClosureRow
from pullfactory.settings.audit import AuditConfig

_JUDGED: Mapping[Answer, Judgement] = MappingProxyType(
    {
        "yes": "right",
        "no": "wrong",
        "calibrate": "wrong",
        "cannot": "unknown",
        "unknown": "unknown",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditToysResult:
    """The check by toys drawn from the events.

    Attributes:
        sums: Sums over the pulls, by method; empty if there are no toys.
        toys: Every fit of every toy; None if there are no toys.
        pool: Events that they are drawn from.
        reason: Why there are none.
    """

    sums: dict[str, PullSums]
    toys: ToyTable | None
    pool: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditUnbinned:
    """Whether there is an unbinned fit.

    Attributes:
        used: Whether there is one.
        reason: Why not.
        misfit: For each observable the squared distance of density and templates, in standard
            deviations of the data; None without a fit.
    """

    used: bool
    reason: str | None
    misfit: dict[str, float] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuditData:
    """The fit of the data with one method.

    Attributes:
        method: Its name.
        status: How the fit ended.
        nll: Minimum of the negative log-likelihood; None where it is not finite.
        bootstrap_failed: Replicas whose fit failed or ended at a bound.
        groups: Groups of events that the bootstrap drew; None where it drew the events.
        estimates: Estimate and errors of each parameter, without NaN.
        channels: Data and rates; empty for an unbinned fit.
    """

    method: str
    status: str
    nll: float | None
    bootstrap_failed: int
    groups: int | None
    estimates: tuple[Mapping[str, Any], ...]
    channels: tuple[ChannelFit, ...]

    @property
    def values(self) -> dict[str, float | None]:
        """Estimates by parameter."""
        return {row["parameter"]: row["estimate"] for row in self.estimates}

    def column(self, key: str) -> NDArray[np.float64]:
        """One number of every parameter, shape (parameters,); NaN where there is none.

        Args:
            key: Such as "estimate" or "bootstrap_error".
        """
        return np.array([row[key] for row in self.estimates], dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AuditNumbers:
    """What an audit found, without the events.

    Attributes:
        config: What was asked.
        n_events: Events expected in the data, of all processes.
        rows: Expected errors, by method and parameter.
        checks: What was seen in each sample.
        axes: Bins of each observable.
        templates: One weighted histogram per observable, of expected events, with axes role and
            value.
        workspace: The pyhf workspace of the observables taken as independent.
        joint_workspace: That of the observables together; None if there is none.
        dependence: How pairs of observables depend on each other.
        covariances: By method, the covariance that is claimed and the corrected one, each of shape
            (parameters, parameters), in the parameters' units: of the fit of the data, or else as
            expected.
        sets: Sets of observables, the best first.
        unbinned: Whether there is an unbinned fit.
        toys: The check by toys.
        data: Fits of the data by method; empty if there are none.
        closure: What the samples leave open between their steps, by parameter.
        gate: What was found in the inputs and in the fit: warnings, then what is fine.
        response: Rate, means and widths of every sample beside nominal.
        goodness: Whether the model fits the data; None without data.
        paper: The parameter of interest as a paper quotes it, by method; empty without data.
        impacts: What the nuisances do to it, by method, the largest first.
        curve: Estimate against generated value; None in earlier results.
        intervals: Of the data, from the likelihood ratio; empty without data, and in earlier
            results.
        optimal: The observables combined optimally; empty in earlier results, and with one alone.
        flow: The joint fit by a flow; None in earlier results, and where none is asked for.
    """

    config: AuditConfig
    n_events: float
    rows: tuple[AuditRow, ...]
    checks: tuple[SampleCheck, ...]
    axes: tuple[Axis, ...]
    templates: tuple[hist.Hist[Any], ...]
    workspace: dict[str, Any]
    joint_workspace: dict[str, Any] | None
    dependence: tuple[PairDependence, ...]
    covariances: dict[str, dict[str, NDArray[np.float64]]]
    sets: tuple[SetRow, ...]
    unbinned: AuditUnbinned
    toys: AuditToysResult
    data: tuple[AuditData, ...]
    closure: tuple[ClosureRow, ...] = ()
    gate: tuple[Finding, ...] = ()
    response: tuple[ResponseRow, ...] = ()
    goodness: Goodness | None = None
    paper: tuple[PaperRow, ...] = ()
    impacts: tuple[ImpactRow, ...] = ()
    curve: CalibrationCurve | None = None
    intervals: tuple[RatioRow, ...] = ()
    optimal: tuple[OptimalFit, ...] = ()
    flow: FlowFit | None = None

    @property
    def withheld(self) -> str | None:
        """Why there is no answer, without a full stop; None where there is one."""
        return withheld_by(self.goodness, self.gate)

    @property
    def answered(self) -> bool:
        """Whether the binned fit has the two answers, which earlier versions did not give."""
        return any(row.answer for row in self.rows if method_kind(row.method).workspace)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the answer rests on, each in a clause."""
        return doubts_on(self.goodness, self.gate, noise_known=self.answered)

    def parameters(self, method: str = BINNED.name) -> tuple[str, ...]:
        """Parameters that a method fits, rates of processes among them.

        Args:
            method: Its name.
        """
        combined = (
            row.parameter for one in self.optimal if one.method == method for row in one.rows
        )
        joint = self.flow.rows if self.flow and method == FLOW.name else ()
        return (
            *(row.parameter for row in self.rows if row.method == method),
            *combined,
            *(row.parameter for row in joint),
        )

    @cached_property
    def pulls(self) -> Table[PullRow]:
        """Pulls of the toys, by method and parameter."""
        found = []
        for method, sums in self.toys.sums.items():
            widths = {
                row.parameter: row.inflate_by
                for row in self.rows
                if row.method == method and math.isfinite(row.inflate_by)
            }
            if method_kind(method).improves:
                widths = dict.fromkeys(self.parameters(method), 1.0)
            if self.flow and method == FLOW.name:
                widths = {row.parameter: row.width for row in self.flow.rows if row.width}
            found += [
                PullRow(method=method, rho=None, pulls=pulls)
                for pulls in PullSummary.from_sums(self.parameters(method), sums, widths)
            ]
        return pull_table(found, self.config.parameter)

    @cached_property
    def shapes(self) -> Shapes:
        """Whether the pulls of the toys are unit normal as whole distributions."""
        return {
            (method, None): PullShape.of(self.parameters(method), sums.transformed)
            for method, sums in self.toys.sums.items()
        }

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What a verdict says of the pulls of the toys beside their width."""
        return remarks(self.pulls, self.shapes, partial(causes_in_audit, errors=self.rows))

    @property
    def status(self) -> dict[str, dict[str, int]]:
        """Number of fits of toys by method and status."""
        return {
            method: dict(zip(STATUS_NAMES, (int(n) for n in sums.status), strict=True))
            for method, sums in self.toys.sums.items()
        }

    @cached_property
    def failed(self) -> Failures | None:
        """Every fit of a toy that does not give all errors; None if all do."""
        return failed_fits(self.toys.toys, self.status) if self.toys.toys else None

    @property
    def do_not_pay(self) -> tuple[str, ...]:
        """Observables that do not lower the actual error of the parameter of interest."""
        return self._idle[0]

    @property
    def may_pay(self) -> tuple[str, ...]:
        """Observables of which too few events tell whether they lower that error."""
        return self._idle[1]

    @property
    def _idle(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if not all(math.isfinite(row.pull.actual_error) for row in self.sets):
            return (), ()
        return idle_observables(self.sets, self.config.observable_names)

    @property
    def judgements(self) -> dict[str, Judgement]:
        """Whether the binned fit's claimed error of each parameter is right as it stands."""
        return {
            row.parameter: _JUDGED[row.answer]
            if row.answer
            else judge_error(row.inflate_by, row.inflate_by_error)
            for row in self.rows
            if method_kind(row.method).workspace
        }

    @property
    def independent(self) -> bool | None:
        """Whether the binned fit's error of the parameter of interest is right as it stands.

        None if that cannot be told, as where the model does not fit the data. Of an audit of an
        earlier version whether every error is right.
        """
        if self.withheld:
            return None
        if self.answered:
            own = self.judgements[self.config.poi]
            return None if own == "unknown" else own == "right"
        found = set(self.judgements.values())
        if "wrong" in found:
            return False
        return None if "unknown" in found else True
