"""The study run: blocks of toys, fitted with every method at every rho, on any executor."""

import json
from collections.abc import Collection, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration, calibrate
from pullfactory.errors import CalibrationError
from pullfactory.fitting import FitBatch, fit_events
from pullfactory.fitting.flatness import refuse_flat_methods, refuse_flat_study
from pullfactory.fitting.slices import truth_slices
from pullfactory.inference import (
    ClosureVerdict,
    PredictedPull,
    PullSums,
    judge_closure,
    known_predictions,
    predict_pulls,
)
from pullfactory.methods import Method, build_methods
from pullfactory.progress import Progress, silent
from pullfactory.results import StudyResult, ToyLedger, provenance
from pullfactory.runs.execution import count_workers, in_order, worker_pool
from pullfactory.settings.study import Study
from pullfactory.simulation.toys import block_size, draw_base
from pullfactory.workspaces.study import build_workspace

__all__ = ["run"]

_LINE = 31  # points of a predicted curve


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What every task of a run needs; equal plans have equal digests."""

    digest: str
    study: Study
    calibrations: tuple[Calibration, ...]

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Plan) and self.digest == other.digest


class _Block(NamedTuple):
    """Fits of one block of toys: one entry per rho and method, in that order."""

    truth: NDArray[np.float64]
    fits: list[list[FitBatch]]

    def uncorrected(self, study: Study, parameters: Mapping[str, Collection[str]]) -> "_Block":
        """Without the corrected errors of some parameters by method."""
        fits = [
            [
                one.uncorrected(parameters.get(method, ()))
                for method, one in zip(study.methods, row, strict=True)
            ]
            for row in self.fits
        ]
        return _Block(self.truth, fits)


@double_precision
def run(
    study: Study,
    *,
    calibration: Calibration | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> StudyResult:
    """Run a study: calibrate, throw toys, fit each with every method, summarise the pulls.

    The result depends on the study alone, not on the executor or the number of workers.

    Args:
        study: The study.
        calibration: Made before, for a study with the same parameters and observables; None to
            calibrate now, as often as `calibration.replicas` says.
        executor: Where the blocks of toys are computed; None for a pool of threads. Process
            pools must start their processes with "spawn".
        workers: Threads of the default pool; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.

    Raises:
        StudyError: If the executor forks, there are fewer than one workers, or the observables do
            not tell the parameters apart.
        CalibrationError: If the samples are unusable, the calibration is of another study, or
            one is given where the study wants several.
    """
    refuse_flat_study(study)
    n_workers = count_workers(workers)
    with worker_pool(executor, n_workers) as pool:
        if calibration is None:
            calibrations = _calibrate(study, n_workers, progress)
        else:
            calibrations = (_given(calibration, study),)
        study = calibrations[0].study
        workspace = build_workspace(calibrations[0])
        plan = _Plan(
            digest="-".join([study.sha256, *(each.sha256 for each in calibrations)]),
            study=study,
            calibrations=calibrations,
        )
        if executor is None or isinstance(executor, ThreadPoolExecutor):
            for replica in range(len(calibrations)):
                _methods(plan, replica)
        refuse_flat_methods(study.name, study.centre, _methods(plan, 0)[0])
        with progress("closure", 1) as advance:
            verdicts = _closure(plan)
            advance(1)
        withheld = {"binned": {row.parameter for row in verdicts or () if not row.correctable}}
        size = block_size(study)
        n_toys = study.ensemble.n_toys
        blocks = in_order(pool, partial(_fit_block, plan), -(-n_toys // size), n_workers)
        sums: dict[tuple[float, str], PullSums] = {}
        ledger = ToyLedger(
            methods=study.methods,
            parameters=study.parameter_names,
            metadata={
                "study": study.to_toml(),
                "provenance": json.dumps(provenance(study.seed, study_sha256=study.sha256)),
            },
        )
        with progress("toys", n_toys) as advance:
            for index, block in enumerate(blocks):
                kept = min(size, n_toys - index * size)
                _collect(
                    study, block.uncorrected(study, withheld), index * size, kept, sums, ledger
                )
                advance(kept)
    with progress("prediction", 1) as advance:
        predictions = known_predictions(_predict(study, _methods(plan, 0)), verdicts)
        advance(1)
    return StudyResult(
        study=study,
        calibration=calibrations[0],
        workspace=workspace,
        sums=sums,
        predictions=predictions,
        toys=ledger.close(),
        closure=verdicts,
    )


def _calibrate(study: Study, workers: int, progress: Progress) -> tuple[Calibration, ...]:
    """All replicas of the calibration."""
    if study.calibration.replicas == 1:
        return (calibrate(study, workers=workers, progress=progress),)
    calibrations = []
    with progress("calibration", study.calibration.replicas) as advance:
        for replica in range(study.calibration.replicas):
            calibrations.append(calibrate(study, workers=workers, replica=replica))
            advance(1)
    return tuple(calibrations)


def _given(calibration: Calibration, study: Study) -> Calibration:
    """A calibration from before, for this study."""
    if study.calibration.replicas > 1:
        raise CalibrationError(
            f"calibration.replicas = {study.calibration.replicas}, but one calibration is given; "
            "leave it out, or set calibration.replicas=1"
        )
    return calibration.for_study(study)


def _fit_block(plan: _Plan, index: int) -> _Block:
    """Draw and fit one block; a module-level function of plain data, for any executor."""
    study = plan.study
    methods = _methods(plan, index % len(plan.calibrations))
    base = draw_base(study, index)
    fits = []
    for rho, row in zip(study.ensemble.rho, methods, strict=True):
        toys = base.correlate(study.cholesky(rho))
        fits.append([fit_events(method, toys).select(study.parameter_names) for method in row])
    return _Block(base.theta_true, fits)


def _methods(plan: _Plan, replica: int) -> tuple[tuple[Method, ...], ...]:
    """Likelihoods of one replica of the calibration, a row for each rho; built once per worker."""
    built = _built(plan)
    if replica not in built:
        built[replica] = build_methods(plan.calibrations[replica])
    return built[replica]


@lru_cache(maxsize=4)
def _built(_plan: _Plan) -> dict[int, tuple[tuple[Method, ...], ...]]:
    """The likelihoods of a plan that this worker has built already, by replica."""
    return {}


def _predict(study: Study, methods: tuple[tuple[Method, ...], ...]) -> tuple[PredictedPull, ...]:
    """At every rho of the study; where it is cheap, also on a line through them."""
    scan = study.ensemble.rho
    rows = dict(zip(scan, methods, strict=True))
    if all(member.sufficient for member in study.families):
        shared = tuple(one for one in methods[0] if all(one in row for row in methods))
        for rho in np.linspace(min(scan), max(scan), _LINE).tolist():
            rows.setdefault(rho, shared)
    return predict_pulls(study, rows)


def _closure(plan: _Plan) -> tuple[ClosureVerdict, ...] | None:
    """What the workspace alone does to the pulls; None if nothing is fitted with it."""
    binned = [method for method in _methods(plan, 0)[0] if method.name == "binned"]
    return judge_closure(plan.calibrations[0], binned[0]) if binned else None


def _collect(
    study: Study,
    block: _Block,
    first: int,
    kept: int,
    sums: dict[tuple[float, str], PullSums],
    ledger: ToyLedger,
) -> None:
    """Add the toys of one block that the study asked for to the sums and the ledger."""
    truth, slices = block.truth[:kept], truth_slices(study.ensemble.truth, study.parameter)
    for rho, row in zip(study.ensemble.rho, block.fits, strict=True):
        for method, batch in zip(study.methods, row, strict=True):
            fits = batch.head(kept)
            new = PullSums.of(fits, truth, slices)
            key = (rho, method)
            sums[key] = sums[key] + new if key in sums else new
            ledger.append(first, rho, method, truth, fits)
