"""One toy of a study as if it were the measurement."""

from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration
from pullfactory.errors import StudyError
from pullfactory.fitting.flatness import refuse_flat_study
from pullfactory.fitting.information import symmetric_root
from pullfactory.inference import BootstrapResult, bootstrap
from pullfactory.methods import MethodKind, build_method, method_kind
from pullfactory.progress import Progress, silent
from pullfactory.results.bootstrap import BootstrapSummary
from pullfactory.runs.calibrate import calibrated
from pullfactory.runs.execution import Crew, Here, is_here, require_workers
from pullfactory.runs.methods import chosen_methods
from pullfactory.settings.study import Study
from pullfactory.simulation.toys import ToyBlock, block_size, draw_toys


@double_precision
def bootstrap_toy(
    study: Study,
    *,
    methods: Sequence[str | MethodKind] | None = None,
    rho: float | None = None,
    toy: int = 0,
    replicas: int = 1000,
    calibration: Calibration | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> BootstrapSummary:
    """Draw replicas of one toy of a study and fit them with all its methods.

    Args:
        study: The study.
        methods: As in `run`.
        rho: Correlation of the toy; None for that of the study, if it has a single one.
        toy: Its number, as in `toys.parquet`.
        replicas: How many.
        calibration: As in `run`.
        executor: As in `calibrate`, and where replicas are fitted.
        workers: As in `calibrate`.
        progress: As in `run`.

    Raises:
        CalibrationError: If the samples are unusable, or the calibration is of another study.
        LikelihoodError: If replicas is below 2, the toy has no events, or a method has the name of
            another one.
        StudyError: If a method is unknown, the executor forks, rho is missing or refused, the toy
            is negative, or the observables do not tell the parameters apart.
    """
    if toy < 0:
        raise StudyError(f"toy = {toy} is no number of a toy; count from 0")
    n_workers = require_workers(executor, workers)
    with chosen_methods(study, methods) as (chosen, _):
        refuse_flat_study(chosen)
        rho = chosen.single_rho(rho)
        chosen = chosen.with_settings({"ensemble.rho": [rho]})
        kinds = tuple(map(method_kind, chosen.methods))
        known = calibrated(chosen, calibration, executor, n_workers, progress)
    study = known.study
    work = partial(_replicate, known, rho, toy, replicas, kinds)
    alone = executor is None or is_here(executor)  # likelihoods are not built in threads
    crew = Crew(pool=Here() if executor is None or alone else executor, workers=n_workers)
    with progress("bootstrap", len(kinds)) as advance:
        results = dict[int, BootstrapResult]()
        for index, result in crew.each(work, range(len(kinds)), "methods"):
            results[index] = result
            advance(1)
    block, position = _toy(known, rho, toy)
    truth = block.theta_true[position]
    return BootstrapSummary.of(
        study, rho=rho, toy=toy, truth=truth, results=[results[i] for i in range(len(kinds))]
    )


def _toy(calibration: Calibration, rho: float, toy: int) -> tuple[ToyBlock, int]:
    """The block that a toy is in, and where; drawn where it is wanted."""
    index, position = divmod(toy, block_size(calibration.study))
    return draw_toys(calibration.study, index, rho), position


def _replicate(
    calibration: Calibration,
    rho: float,
    toy: int,
    replicas: int,
    kinds: Sequence[MethodKind],
    index: int,
) -> BootstrapResult:
    """Replicas of one toy, fitted with one of the methods."""
    study = calibration.study
    measured = np.flatnonzero(study.constrained)
    block, position = _toy(calibration, rho, toy)
    result = bootstrap(
        build_method(kinds[index], calibration, rho),
        block,
        toy=position,
        replicas=replicas,
        seed=study.seed,
        n_events_law=study.ensemble.n_events_law,
        aux_sigma=symmetric_root(study.aux_covariance[np.ix_(measured, measured)]),
    )
    return result.select(study.parameter_names)
