"""Prediction of a study's pulls, without toys."""

from collections.abc import Sequence
from concurrent.futures import Executor

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration
from pullfactory.errors import StudyError
from pullfactory.fitting.flatness import refuse_flat_study
from pullfactory.inference import (
    compared_pulls,
    every_rho,
    judge_any_rho,
    known_predictions,
    observable_weights,
    optimal_errors,
    optimal_methods,
    predict_pulls,
)
from pullfactory.methods import MethodKind, build_methods, method_kind
from pullfactory.progress import Progress, silent
from pullfactory.results.prediction import PredictionResult
from pullfactory.runs.calibrate import calibrated
from pullfactory.runs.closure import closure_verdicts
from pullfactory.runs.methods import chosen_methods
from pullfactory.settings.study import Study


@double_precision
def predict(
    study: Study,
    *,
    methods: Sequence[str | MethodKind] | None = None,
    calibration: Calibration | None = None,
    rho: Sequence[float] | None = None,
    any_rho: bool = False,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> PredictionResult:
    """Predict errors and pull widths of a study without throwing toys.

    Claimed errors are those of the fit at the centre of the truth, actual ones those of the
    event-paired sandwich, optimal ones those of the optimal combination of the same observables.
    Biases from morphing or from templates with few events are not in it;
    where the workspace does not close by far, it has no actual errors.

    Args:
        study: The study; `ensemble.n_toys` does not matter.
        methods: As in `run`.
        calibration: As in `run`.
        rho: Correlations; None for those of the study.
        any_rho: Ask for all possible ones instead, to know for which the claimed errors are right.
        executor: As in `calibrate`.
        workers: As in `calibrate`.
        progress: As in `run`.

    Raises:
        CalibrationError: If the samples are unusable, or the calibration is of another study.
        LikelihoodError: If a method has the name of another one.
        StudyError: If a method is unknown, or for any rho one that depends on it, the executor
            forks, a correlation matrix is not positive definite, or the observables do not tell the
            parameters apart.
    """
    if any_rho and rho is not None:
        raise StudyError(f"rho = {list(rho)} and any rho are both asked for; leave one of them out")
    if rho is not None:
        study = study.with_settings({"ensemble.rho": list(rho)})
    with chosen_methods(study, methods) as (chosen, given):
        if any_rho:
            _refuse_joint(chosen)
            chosen = chosen.with_settings({"ensemble.rho": every_rho(chosen)})
        refuse_flat_study(chosen)
        known = calibrated(chosen, calibration, executor, workers, progress)
        kinds = tuple(map(method_kind, chosen.methods))
        built = build_methods(known, kinds)
        rows = predict_pulls(known.study, dict(zip(chosen.ensemble.rho, built, strict=True)))
        with progress("closure", 1) as advance:
            verdicts = closure_verdicts(known, kinds, built[0])
            advance(1)
        scan = () if any_rho else chosen.ensemble.rho
        optimal = optimal_methods(known, chosen.methods, scan)
        errors = optimal_errors(known.study, optimal)
        compared = compared_pulls(known_predictions(rows, verdicts), errors)
        weights = observable_weights(known, optimal)
    return PredictionResult(
        study=known.study,
        rows=compared,
        closure=verdicts,
        weights=weights,
        any_rho=judge_any_rho(compared) if any_rho else (),
        given=given,
    )


def _refuse_joint(study: Study) -> None:
    """Refuse methods that are others for every rho."""
    for name in study.methods:
        if not method_kind(name).independent:
            raise StudyError(
                f"method {name!r} does not take the observables as independent, and claims another "
                "error for every rho; use unbinned or binned"
            )
