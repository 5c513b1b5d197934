"""What an optimal combination of the same observables would give, beside what a fit gives."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Self

from pullfactory.calibration import Calibration
from pullfactory.described import Later, SizeOrNaN
from pullfactory.inference.prediction import PredictedPull, predict_pulls
from pullfactory.methods import Method, optimal_method
from pullfactory.settings.study import Study

Key = tuple[str, float, str]
"""Method, rho and parameter."""

OptimalMethods = Mapping[str, Mapping[float, Method]]
"""Optimal combinations by the method that they improve, and rho; without what cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPull(PredictedPull):
    """What is expected of the pulls of one parameter, and how much better it could be.

    Attributes:
        optimal_error: Actual error of the optimal combination of what the method takes as
            independent, in the parameter's unit; None if the method takes nothing so, or there
            is none.
    """

    optimal_error: Annotated[SizeOrNaN | None, Later] = None

    @classmethod
    def beside(cls, pull: PredictedPull, optimal: float | None) -> Self:
        """A prediction with the error of the optimal combination.

        Args:
            pull: What is expected; NaN for an actual error that is not known, and then none of the
                optimal combination is.
            optimal: That error, in the parameter's unit.
        """
        known = None if optimal is None else optimal + 0.0 * pull.actual_error
        own = {field.name: getattr(pull, field.name) for field in fields(PredictedPull)}
        return cls(**own, optimal_error=known)


def optimal_methods(
    calibration: Calibration, methods: Iterable[str], scan: Sequence[float]
) -> OptimalMethods:
    """The optimal combinations of a study.

    Args:
        calibration: What the fits know.
        methods: Names of what is improved; others are passed over.
        scan: Every rho.
    """
    every = {
        name: {rho: optimal_method(name, calibration, rho) for rho in scan} for name in methods
    }
    return {
        name: {rho: method for rho, method in found.items() if method is not None}
        for name, found in every.items()
    }


def optimal_errors(study: Study, optimal: OptimalMethods) -> Mapping[Key, float]:
    """Actual errors of the optimal combinations, at the centre of the truth.

    Args:
        study: The calibrated study.
        optimal: From `optimal_methods`.
    """
    return {
        (name, row.rho, row.parameter): row.actual_error
        for name, found in optimal.items()
        for row in predict_pulls(study, {rho: [method] for rho, method in found.items()})
    }


def compared_pulls(
    rows: Iterable[PredictedPull], optimal: Mapping[Key, float]
) -> tuple[ComparedPull, ...]:
    """Predictions beside optimal combinations.

    Args:
        rows: The predictions.
        optimal: From `optimal_errors`.
    """
    return tuple(
        ComparedPull.beside(row, optimal.get((row.method, row.rho, row.parameter))) for row in rows
    )
