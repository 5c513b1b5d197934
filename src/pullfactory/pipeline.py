"""The study run: blocks of toys, fitted with every method at every rho, on any executor."""

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration, calibrate
from pullfactory.errors import StudyError
from pullfactory.inference import FitBatch, PullSums, fit_toys
from pullfactory.likelihoods import Method, build_method
from pullfactory.progress import Progress, silent
from pullfactory.results import StudyResult, ToyLedger
from pullfactory.simulation.toys import block_size, draw_base
from pullfactory.study import Study

__all__ = ["run"]

_AHEAD = 2  # blocks in flight per worker: enough to keep all busy, few enough to bound memory


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What every task of a run needs; equal plans have equal digests."""

    digest: str
    study: Study
    calibration: Calibration

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Plan) and self.digest == other.digest


class _Block(NamedTuple):
    """Fits of one block of toys: one entry per rho and method, in that order."""

    truth: NDArray[np.float64]
    fits: list[list[FitBatch]]


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
            calibrate now.
        executor: Where the blocks of toys are computed; None for a pool of threads. Process
            pools must start their processes with "spawn".
        workers: Threads of the default pool; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.

    Raises:
        StudyError: If the executor forks, or there are fewer than one workers.
        CalibrationError: If the samples are unusable, or the calibration is of another study.
    """
    n_workers = _count_workers(workers)
    _refuse_fork(executor)
    if calibration is None:
        with progress("calibration", 1) as advance:
            calibration = calibrate(study, workers=n_workers)
            advance(1)
    else:
        calibration = calibration.for_study(study)
    plan = _Plan(
        digest=f"{study.sha256}-{calibration.sha256}", study=study, calibration=calibration
    )
    size = block_size(study)
    n_toys = study.ensemble.n_toys
    n_blocks = -(-n_toys // size)
    sums: dict[tuple[float, str], PullSums] = {}
    ledger = ToyLedger(study)
    pool = executor or ThreadPoolExecutor(n_workers, thread_name_prefix="pullfactory")
    try:
        with progress("toys", n_toys) as advance:
            for index, block in enumerate(_in_order(pool, plan, n_blocks, n_workers)):
                kept = min(size, n_toys - index * size)
                _collect(study, block, index * size, kept, sums, ledger)
                advance(kept)
    finally:
        if executor is None:
            pool.shutdown(cancel_futures=True)
    return StudyResult(study=study, calibration=calibration, sums=sums, toys=ledger.close())


def _fit_block(plan: _Plan, index: int) -> _Block:
    """Draw and fit one block; a module-level function of plain data, for any executor."""
    study = plan.study
    methods = _methods(plan)
    base = draw_base(study, index)
    fits = []
    for rho in study.ensemble.rho:
        toys = base.correlate(study.cholesky(rho))
        fits.append(
            [
                fit_toys(method.likelihood, method.observe(toys)).select(study.parameter_names)
                for method in methods
            ]
        )
    return _Block(base.theta_true, fits)


@lru_cache(maxsize=4)
def _methods(plan: _Plan) -> tuple[Method, ...]:
    """Likelihoods of a plan, built once per worker."""
    return tuple(build_method(name, plan.calibration) for name in plan.study.methods)


def _in_order(pool: Executor, plan: _Plan, n_blocks: int, workers: int) -> Iterator[_Block]:
    """Results of all blocks in order, with a bounded number in flight."""
    waiting: deque[Future[_Block]] = deque()
    for index in range(n_blocks):
        waiting.append(pool.submit(_fit_block, plan, index))
        if len(waiting) >= _AHEAD * workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _collect(
    study: Study,
    block: _Block,
    first: int,
    kept: int,
    sums: dict[tuple[float, str], PullSums],
    ledger: ToyLedger,
) -> None:
    """Add the toys of one block that the study asked for to the sums and the ledger."""
    truth = block.truth[:kept]
    for rho, row in zip(study.ensemble.rho, block.fits, strict=True):
        for method, batch in zip(study.methods, row, strict=True):
            fits = batch.head(kept)
            new = PullSums.of(fits, truth)
            key = (rho, method)
            sums[key] = sums[key] + new if key in sums else new
            ledger.append(first, rho, method, truth, fits)


def _count_workers(workers: int | None) -> int:
    if workers is None:
        return os.cpu_count() or 1
    if workers < 1:
        raise StudyError(f"workers = {workers} must be at least 1; leave it out for one per core")
    return workers


def _refuse_fork(executor: Executor | None) -> None:
    if not isinstance(executor, ProcessPoolExecutor):
        return
    context = getattr(executor, "_mp_context", None) or multiprocessing.get_context()
    if context.get_start_method() == "fork":
        raise StudyError(
            "a process pool that forks hangs once JAX has run; make it with "
            "mp_context=multiprocessing.get_context('spawn')"
        )
