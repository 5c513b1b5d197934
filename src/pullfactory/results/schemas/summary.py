"""`summary.json`, of a study and of toys of a workspace."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pullfactory.calibration import ResponseRow
from pullfactory.described import Count, Later
from pullfactory.inference import ComparedPull
from pullfactory.inference.calibration_noise import CalibrationNoise
from pullfactory.inference.coverage import CoverageRow
from pullfactory.inference.remarks import Remark
from pullfactory.inference.rows import PullRow
from pullfactory.results.schemas.parts import (
    Matrix,
    OfStudy,
    Provenance,
    ShapeRow,
    Status,
    VerdictRow,
)


@dataclass
class StudyFile(OfStudy):
    """What a study found. Errors are one standard deviation; what cannot be had is null.

    Attributes:
        schema: `pullfactory-summary/2`.
        calibration: Truth, result and error of every number of the response.
        calibration_noise: What the noise of the calibration does to the pulls.
        status: For each method, how many fits ended how.
        closure: The verdicts on the morphing, without a grid; None without `binned`.
        remarks: Shifted pulls, and pulls that are not normal.
        pulls: One row for each method, rho and parameter.
        shapes: The pulls as whole distributions.
        predictions: Errors and pull widths expected without toys, also between the values of rho
            where that is cheap.
        intervals: Coverage of intervals from the likelihood ratio, one row for each method, rho and
            parameter that the study asks for; absent where it asks for none.
        null: For each optimal method the number of combinations of bins or scores that always have
            the same value, and are left out; absent without such a method.
    """

    schema: Literal["pullfactory-summary/2"]
    calibration: list[ResponseRow]
    calibration_noise: list[CalibrationNoise]
    status: dict[str, Status]
    closure: list[VerdictRow] | None
    remarks: list[Remark]
    pulls: list[PullRow]
    shapes: list[ShapeRow]
    predictions: list[ComparedPull]
    intervals: Annotated[list[CoverageRow], Later]
    null: Annotated[dict[str, Count], Later]


@dataclass
class Correlation:
    """How the estimates of toys go together.

    Attributes:
        parameters: Those that moved in the fits.
        toys: Toys whose fit ended well.
        over_toys: Correlation of estimate - truth over toys.
        fitted: Mean correlation of the fits.
    """

    parameters: list[str]
    toys: Count
    over_toys: Matrix | None
    fitted: Matrix | None


@dataclass
class Slices:
    """Where toys are divided into thirds."""

    edges: list[tuple[float, float]]
    estimated: list[bool]


@dataclass
class ToysFile:
    """What toys of a workspace found. Errors are one standard deviation; what cannot be is null.

    Attributes:
        schema: `pullfactory-summary/2`.
        study: None: there is none.
        provenance: Seed and versions.
        ensemble: What was drawn beside the counts: `fixed` or `prior`.
        n_toys: How many toys were asked for, of which blocks may be left out.
        truth: For each parameter, fixed ones too, its true value, before any draw.
        status: Under `binned`, how many fits ended how.
        correlation: `parameters`; over how many `toys`; the matrices `over_toys`, of estimate -
            truth, and `fitted`, mean.
        remarks: Shifted pulls, and pulls that are not normal.
        pulls: One row for each parameter that is not fixed.
        shapes: The pulls as whole distributions.
        slices: Where toys are divided into thirds: for each of the parameters of `correlation` its
            `edges`, and whether they are of its estimate (`estimated`); None if true values are
            fixed.
    """

    schema: Literal["pullfactory-summary/2"]
    study: None
    provenance: Provenance
    ensemble: Literal["fixed", "prior"]
    n_toys: Annotated[Count | None, Later]
    truth: dict[str, float]
    status: dict[str, Status]
    correlation: Correlation
    remarks: list[Remark]
    pulls: list[PullRow]
    shapes: list[ShapeRow]
    slices: Slices | None
