"""`audit.json`."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from pullfactory.auditing import (
    CalibrationCurve,
    Finding,
    FlowFit,
    Goodness,
    ImpactRow,
    OptimalFit,
    PaperRow,
    RatioRow,
    ResponseRow,
    SampleCheck,
)
from pullfactory.auditing.rows import AuditRow
from pullfactory.described import Count, Later, Part, Rho, Size
from pullfactory.inference.remarks import Remark
from pullfactory.inference.rows import PullRow, SetRow
from pullfactory.results.schemas.parts import (
    Digest,
    Matrix,
    Named,
    Provenance,
    ShapeRow,
    Status,
)
from pullfactory.settings.fields import FileName

Bins = list[float | None]


@dataclass
class AuditKeys:
    """The configuration, with the keys of its TOML file."""

    name: FileName
    seed: int
    poi: str
    parameter: Annotated[list[Named], Field(min_length=1)]
    observable: Annotated[list[Named], Field(min_length=1)]


@dataclass
class AuditProvenance(Provenance):
    """Where the numbers of an audit come from.

    Attributes:
        config_sha256: Digest of the configuration.
    """

    config_sha256: Digest


@dataclass
class Binning:
    """Bins of one observable."""

    edges: list[float]
    open_ends: bool


@dataclass
class DependenceRow:
    """How two observables of the same events depend on each other.

    Attributes:
        first: One observable.
        second: The other.
        overlap: Events that have both, of those that have either.
        events: Events that the coefficients are measured with.
        pearson: Pearson's correlation coefficient.
        pearson_error: Its error.
        spearman: Spearman's rank correlation.
        spearman_error: Its error.
        excess: For each pair of bins, events over those of independent observables, minus 1; a list
            for each bin of the first.
        excess_error: Its error.
    """

    first: str
    second: str
    overlap: Part
    events: Count
    pearson: Rho | None
    pearson_error: Size | None
    spearman: Rho | None
    spearman_error: Size | None
    excess: Matrix
    excess_error: Matrix


@dataclass
class Covariance:
    """Claimed and corrected covariance of the estimates, in their units."""

    parameters: list[str]
    claimed: Matrix
    corrected: Matrix


@dataclass
class Unbinned:
    """Whether there is an unbinned fit."""

    used: bool
    reason: str | None
    misfit: Any


@dataclass
class Toys:
    """How many toys there are, and of what."""

    n_toys: Count
    pool: Count
    held_apart: Part
    reason: str | None


@dataclass
class Estimate:
    """Estimate and errors of one parameter."""

    parameter: str
    estimate: float | None
    claimed_error: Size | None
    sandwich_error: Size | None
    bootstrap_error: Size | None
    bootstrap_error_error: Size | None
    blinded: Annotated[Literal[True], Later] = True
    value: Annotated[float | None, Later] = None


@dataclass
class Channel:
    """Data and rates of one channel."""

    name: str
    observed: Bins
    observed_error: Bins
    before: Bins | None
    after: Bins
    after_error: Bins
    processes: Annotated[dict[str, Bins], Later]


@dataclass
class DataRow:
    """The fit of the data with one method.

    Attributes:
        method: `binned` or `unbinned`.
        status: How the fit ended.
        nll: Negative log-likelihood at the minimum.
        bootstrap_failed: Replicas whose fit failed or ended at a bound; they are left out.
        bootstrap_groups: Groups of events that were drawn because `toys.reservoir` does not hold
            all events; None: the events themselves were.
        estimates: For each `parameter` the `estimate`, the `claimed_error`, the `sandwich_error`
            from the events of the data, the `bootstrap_error` and its own standard error,
            `bootstrap_error_error`; where a hidden offset is in the estimate, one more key says so;
            where the configuration gives nominal values, one more has them with the estimate.
        channels: For each channel its `name`, the events `observed` in its bins with the
            `observed_error`, the root of the sum of their squared weights, those expected `before`
            (None where estimates are blinded) and `after` the fit, their `after_error`, and those
            of the fit by `processes` (none where blinded); none,
            unbinned.
    """

    method: str
    status: str
    nll: float | None
    bootstrap_failed: Count
    bootstrap_groups: Count | None
    estimates: list[Estimate]
    channels: list[Channel]


@dataclass(frozen=True, kw_only=True)
class ClosureRow:
    """What the samples leave open between their steps, for one parameter.

    Attributes:
        parameter: Name.
        bias: Root mean square by which products beside sums of templates move the estimate, in
            units of the error, without the noise of the samples; None where it cannot be had.
        bias_low: Two standard errors below.
        closes: Whether the workspace closes; None where that is not known.
        correctable: Whether there is a corrected error: not where `bias_low` is above 0.25.
        reason: What is to be known of the corrected error in a sentence; None where nothing is.
    """

    parameter: str
    bias: Size | None
    bias_low: float | None
    closes: bool | None
    correctable: bool
    reason: str | None


@dataclass
class AuditFile:
    """What an audit found. What cannot be had is null.

    Attributes:
        schema: `pullfactory-audit/2`.
        config: The configuration, with the keys of its TOML file.
        provenance: Seed, versions, and a digest of the configuration.
        independent: Whether the binned fit's error of the parameter of interest is right as it
            stands: `answer` is `yes`. False for `no` and `calibrate`; None if that cannot be told,
            or the model does not fit the data. In files without `answer`: whether every error is.
        withheld: Why there is no answer; None where there is one.
        doubts: What the answer rests on, a clause each.
        n_events: Events expected in the data, of all processes.
        errors: One row for each method and parameter.
        notes: What to know before using the numbers.
        samples: One row for each sample.
        binning: For each observable its `edges`, and whether it has `open_ends`.
        correlations: One row for each pair of observables.
        covariance: For each method `parameters` and the matrices `claimed` and `corrected`, in
            their units: of the fit of the data, or else as expected.
        sets: For each set of `observables`, the lowest actual error first, its errors of the
            parameter of interest, with the keys of a prediction.
        do_not_pay: Observables that do not lower the actual error of the parameter of interest by
            0.1 % and by more than chance makes.
        may_pay: Observables of which too few events tell whether they do.
        unbinned: Whether there is an unbinned fit (`used`), else the `reason`; `misfit`: for each
            observable the squared distance of density and templates, in sigma of the data.
        toys: How many (`n_toys`), of how many events they are drawn (`pool`), the fraction of
            events `held_apart` for them, and the `reason` if there are none.
        status: For each method, how many fits of toys ended how.
        remarks: Rows as those of a study, with `rho` null: shifted pulls of toys, and pulls that
            are not normal.
        pulls: Rows as those of a study, with `rho` null.
        shapes: Rows as those of a study, with `rho` null: the pulls of toys as whole distributions;
            the truth is fixed, and there are no slices.
        paper: The parameter of interest as a paper quotes it, a row for each method; none without
            data.
        impacts: What each nuisance does to it, a row each, the largest first.
        data: None, or one row for each method.
        closure: By parameter what the samples leave open between their steps.
        gate: What was found in the inputs and in the fit: warnings, then what is fine.
        goodness: Whether the model fits the data; None without data.
        response: Rate, means and widths of every sample beside nominal, a row each.
        calibration: Estimate against generated value, by halves of the simulated events.
        intervals: Intervals of the fit of the data from the likelihood ratio, one row for each
            method and parameter; absent without data.
        optimal: The observables combined optimally, one row for each method that does; absent with
            one observable alone, and where none is asked for.
        flow: The joint fit by a flow; absent where none is asked for.
    """

    schema: Literal["pullfactory-audit/2"]
    config: AuditKeys
    provenance: AuditProvenance
    independent: bool | None
    withheld: Annotated[str | None, Later]
    doubts: Annotated[list[str], Later]
    n_events: Size
    errors: list[AuditRow]
    notes: list[str]
    samples: list[SampleCheck]
    binning: dict[str, Binning]
    correlations: list[DependenceRow]
    covariance: dict[str, Covariance]
    sets: list[SetRow]
    do_not_pay: list[str]
    may_pay: Annotated[list[str], Later]
    unbinned: Unbinned
    toys: Toys
    status: dict[str, Status]
    remarks: list[Remark]
    pulls: list[PullRow]
    shapes: list[ShapeRow]
    paper: Annotated[list[PaperRow], Later]
    impacts: Annotated[list[ImpactRow], Later]
    data: list[DataRow] | None
    closure: list[ClosureRow]
    gate: Annotated[list[Finding], Later]
    goodness: Annotated[Goodness | None, Later]
    response: Annotated[list[ResponseRow], Later]
    calibration: Annotated[CalibrationCurve | None, Later]
    intervals: Annotated[list[RatioRow], Later]
    optimal: Annotated[list[OptimalFit], Later]
    flow: Annotated[FlowFit, Later]
