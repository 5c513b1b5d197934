"""The closure of a study's workspace: calibrate, then compare and fit exact expectations."""

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration, calibrate
from pullfactory.fitting.flatness import refuse_flat_study
from pullfactory.inference import measure_closure
from pullfactory.progress import Progress, silent
from pullfactory.results import ClosureResult
from pullfactory.runs.execution import require_workers
from pullfactory.settings.study import Study

__all__ = ["closure"]


@double_precision
def closure(
    study: Study,
    *,
    calibration: Calibration | None = None,
    points: int = 32,
    events: int | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> ClosureResult:
    """Measure how well the morphing of a study closes, and predict what it does to the pulls.

    Rates of the workspace are compared with exact ones on a grid of true values: axes, diagonals
    of all pairs, and random points drawn from the truth of the ensemble. The exact rates are
    fitted, on the grid with auxiliary data at the truth, and over the ensemble with auxiliary
    data as the toys have them. No toy is thrown.

    Noise of simulated templates counts as bias, as it does in the pulls; with
    `calibration.source = "exact"` what remains is the morphing alone.

    Args:
        study: The study.
        calibration: Made before, for a study with the same parameters and observables; None to
            calibrate now.
        points: Random points of the grid.
        events: Take the exact rates of the grid from independent samples of so many events, as
            a check; None for the cumulative distributions of the densities.
        workers: Threads of the calibration; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.

    Raises:
        StudyError: If a number is out of range, no point of the grid is possible, or the
            observables do not tell the parameters apart.
        CalibrationError: If the samples are unusable, or the calibration is of another study.
    """
    refuse_flat_study(study)
    n_workers = require_workers(None, workers)
    if calibration is None:
        calibration = calibrate(study, workers=n_workers, progress=progress)
    else:
        calibration = calibration.for_study(study)
    with progress("closure", 1) as advance:
        measured = measure_closure(calibration, points=points, events=events)
        advance(1)
    return ClosureResult(study=calibration.study, closure=measured)
