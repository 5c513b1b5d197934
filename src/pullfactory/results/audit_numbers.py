"""What an audit found: its numbers, and what follows from them."""

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pullfactory.auditing import (
    AuditClosure,
    DataFit,
    Expected,
    PairDependence,
    PredictedErrors,
    SampleCheck,
    UnbinnedModel,
)
from pullfactory.auditing.rows import AuditRow, causes_in_audit
from pullfactory.inference import PullSummary, PullSums
from pullfactory.inference.judgement import Judgement, judge_error
from pullfactory.inference.remarks import Remark, Shapes, remarks
from pullfactory.inference.rows import PullRow, SelectionRow
from pullfactory.inference.sets import worth_most
from pullfactory.inference.shapes import PullShape
from pullfactory.methods import BINNED, method_kind
from pullfactory.results._ledger import STATUS_NAMES, ToyTable
from pullfactory.settings.audit import AuditConfig

__all__ = ["AuditNumbers", "AuditToysResult"]


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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class AuditNumbers:
    """What an audit found.

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
    """

    expected: Expected
    workspace: dict[str, Any]
    joint_workspace: dict[str, Any] | None
    dependence: tuple[PairDependence, ...]
    predictions: dict[str, PredictedErrors]
    joint_errors: NDArray[np.float64] | None
    sets: tuple[SelectionRow, ...]
    unbinned: UnbinnedModel | None
    unbinned_reason: str | None
    toys: AuditToysResult
    data: tuple[DataFit, ...]
    closure: tuple[AuditClosure, ...] = ()

    @property
    def config(self) -> AuditConfig:
        """What was asked."""
        return self.expected.config

    @property
    def checks(self) -> tuple[SampleCheck, ...]:
        """What was seen in each sample."""
        return tuple(read.check for read in self.expected.events.samples.values())

    @cached_property
    def rows(self) -> tuple[AuditRow, ...]:
        """Expected errors, by method and parameter."""
        return tuple(
            _row(method, predicted, k, self.joint_errors, self._closure_of(method, name))
            for method, predicted in self.predictions.items()
            for k, name in enumerate(predicted.parameters)
        )

    def _closure_of(self, method: str, parameter: str) -> AuditClosure | None:
        """What is known of the closure of what a method fits a parameter with."""
        if not method_kind(method).workspace:
            return None
        return next((row for row in self.closure if row.parameter == parameter), None)

    @cached_property
    def pulls(self) -> tuple[PullRow, ...]:
        """Pulls of the toys, by method and parameter."""
        found = []
        for method, sums in self.toys.sums.items():
            predicted = self.predictions[method]
            named = zip(predicted.parameters, predicted.width.tolist(), strict=True)
            widths = {name: width for name, width in named if math.isfinite(width)}
            found += [
                PullRow(method=method, rho=None, pulls=pulls)
                for pulls in PullSummary.from_sums(predicted.parameters, sums, widths)
            ]
        return tuple(found)

    @cached_property
    def shapes(self) -> Shapes:
        """Whether the pulls of the toys are unit normal as whole distributions."""
        return {
            (method, None): PullShape.of(self.predictions[method].parameters, sums.transformed)
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

    @property
    def do_not_pay(self) -> tuple[str, ...]:
        """Observables that do not lower the actual error of the parameter of interest."""
        if not all(math.isfinite(row.pull.actual_error) for row in self.sets):
            return ()
        best = worth_most(
            self.sets, lambda row: row.pull.actual_error, lambda row: len(row.observables)
        )
        return tuple(n for n in self.config.observable_names if n not in best.observables)

    @property
    def judgements(self) -> dict[str, Judgement]:
        """Whether the binned fit's claimed error of each parameter is right within 5 %."""
        return {
            row.parameter: judge_error(row.inflate_by, row.inflate_by_error)
            for row in self.rows
            if method_kind(row.method).workspace
        }

    @property
    def independent(self) -> bool | None:
        """Whether every error that the binned fit claims is right; None if that cannot be told."""
        found = set(self.judgements.values())
        if "wrong" in found:
            return False
        return None if "unknown" in found else True

    def covariance(self, method: str = BINNED.name) -> dict[str, NDArray[np.float64]]:
        """Claimed and corrected covariance of the fit of the data, or else of the expected one.

        Args:
            method: One of `predictions`.

        Returns:
            Each of shape (parameters, parameters), in the parameters' units.
        """
        for one in self.data:
            if one.method == method and one.fit.sandwich is not None:
                return {"claimed": one.fit.covariance[0], "corrected": one.fit.sandwich[0]}
        predicted = self.predictions[method]
        return {"claimed": predicted.claimed, "corrected": predicted.actual}


def _row(
    method: str,
    predicted: PredictedErrors,
    k: int,
    joint: NDArray[np.float64] | None,
    closure: AuditClosure | None,
) -> AuditRow:
    claimed, actual = (float(errors[k]) for errors in predicted.errors)
    width = actual / claimed
    noise, error = float(predicted.template[k]), float(predicted.width_error[k])
    known = closure is None or closure.correctable
    corrected = {
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
        **(corrected if known else dict.fromkeys(corrected, math.nan)),
        template_noise=noise if math.isfinite(noise) else None,
        joint_error=None if joint is None or not method_kind(method).workspace else float(joint[k]),
        closes=None if closure is None else closure.closes,
        reason=None if closure is None or known else closure.reason,
    )


def _coverage(key: str, reach: float, width: float, error: float) -> dict[str, float]:
    """Probability of a normal pull of this width within the reach, and its propagated error."""
    at = reach / width
    slope = 2.0 * math.exp(-0.5 * at**2) / math.sqrt(2.0 * math.pi) * at / width
    return {key: float(1 - 2 * ndtr(-at)), f"{key}_error": slope * error}
