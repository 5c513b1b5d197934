"""The closure of a study's workspace: calibrate, then compare and fit exact expectations."""

from collections.abc import Sequence
from concurrent.futures import Executor

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration
from pullfactory.fitting.flatness import refuse_flat_study
from pullfactory.inference import ClosureVerdict, judge_closure, measure_closure
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.methods import Method, MethodKind
from pullfactory.progress import Progress, silent
from pullfactory.results.closure import ClosureResult
from pullfactory.runs.calibrate import calibrated
from pullfactory.settings.study import Study


@double_precision
def closure(
    study: Study,
    *,
    calibration: Calibration | None = None,
    points: int = 32,
    events: int | None = None,
    executor: Executor | None = None,
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
        calibration: As in `run`.
        points: Random points of the grid.
        events: Take the exact rates of the grid from independent samples of so many events, as
            a check; None for the cumulative distributions of the densities.
        executor: As in `calibrate`.
        workers: As in `calibrate`.
        progress: As in `run`.

    Raises:
        StudyError: If the executor forks, a number is out of range, no point of the grid is
            possible, or the observables do not tell the parameters apart.
        CalibrationError: If the samples are unusable, or the calibration is of another study.
    """
    refuse_flat_study(study)
    known = calibrated(study, calibration, executor, workers, progress)
    with progress("closure", 1) as advance:
        measured = measure_closure(known, points=points, events=events)
        advance(1)
    return ClosureResult(study=known.study, closure=measured)


def closure_verdicts(
    calibration: Calibration, kinds: Sequence[MethodKind], methods: Sequence[Method]
) -> tuple[ClosureVerdict, ...] | None:
    """What the workspace alone does to the pulls; None if no method fits it.

    Args:
        calibration: Of the study.
        kinds: Of the methods.
        methods: At one rho, in this order.
    """
    for kind, method in zip(kinds, methods, strict=True):
        if kind.workspace:
            product = isinstance(method.likelihood, BinnedLikelihood)
            return judge_closure(calibration, method if product else None)
    return None
