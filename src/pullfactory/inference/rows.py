"""Rows of results: one parameter, one method and one place each."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pullfactory.described import Flat, Later, Rho, Size, SizeOrNaN
from pullfactory.inference.prediction import PredictedPull
from pullfactory.inference.pulls import PullSummary
from pullfactory.numbers import finite_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRow:
    """Summary of the pulls of one parameter, with one method, at one rho.

    Attributes:
        method: Likelihood that the toys were fitted with, as in the study; "binned" for toys of a
            workspace.
        rho: Correlation of the observables; None where there is no scan of it.
        pulls: Of this parameter.
        optimal_error: Actual error that is expected of the optimal combination of what the method
            takes as independent, in the parameter's unit; None where there is none.
    """

    method: str
    rho: Rho | None
    pulls: Annotated[PullSummary, Flat]
    optimal_error: Annotated[Size | None, Later] = None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `summary.json`; no NaN."""
        own = {"optimal_error": self.optimal_error}
        return finite_or_none({"method": self.method, "rho": self.rho, **asdict(self.pulls), **own})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanRow:
    """Summary of the pulls of one parameter at one point of a scan.

    Attributes:
        variant: Label of the variant of the study.
        value: What the scanned key was.
        method: As in the study.
        rho: Correlation.
        pulls: Of this parameter.
    """

    variant: str
    value: Any
    method: str
    rho: Rho | None
    pulls: Annotated[PullSummary, Flat]

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `scan.json`; no NaN."""
        own = PullRow(method=self.method, rho=self.rho, pulls=self.pulls)
        return {"variant": self.variant, "value": self.value, **own.to_dict()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRow:
    """What one set of observables gives for the parameter of interest, with one method.

    Attributes:
        observables: Names, in the order of the study.
        pull: Errors, pull width and coverage if they are taken as independent, and the error
            of a joint fit to them.
        optimal_error: Actual error of their optimal combination, in the parameter's unit; None if
            it is not known.
    """

    observables: tuple[str, ...]
    pull: Annotated[PredictedPull, Flat]
    optimal_error: Annotated[SizeOrNaN | None, Later] = None

    @property
    def reached(self) -> float:
        """What the best use of them gives: the optimal error, or the actual one."""
        return self.pull.actual_error if self.optimal_error is None else self.optimal_error

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `selection.json`; no NaN."""
        own = {"optimal_error": self.optimal_error}
        return finite_or_none({"observables": list(self.observables), **asdict(self.pull), **own})


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRow:
    """What one set of observables gives for the parameter of interest of an audit.

    Attributes:
        observables: Names, in the order of the configuration.
        pull: Errors, pull width and coverage if they are taken as independent.
        actual_error_error: Standard error of the actual error, from the bootstrap of all samples.
        difference: Actual error over that of the best set, less 1.
        difference_error: Its standard error; every set has the same replicas.
    """

    observables: tuple[str, ...]
    pull: Annotated[PredictedPull, Flat]
    actual_error_error: Annotated[Size | None, Later] = None
    difference: Annotated[float | None, Later] = None
    difference_error: Annotated[Size | None, Later] = None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`; no NaN."""
        own = ("actual_error_error", "difference", "difference_error")
        return finite_or_none(
            {
                "observables": list(self.observables),
                **asdict(self.pull),
                **{key: getattr(self, key) for key in own},
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedSet:
    """A set of observables that cannot be fitted alone.

    Attributes:
        observables: Names, in the order of the study.
        reason: Why not.
    """

    observables: tuple[str, ...]
    reason: str
