"""Prediction of a study's pulls, without toys."""

from collections.abc import Sequence

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration, calibrate
from pullfactory.fitting.flatness import refuse_flat_study
from pullfactory.inference import judge_closure, known_predictions, predict_pulls
from pullfactory.methods import build_methods
from pullfactory.progress import Progress, silent
from pullfactory.results import PredictionResult
from pullfactory.settings.study import Study

__all__ = ["predict"]


@double_precision
def predict(
    study: Study,
    *,
    calibration: Calibration | None = None,
    rho: Sequence[float] | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> PredictionResult:
    """Predict errors and pull widths of a study without throwing toys.

    Claimed errors are those of the fit at the centre of the truth, actual ones those of the
    event-paired sandwich. Biases from morphing or from templates with few events are not in it;
    where the workspace does not close by far, it has no actual errors.

    Args:
        study: The study; `ensemble.n_toys` does not matter.
        calibration: Made before, for a study with the same parameters and observables; None to
            calibrate now.
        rho: Correlations; None for those of the study.
        workers: Threads of the calibration; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.

    Raises:
        CalibrationError: If the samples are unusable, or the calibration is of another study.
        StudyError: If a correlation matrix is not positive definite, or the observables do not
            tell the parameters apart.
    """
    if rho is not None:
        study = study.with_settings({"ensemble.rho": list(rho)})
    refuse_flat_study(study)
    if calibration is None:
        calibration = calibrate(study, workers=workers, progress=progress)
    else:
        calibration = calibration.for_study(study)
    study = calibration.study
    methods = dict(zip(study.ensemble.rho, build_methods(calibration), strict=True))
    rows = predict_pulls(study, methods)
    if "binned" not in study.methods:
        return PredictionResult(study=study, rows=rows)
    with progress("closure", 1) as advance:
        binned = next(one for one in methods[study.ensemble.rho[0]] if one.name == "binned")
        verdicts = judge_closure(calibration, binned)
        advance(1)
    return PredictionResult(study=study, rows=known_predictions(rows, verdicts), closure=verdicts)
