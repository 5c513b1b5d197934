"""What a selection of observables gives back."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pullfactory.described import row_of
from pullfactory.inference.rows import SelectionRow, SkippedSet
from pullfactory.inference.sets import worth_most
from pullfactory.numbers import plain
from pullfactory.report.figures import Figures
from pullfactory.report.palette import axis_label
from pullfactory.report.tabular import Table
from pullfactory.results.of_study import ResultOfStudy
from pullfactory.results.tables import selection_table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SelectionResult(ResultOfStudy):
    """Sets of the observables of a study, compared by the error of the parameter of interest.

    Attributes:
        study: The study, with all observables.
        rho: The correlation.
        rows: By set and method.
        skipped: Sets that cannot be fitted alone.
    """

    kind = "selection"

    rho: float
    rows: tuple[SelectionRow, ...]
    skipped: tuple[SkippedSet, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods, in the order of the rows."""
        return tuple(dict.fromkeys(row.pull.method for row in self.rows))

    def of(self, method: str) -> tuple[SelectionRow, ...]:
        """Rows of one method, the lowest error first: of the optimal combination, if it is known.

        Args:
            method: Its name.
        """
        some = (row for row in self.rows if row.pull.method == method)
        return tuple(sorted(some, key=lambda row: row.reached))

    def best(self, method: str, kind: str = "reached") -> SelectionRow:
        """The set to take: the fewest observables within 0.1 % of the lowest error.

        Args:
            method: Its name.
            kind: "reached", for an optimal combination where its error is known; "actual_error",
                for corrected errors of observables taken as independent; "claimed_error", which
                these promise; or "joint_error".
        """

        def error(row: SelectionRow) -> float | None:
            found: float | None = row.reached if kind == "reached" else getattr(row.pull, kind)
            return found

        rows = [row for row in self.of(method) if error(row) is not None]
        return worth_most(
            rows, lambda row: float(error(row) or 0.0), lambda row: len(row.observables)
        )

    def do_not_pay(self, method: str, kind: str = "reached") -> tuple[str, ...]:
        """Observables that, added to the set with the best error, do not lower it.

        Args:
            method: Its name.
            kind: Of error, as in `best`.
        """
        best = self.best(method, kind).observables
        return tuple(name for name in self.study.observable_names if name not in best)

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"sets of the observables of study {self.study.name!r} at rho = {plain(self.rho)}"

    @property
    def table(self) -> Table[SelectionRow]:
        """Errors of the parameter of interest, by method and set."""
        poi = next(p for p in self.study.parameter if p.name == self.study.poi)
        title = f"{axis_label(poi.name, poi.unit)} at rho = {plain(self.rho)}"
        return selection_table([row for m in self.methods for row in self.of(m)], title)

    def summary(self) -> dict[str, Any]:
        """Content of `selection.json`: plain data without NaN."""
        return {
            **self._head(),
            "poi": self.study.poi,
            "rho": self.rho,
            "best_if_independent": self._each(
                lambda method: self.best(method, "claimed_error").observables
            ),
            "best_corrected": self._each(
                lambda method: self.best(method, "actual_error").observables
            ),
            "best_optimal": self._each(lambda method: self.best(method).observables),
            "do_not_pay": self._each(lambda method: self.do_not_pay(method, "actual_error")),
            "do_not_pay_optimal": self._each(self.do_not_pay),
            "sets": [row.to_dict() for method in self.methods for row in self.of(method)],
            "skipped": [asdict(skipped) for skipped in self.skipped],
        }

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        return cls(
            **cls._read_head(folder, numbers),
            rho=numbers["rho"],
            rows=tuple(row_of(SelectionRow, row) for row in numbers["sets"]),
            skipped=tuple(row_of(SkippedSet, row) for row in numbers["skipped"]),
        )

    def _each(self, find: Callable[[str], Sequence[str]]) -> dict[str, list[str]]:
        return {method: list(find(method)) for method in self.methods}

    def _figures(self) -> Figures:
        from pullfactory.report.selection_plots import make_selection_figures

        return make_selection_figures(self.study, {name: self.of(name) for name in self.methods})
