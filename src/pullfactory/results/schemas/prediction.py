"""`prediction.json`."""

from dataclasses import dataclass
from typing import Literal

from pullfactory.inference import PredictedPull
from pullfactory.results.schemas.parts import OfStudy, VerdictRow


@dataclass
class PredictionFile(OfStudy):
    """What is expected of a study, without toys.

    Attributes:
        schema: `pullfactory-prediction/2`.
        closure: The verdicts on the morphing, without a grid; None without `binned`.
        predictions: One row for each method, rho and parameter.
    """

    schema: Literal["pullfactory-prediction/2"]
    closure: list[VerdictRow] | None
    predictions: list[PredictedPull]
