"""Prediction of a study's pulls, without toys."""

from collections.abc import Sequence
from concurrent.futures import Executor

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration
from pullfactory.fitting.flatness import refuse_flat_study
from pullfactory.inference import known_predictions, predict_pulls
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
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> PredictionResult:
    """Predict errors and pull widths of a study without throwing toys.

    Claimed errors are those of the fit at the centre of the truth, actual ones those of the
    event-paired sandwich. Biases from morphing or from templates with few events are not in it;
    where the workspace does not close by far, it has no actual errors.

    Args:
        study: The study; `ensemble.n_toys` does not matter.
        methods: As in `run`.
        calibration: As in `run`.
        rho: Correlations; None for those of the study.
        executor: As in `calibrate`.
        workers: As in `calibrate`.
        progress: As in `run`.

    Raises:
        CalibrationError: If the samples are unusable, or the calibration is of another study.
        LikelihoodError: If a method has the name of another one.
        StudyError: If a method is unknown, the executor forks, a correlation matrix is not positive
            definite, or the observables do not tell the parameters apart.
    """
    if rho is not None:
        study = study.with_settings({"ensemble.rho": list(rho)})
    with chosen_methods(study, methods) as (chosen, given):
        refuse_flat_study(chosen)
        known = calibrated(chosen, calibration, executor, workers, progress)
        kinds = tuple(map(method_kind, chosen.methods))
        built = build_methods(known, kinds)
        rows = predict_pulls(known.study, dict(zip(chosen.ensemble.rho, built, strict=True)))
        with progress("closure", 1) as advance:
            verdicts = closure_verdicts(known, kinds, built[0])
            advance(1)
        rows = known_predictions(rows, verdicts)
    return PredictionResult(study=known.study, rows=rows, closure=verdicts, given=given)
