"""The study run: blocks of toys, fitted with every method at every rho, on any executor."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision
from pullfactory.calibration import Calibration
from pullfactory.errors import CalibrationError
from pullfactory.fitting import FitBatch, fit_events
from pullfactory.fitting.flatness import refuse_flat_methods, refuse_flat_study
from pullfactory.fitting.intervals import FEW_EVENTS, simulated_scale
from pullfactory.fitting.slices import Slices, truth_slices
from pullfactory.fitting.tested import with_ratios
from pullfactory.inference import (
    PredictedPull,
    PullSums,
    compared_pulls,
    known_predictions,
    optimal_errors,
    optimal_methods,
    predict_pulls,
)
from pullfactory.inference.coverage import CoverageSums
from pullfactory.methods import Method, MethodKind, build_methods, method_kind
from pullfactory.progress import Progress, silent
from pullfactory.results.identity import identity_of
from pullfactory.results.keeping import Keep
from pullfactory.results.part import Fitted, Layout
from pullfactory.results.study import StudyResult, sums_of_study
from pullfactory.results.sums import Series
from pullfactory.runs.calibrate import calibrate, calibrated
from pullfactory.runs.campaign import Campaign, FitBlock
from pullfactory.runs.closure import closure_verdicts
from pullfactory.runs.execution import is_here, require_workers
from pullfactory.runs.methods import chosen_methods
from pullfactory.settings.study import Study
from pullfactory.simulation.toys import ToyBlock, block_size, draw_base, draw_toys
from pullfactory.workspaces.study import build_workspace

_LINE = 31  # points of a predicted curve
_SIMULATED = 2**32  # and the next: blocks for lambda of few events, which no run comes to
_SIMULATED_BLOCKS = 8


Methods = tuple[tuple[Method, ...], ...]  # a row for each rho


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What every block of toys needs.

    Attributes:
        study: What is run.
        kinds: Its methods.
        calibrations: Replicas, which the blocks take turns with.
        withheld: Parameters without corrected errors, by method.
        built: Likelihoods of the replicas that this worker has needed; they do not travel.
        scales: lambda of methods by replica, rho and name, where there are few events; as `built`.
    """

    study: Study
    kinds: tuple[MethodKind, ...]
    calibrations: tuple[Calibration, ...]
    withheld: Mapping[str, Collection[str]] = field(default_factory=dict)
    built: dict[int, Methods] = field(default_factory=dict)
    scales: dict[tuple[int, float, str], NDArray[np.float64]] = field(default_factory=dict)

    def methods(self, replica: int) -> Methods:
        """Likelihoods of one replica of the calibration."""
        if replica not in self.built:
            self.built[replica] = build_methods(self.calibrations[replica], self.kinds)
        return self.built[replica]

    def build(self) -> FitBlock:
        """What draws and fits one block."""
        return self._fit

    def _fit(self, index: int) -> list[Fitted]:
        study, base = self.study, draw_base(self.study, index)
        replica = index % len(self.calibrations)
        methods = self.methods(replica)
        found = []
        for rho, row in zip(study.ensemble.rho, methods, strict=True):
            toys = base.correlate(study.cholesky(rho))
            for method in row:
                fits = self._tested(method, toys, fit_events(method, toys), replica, rho)
                fits = fits.select(study.parameter_names)
                fits = fits.uncorrected(self.withheld.get(method.name, ()))
                found.append(Fitted(rho, method.name, base.theta_true, fits))
        return found

    def _tested(
        self, method: Method, toys: ToyBlock, fits: FitBatch, replica: int, rho: float
    ) -> FitBatch:
        """The fits with likelihood ratios of true values, where intervals are asked for."""
        study = self.study
        if not study.intervals:
            return fits
        corrected = any(kind.independent for kind in self.kinds if kind.name == method.name)
        few = corrected and study.ensemble.n_events < FEW_EVENTS
        return with_ratios(
            method,
            toys,
            fits,
            study.parameter_names,
            study.intervals,
            corrected=corrected,
            scale=self._scale(method, replica, rho) if few else None,
        )

    def _scale(self, method: Method, replica: int, rho: float) -> NDArray[np.float64]:
        """Lambda of the parameters of a method from toys of its own."""
        key = replica, rho, method.name
        if key not in self.scales:
            blocks = (draw_toys(self.study, _SIMULATED + i, rho) for i in range(_SIMULATED_BLOCKS))
            self.scales[key] = simulated_scale(method, blocks, self.study.parameter_names)
        return self.scales[key]

    def __getstate__(self) -> list[object]:
        return [self.study, self.kinds, self.calibrations, self.withheld, {}, {}]


