"""`selection.json`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pullfactory.described import Later, Rho
from pullfactory.inference.rows import SelectionRow, SkippedSet
from pullfactory.results.schemas.parts import OfStudy


@dataclass
class SelectionFile(OfStudy):
    """Sets of the observables of a study.

    Attributes:
        schema: `pullfactory-selection/2`.
        poi: The parameter of interest, whose errors these are.
        rho: The correlation.
        best_if_independent: For each method, the fewest observables within 0.1 % of the lowest
            claimed error.
        best_corrected: The same with the lowest actual error.
        best_optimal: The same with the lowest error of an optimal combination.
        do_not_pay: For each method, observables that do not lower the lowest actual error.
        do_not_pay_optimal: The same for the error of an optimal combination.
        sets: One row for each method and set, the lowest error of an optimal combination first.
        skipped: Sets that cannot be fitted alone, with `observables` and `reason`.
    """

    schema: Literal["pullfactory-selection/2"]
    poi: str
    rho: Rho
    best_if_independent: dict[str, list[str]]
    best_corrected: dict[str, list[str]]
    best_optimal: Annotated[dict[str, list[str]], Later]
    do_not_pay: dict[str, list[str]]
    do_not_pay_optimal: Annotated[dict[str, list[str]], Later]
    sets: list[SelectionRow]
    skipped: list[SkippedSet]
