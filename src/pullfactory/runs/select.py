"""Which observables to take: what each set of them gives for the parameter of interest."""

from collections.abc import Sequence
from concurrent.futures import Executor
from math import isfinite

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration, with_joint
from pullfactory.errors import StudyError
from pullfactory.inference import optimal_errors, optimal_methods, predict_pulls
from pullfactory.inference.rows import SelectionRow, SkippedSet
from pullfactory.inference.sets import count_sets, search_sets
from pullfactory.methods import UNBINNED, MethodKind, build_method, method_kind
from pullfactory.progress import Advance, Progress, silent
from pullfactory.results.selection import SelectionResult
from pullfactory.runs.calibrate import calibrated
from pullfactory.runs.execution import Crew, require_workers, worker_pool
from pullfactory.runs.methods import chosen_methods
from pullfactory.settings.methods import BUILT_IN
from pullfactory.settings.study import Study


@double_precision
def select(
    study: Study,
    *,
    rho: float | None = None,
    methods: Sequence[str | MethodKind] | None = None,
    calibration: Calibration | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> SelectionResult:
    """Predict the error of the parameter of interest for sets of the observables.

    Up to six observables, all sets; for more of them growing ones: to the best set so far every
    other observable is added in turn, and that with the lowest error of their optimal combination
    stays. The first method decides what is best there.

    Args:
        study: The study.
        rho: Correlation; None for that of the study, if it has a single one.
        methods: As in `run`, each taking the observables as independent, or `flow`, which is
            learnt for each set; None for `unbinned`.
        calibration: As in `run`.
        executor: As in `calibrate`.
        workers: As in `calibrate`.
        progress: As in `run`.

    Raises:
        CalibrationError: If the samples are unusable, or the calibration is of another study.
        LikelihoodError: If a method has the name of another one.
        StudyError: If rho is missing or refused, a method is unknown or joint, or the executor
            forks.
    """
    rho = study.single_rho(rho)
    with chosen_methods(study, methods or [UNBINNED.name]) as (chosen, given):
        for name in chosen.methods:
            if not _selects(method_kind(name)):
                others = " or ".join(one for one in BUILT_IN if _selects(method_kind(one)))
                raise StudyError(
                    f"method {name!r} does not take the observables as independent; use {others}"
                )
        chosen = chosen.with_settings({"ensemble.rho": [rho]})
        known = calibrated(chosen, calibration, executor, workers, progress)
        names, n_workers = chosen.observable_names, require_workers(executor, workers)
        with (
            worker_pool(executor, n_workers) as pool,
            progress("selection", count_sets(len(names))) as advance,
        ):
            search = _Search(known, rho, Crew(pool=pool, workers=n_workers))
            search.advance = advance
            search_sets(names, search.look)
    return SelectionResult(
        study=known.study,
        rho=rho,
        rows=tuple(search.rows),
        skipped=tuple(search.skipped),
        given=given,
    )


def _selects(kind: MethodKind) -> bool:
    """Whether a method has a likelihood of each set: a product, or a flow of the set."""
    return kind.independent or kind.learns.flow


class _Search:
    """What has been looked at."""

    def __init__(self, calibration: Calibration, rho: float, crew: Crew) -> None:
        self.calibration = calibration
        self.rho = rho
        self.crew = crew
        self.methods = calibration.study.methods
        self.rows: list[SelectionRow] = []
        self.skipped: list[SkippedSet] = []
        self.advance: Advance = lambda _steps: None

    def look(self, names: Sequence[str]) -> float | None:
        """Predict for one set; its error with the first method, None if it is not usable."""
        found = self._rows(names)
        self.rows += found
        first = [row for row in found if row.pull.method == self.methods[0]]
        return first[0].reached if first else None

    def _rows(self, names: Sequence[str]) -> list[SelectionRow]:
        """One row for each method; none, and a reason kept, if the set is not usable."""
        self.advance(1)
        order = self.calibration.study.observable_names
        observables = tuple(sorted(names, key=order.index))
        try:
            part = self.calibration.subset(observables)
        except StudyError as error:
            reason = str(error).removeprefix(f"study {self.calibration.study.name!r}: ")
            self.skipped.append(SkippedSet(observables=observables, reason=reason))
            return []
        if part.study.learns.flow:
            whole = len(observables) == len(order)
            part = self.calibration if whole else with_joint(part, self.crew)
        methods = [build_method(name, part, self.rho) for name in self.methods]
        pulls = [
            pull
            for pull in predict_pulls(part.study, {self.rho: methods})
            if pull.parameter == part.study.poi
        ]
        if not all(isfinite(pull.claimed_error) for pull in pulls):
            reason = "it does not determine all free parameters; add an observable"
            self.skipped.append(SkippedSet(observables=observables, reason=reason))
            return []
        optimal = optimal_errors(part.study, optimal_methods(part, self.methods, [self.rho]))
        return [
            SelectionRow(
                observables=observables,
                pull=pull,
                optimal_error=optimal.get((pull.method, self.rho, pull.parameter)),
            )
            for pull in pulls
        ]
