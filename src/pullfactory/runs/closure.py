"""The closure of a study's workspace: calibrate, then compare and fit exact expectations."""

from collections.abc import Sequence
from concurrent.futures import Executor

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration
from pullfactory.errors import StudyError
from pullfactory.fitting.flatness import refuse_flat_study
from pullfactory.flows.verdict import FlowVerdict
from pullfactory.inference import (
    ClosureVerdict,
    DensityVerdict,
    judge_closure,
    judge_densities,
    measure_closure,
)
from pullfactory.inference.density_sums import BATCHES
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.methods import FLOW, Method, MethodKind, build_method, method_kind
from pullfactory.progress import Progress, silent
from pullfactory.results.closure import ClosureResult
from pullfactory.runs.calibrate import calibrated
from pullfactory.runs.methods import chosen_methods
from pullfactory.settings.study import Study


@double_precision
def closure(
    study: Study,
    *,
    methods: Sequence[str | MethodKind] | None = None,
    calibration: Calibration | None = None,
    points: int = 32,
    events: int | None = None,
    held_out: int | None = None,
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

    The joint densities of methods are judged with held-out events of the calibration points: by how
    much they shift the estimates there, whether their pulls have the width 1, and what they leave
    unused. The verdict on a flow goes into the calibration that the result has, with which further
    runs know of it.

    Args:
        study: The study.
        methods: As in `run`; of these the ones that fit a joint density are judged.
        calibration: As in `run`.
        points: Random points of the grid.
        events: Take the exact rates of the grid from independent samples of so many events, as
            a check; None for the cumulative distributions of the densities.
        held_out: Events of each calibration point that joint densities are judged with; None for
            200 for each event of a toy, up to 2^20.
        executor: As in `calibrate`.
        workers: As in `calibrate`.
        progress: As in `run`.

    Raises:
        LikelihoodError: If a method has the name of another one, or its density is none.
        StudyError: If a method is unknown, the executor forks, a number is out of range, no point
            of the grid is possible, or the observables do not tell the parameters apart.
        CalibrationError: If the samples are unusable, or the calibration is of another study.
    """
    if held_out is not None and held_out < BATCHES:
        raise StudyError(
            f"held_out = {held_out} must be at least {BATCHES}; leave it out for enough of them"
        )
    with chosen_methods(study, methods) as (chosen, given):
        refuse_flat_study(chosen)
        known = calibrated(chosen, calibration, executor, workers, progress)
        with progress("closure", 1) as advance:
            measured = measure_closure(known, points=points, events=events)
            advance(1)
        densities = _judged(known, held_out, progress)
    return ClosureResult(
        study=known.study,
        closure=measured,
        densities=densities,
        calibration=_with_verdicts(known, densities),
        given=given,
    )


def _judged(
    calibration: Calibration, held_out: int | None, progress: Progress
) -> tuple[DensityVerdict, ...]:
    """Verdicts on the joint densities that methods of the study fit."""
    names, scan = calibration.study.methods, calibration.study.ensemble.rho
    kinds = [kind for kind in map(method_kind, names) if kind.density]
    found: list[DensityVerdict] = []
    if not kinds:
        return ()
    with progress("densities", len(scan)) as advance:
        for rho in scan:
            some = [build_method(kind, calibration, rho) for kind in kinds]
            found += judge_densities(calibration, rho, some, held_out)
            advance(1)
    return tuple(sorted(found, key=lambda one: names.index(one.method)))


def _with_verdicts(
    calibration: Calibration, densities: Sequence[DensityVerdict]
) -> Calibration | None:
    """The calibration with what is said of its flows; None if it has none that was judged."""
    n_events = calibration.study.ensemble.n_events
    found = {
        one.rho: FlowVerdict(
            answer=one.answer,
            reason=one.reason,
            events=one.events,
            n_events=n_events,
            corners=bool(one.corners),
        )
        for one in densities
        if one.method == FLOW.name
    }
    return calibration.judged(found) if found else None


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
