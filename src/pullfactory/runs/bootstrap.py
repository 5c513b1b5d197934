"""One toy of a study as if it were the measurement."""

import numpy as np

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration, calibrate
from pullfactory.errors import StudyError
from pullfactory.fitting.flatness import refuse_flat_study
from pullfactory.inference import bootstrap
from pullfactory.methods import build_methods
from pullfactory.progress import Progress, silent
from pullfactory.results import BootstrapSummary
from pullfactory.settings.study import Study
from pullfactory.simulation.toys import block_size, draw_toys

__all__ = ["bootstrap_toy"]


@double_precision
def bootstrap_toy(
    study: Study,
    *,
    rho: float | None = None,
    toy: int = 0,
    replicas: int = 1000,
    calibration: Calibration | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> BootstrapSummary:
    """Draw replicas of one toy of a study and fit them with all its methods.

    Args:
        study: The study.
        rho: Correlation of the toy; None for that of the study, if it has a single one.
        toy: Its number, as in `toys.parquet`.
        replicas: How many.
        calibration: Made before, for a study with the same parameters and observables; None to
            calibrate now.
        workers: Threads of the calibration; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.

    Raises:
        CalibrationError: If the samples are unusable, or the calibration is of another study.
        LikelihoodError: If replicas is below 2, or the toy has no events.
        StudyError: If rho is missing or refused, the toy is negative, or the observables do not
            tell the parameters apart.
    """
    if toy < 0:
        raise StudyError(f"toy = {toy} is no number of a toy; count from 0")
    refuse_flat_study(study)
    rho = study.single_rho(rho)
    study = study.with_settings({"ensemble.rho": [rho]})
    index, position = divmod(toy, block_size(study))
    block = draw_toys(study, index, rho)
    known = calibration or calibrate(study, workers=workers, progress=progress)
    known = known.for_study(study)
    study = known.study
    results = []
    with progress("bootstrap", len(study.methods)) as advance:
        for method in build_methods(known)[0]:
            result = bootstrap(
                method,
                block,
                toy=position,
                replicas=replicas,
                seed=study.seed,
                n_events_law=study.ensemble.n_events_law,
                aux_sigma=np.sqrt(study.aux_variance[study.constrained]),
            )
            results.append(result.select(study.parameter_names))
            advance(1)
    return BootstrapSummary(
        study=study, rho=rho, toy=toy, truth=block.theta_true[position], results=tuple(results)
    )
