"""`bootstrap.json`."""

from dataclasses import dataclass
from typing import Literal

from pullfactory.described import Count, Rho, Size
from pullfactory.results.schemas.parts import Matrix, OfStudy, Status


@dataclass(frozen=True, kw_only=True)
class BootstrapRow:
    """Estimate and errors of one parameter of one toy, in the parameter's unit.

    Attributes:
        method: As in the study.
        parameter: Name.
        truth: True value.
        estimate: Fitted value.
        claimed_error: Error of the fit.
        sandwich_error: From its event-paired sandwich.
        bootstrap_error: From the replicas.
        bootstrap_error_error: The standard error of that.
    """

    method: str
    parameter: str
    truth: float
    estimate: float | None
    claimed_error: Size | None
    sandwich_error: Size | None
    bootstrap_error: Size | None
    bootstrap_error_error: Size | None


@dataclass
class BootstrapFile(OfStudy):
    """Errors of one toy of a study.

    Attributes:
        schema: `pullfactory-bootstrap/2`.
        rho: Correlation of the toy.
        toy: Its number, as in `toys.parquet`.
        replicas: How often its events were drawn again, with auxiliary values around those it has.
        status: For each method, how many replicas ended how; covariances are of those that
            converged.
        observables: Their names, in the order of the matrices.
        correlation: Pearson's correlation of the observables in the events of the toy.
        correlation_error: Its standard error from the replicas.
        covariance: For each method, covariance of the estimates over replicas.
        errors: One row for each method and parameter.
    """

    schema: Literal["pullfactory-bootstrap/2"]
    rho: Rho
    toy: Count
    replicas: Count
    status: dict[str, Status]
    observables: list[str]
    correlation: Matrix | None
    correlation_error: Matrix | None
    covariance: dict[str, Matrix]
    errors: list[BootstrapRow]
