"""The calibration of a study."""

from concurrent.futures import Executor

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration, make_calibration
from pullfactory.progress import Progress, silent
from pullfactory.runs.execution import Crew, require_workers, worker_pool
from pullfactory.settings.study import Study


@double_precision
def calibrate(
    study: Study,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    replica: int = 0,
    progress: Progress = silent,
) -> Calibration:
    """Make the calibration samples of a study and learn from them.

    A large calibration that this version of the package has made before is read from the user's
    cache folder; PULLFACTORY_CACHE=0 in the environment makes it again. The result depends on
    neither the executor nor the number of workers.

    Args:
        study: The study; its true response is used to simulate, and only to simulate, unless
            `calibration.source` is "exact".
        executor: Where samples are made; None for a pool of threads. Process pools must start
            their processes with "spawn".
        workers: Threads of the default pool; None for one per processor.
        replica: Which of many independent repetitions, from 0.
        progress: How the stage shows that it goes on, point by point; from several threads.

    Raises:
        CalibrationError: If a template is unusable or a fit fails.
        RunError: If samples failed for good.
        StudyError: If the executor forks, or there are fewer than one workers.
    """
    n_workers = require_workers(executor, workers)
    with worker_pool(executor, n_workers) as pool:
        crew = Crew(pool=pool, workers=n_workers)
        return make_calibration(study, crew, replica=replica, progress=progress)


def calibrated(
    study: Study,
    calibration: Calibration | None,
    executor: Executor | None,
    workers: int | None,
    progress: Progress,
) -> Calibration:
    """A calibration for a study: one made before, or a new one.

    Args:
        study: The study.
        calibration: Made before, for a study with the same parameters and observables.
        executor: As in `calibrate`.
        workers: As in `calibrate`.
        progress: As in `calibrate`.

    Raises:
        CalibrationError: If the samples are unusable, or the calibration is of another study.
        StudyError: If the executor forks, or there are fewer than one workers.
    """
    n_workers = require_workers(executor, workers)
    if calibration is not None:
        return calibration.for_study(study)
    return calibrate(study, executor=executor, workers=n_workers, progress=progress)
