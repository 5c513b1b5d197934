"""Toys at the fitted point of an audit: whether the model fits the data."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing import AuditModel, Expected, FittedPool
from pullfactory.auditing.goodness import judge_data, throw_distances
from pullfactory.errors import EventsError
from pullfactory.fitting import FitBatch
from pullfactory.inference.goodness import Distances, Goodness, is_fitted
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.progress import Progress
from pullfactory.runs.execution import completed, worker_pool
from pullfactory.runs.parcel import sent


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    pool: FittedPool

    def build(self) -> Callable[[int], Distances]:
        """What draws and fits one block of toys."""
        return partial(throw_distances, self.pool)

    def __reduce__(self) -> tuple[Any, ...]:
        model = self.pool.model
        return _arrived, (model.expected, model.likelihood, self.pool.theta)


def _arrived(expected: Expected, likelihood: BinnedLikelihood, theta: NDArray[np.float64]) -> _Plan:
    """A plan in another process, which weights the same events again."""
    model = AuditModel(expected=expected, likelihood=likelihood)
    return _Plan(pool=FittedPool.of(model, theta))


def goodness_of_fit(
    model: AuditModel,
    fit: FitBatch,
    executor: Executor | None,
    workers: int,
    progress: Progress,
) -> Goodness:
    """Throw and fit toys at the fitted point, and compare the data with them.

    Args:
        model: With data among its samples.
        fit: Of the data, all parameters of its likelihood.
        executor: Where the blocks of toys are computed; None for a pool of threads.
        workers: Threads of that pool.
        progress: Shows the stage `fit`.
    """
    wanted = model.expected.config.toys.n_toys
    if not (wanted and is_fitted(fit.status[0])):
        return judge_data(model, fit, None, "toys.n_toys = 0")
    try:
        pool = FittedPool.of(model, fit.estimate[0])
    except EventsError as error:
        return judge_data(model, fit, None, str(error))
    size = pool.block_size
    blocks, parts = range(-(-wanted // size)), dict[int, Distances]()
    with (
        worker_pool(executor, workers) as where,
        sent(_Plan(pool=pool), executor) as errand,
        progress("fit", wanted) as advance,
    ):
        for index, part in completed(where, errand, blocks, workers):
            parts[index] = part
            advance(min(size, wanted - index * size))
    return judge_data(model, fit, Distances.join([parts[i] for i in blocks], wanted), None)
