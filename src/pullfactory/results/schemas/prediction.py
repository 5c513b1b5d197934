"""`prediction.json`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pullfactory.described import Later
from pullfactory.inference import AnyRho, ComparedPull, WeightRow
from pullfactory.results.schemas.parts import OfStudy, VerdictRow


@dataclass
class PredictionFile(OfStudy):
    """What is expected of a study, without toys.

    Attributes:
        schema: `pullfactory-prediction/2`.
        closure: The verdicts on the morphing, without a grid; None without `binned`.
        predictions: One row for each method, rho and parameter.
        weights: One row for each method, rho, parameter and observable.
        any_rho: One row for each method and parameter; none unless it was asked for.
    """

    schema: Literal["pullfactory-prediction/2"]
    closure: list[VerdictRow] | None
    predictions: list[ComparedPull]
    weights: Annotated[list[WeightRow], Later]
    any_rho: Annotated[list[AnyRho], Later]
