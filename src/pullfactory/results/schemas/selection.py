"""`selection.json`."""

from dataclasses import dataclass
from typing import Literal

from pullfactory.described import Rho
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
        do_not_pay: For each method, observables that do not lower the actual error of that set.
        sets: One row for each method and set, the lowest actual error first.
        skipped: Sets that cannot be fitted alone, with `observables` and `reason`.
    """

    schema: Literal["pullfactory-selection/2"]
    poi: str
    rho: Rho
    best_if_independent: dict[str, list[str]]
    best_corrected: dict[str, list[str]]
    do_not_pay: dict[str, list[str]]
    sets: list[SelectionRow]
    skipped: list[SkippedSet]