@double_precision
def run(
    study: Study,
    *,
    methods: Sequence[str | MethodKind] | None = None,
    intervals: Sequence[str] | None = None,
    calibration: Calibration | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    keep: Keep | str | Path | None = None,
) -> StudyResult:
    """Run a study: calibrate, throw toys, fit each with every method, summarise the pulls.

    The result depends on the study alone, not on the executor or the number of workers.

    Args:
        study: The study.
        methods: How to fit: names, or methods that the package does not have; None for those of
            the study. Where processes compute, they must find what such a method is made of.
        intervals: Parameters whose intervals from the likelihood ratio are tested at the true
            values; None for those of the study.
        calibration: Made before, for a study with the same parameters and observables; None to
            calibrate now, as often as `calibration.replicas` says.
        executor: Where the blocks of toys are computed; None for a pool of threads. Process
            pools must start their processes with "spawn".
        workers: Threads of the default pool; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.
        keep: Folder where toys are kept as they are made, so that the same call goes on where
            another one was stopped; a `Keep` says more. None: a temporary file.

    Raises:
        LikelihoodError: If a method has the name of another one.
        OutputError: If toys cannot be kept, or others are there.
        RunError: If blocks failed for good; the others are kept.
        StudyError: If a method is unknown, the executor forks, there are fewer than one workers, or
            the observables do not tell the parameters apart.
        CalibrationError: If the samples are unusable, the calibration is of another study, or
            one is given where the study wants several.
    """
    n_workers = require_workers(executor, workers)
    if intervals is not None:
        study = study.with_settings({"intervals": list(intervals)})
    with chosen_methods(study, methods) as (chosen, given):
        result = _run(chosen, calibration, executor, n_workers, progress, Keep.of(keep))
    return replace(result, given=given)


def _run(
    study: Study,
    calibration: Calibration | None,
    executor: Executor | None,
    n_workers: int,
    progress: Progress,
    keep: Keep | None,
) -> StudyResult:
    refuse_flat_study(study)
    calibrations = _calibrations(study, calibration, executor, n_workers, progress)
    study = calibrations[0].study
    workspace = build_workspace(calibrations[0])
    kinds = tuple(map(method_kind, study.methods))
    plan = _Plan(study=study, kinds=kinds, calibrations=calibrations)
    for replica in range(len(calibrations) if is_here(executor) else 1):
        plan.methods(replica)  # before there are threads
    methods = plan.methods(0)
    refuse_flat_methods(study.name, study.centre, methods[0])
    with progress("closure", 1) as advance:
        verdicts = closure_verdicts(calibrations[0], kinds, methods[0])
        advance(1)
    hidden = {row.parameter for row in verdicts or () if not row.correctable}
    withheld = {kind.name: hidden for kind in kinds if kind.workspace}
    campaign = Campaign(
        plan=replace(plan, withheld=withheld),
        n_toys=study.ensemble.n_toys,
        block=block_size(study),
        layout=Layout(
            methods=study.methods,
            parameters=study.parameter_names,
            identity=_identity(study, calibration),
        ),
        sum_up=partial(_sum_up, slices=truth_slices(study.ensemble.truth, study.parameter)),
    )
    toys = campaign.run(executor, n_workers, progress, keep)
    with progress("prediction", 1) as advance:
        known = known_predictions(_predict(study, methods), verdicts)
        optimal = optimal_methods(calibrations[0], study.methods, study.ensemble.rho)
        predictions = compared_pulls(known, optimal_errors(study, optimal))
        advance(1)
    return StudyResult(
        study=study,
        calibration=calibrations[0],
        workspace=workspace,
        sums=sums_of_study(toys),
        predictions=predictions,
        toys=toys,
        closure=verdicts,
        null={one.name: one.null for one in methods[0] if method_kind(one.name).improves},
    )


def _sum_up(fits: FitBatch, truth: NDArray[np.float64], slices: Slices | None) -> Series:
    sums: Series = {"pulls": PullSums.of(fits, truth, slices)}
    coverage = CoverageSums.of(fits)
    return sums if coverage is None else {**sums, "coverage": coverage}


def _identity(study: Study, given: Calibration | None) -> str:
    """What decides the toys of a study, which is not how many they are."""
    described = study.to_dict()
    del described["figures"], described["ensemble"]["n_toys"]
    alone = given and given.judged(dict.fromkeys(study.ensemble.rho))  # these decide no numbers
    alike = alone and replace(alone, study=study.with_settings({"ensemble.n_toys": 1}))
    return identity_of(
        "run",
        study=described,
        calibration=alike and alike.sha256,
        block=block_size(study),
    )


def _calibrations(
    study: Study,
    given: Calibration | None,
    executor: Executor | None,
    workers: int,
    progress: Progress,
) -> tuple[Calibration, ...]:
    """All replicas of the calibration, or the one that was made before."""
    if study.calibration.replicas == 1:
        return (calibrated(study, given, executor, workers, progress),)
    if given is not None:
        raise CalibrationError(
            f"calibration.replicas = {study.calibration.replicas}, but one calibration is given; "
            "leave it out, or set calibration.replicas=1"
        )
    calibrations = []
    with progress("calibration", study.calibration.replicas) as advance:
        for replica in range(study.calibration.replicas):
            calibrations.append(
                calibrate(study, executor=executor, workers=workers, replica=replica)
            )
            advance(1)
    return tuple(calibrations)


def _predict(study: Study, methods: Methods) -> tuple[PredictedPull, ...]:
    """At every rho of the study; where it is cheap, also on a line through them."""
    scan = study.ensemble.rho
    rows = dict(zip(scan, methods, strict=True))
    if all(member.sufficient for member in study.families):
        shared = tuple(one for one in methods[0] if all(one in row for row in methods))
        for rho in np.linspace(min(scan), max(scan), _LINE).tolist():
            rows.setdefault(rho, shared)
    return predict_pulls(study, rows)
