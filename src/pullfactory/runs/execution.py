"""Tasks on any executor, their results in order."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from pullfactory.errors import StudyError

_AHEAD = 2  # blocks in flight per worker: enough to keep all busy, few enough to bound memory

Result = TypeVar("Result")


def require_workers(executor: Executor | None, workers: int | None) -> int:
    """Number of workers asked for, or one per processor.

    Args:
        executor: The caller's; None for threads.
        workers: How many; None for one per processor.

    Raises:
        StudyError: If it is below one, or the executor forks: processes forked after JAX has run
            hang.
    """
    _refuse_fork(executor)
    if workers is None:
        return os.cpu_count() or 1
    if type(workers) is not int:
        raise StudyError(f"workers = {workers!r:.60} is no whole number; leave it out or give one")
    if workers < 1:
        raise StudyError(f"workers = {workers} must be at least 1; leave it out for one per core")
    return workers


def is_here(executor: Executor | None) -> bool:
    """Whether its tasks are computed in this process, and share what is in its memory."""
    return executor is None or isinstance(executor, ThreadPoolExecutor)


@contextmanager
def worker_pool(executor: Executor | None, workers: int) -> Iterator[Executor]:
    """The caller's executor, or a pool of threads that ends with the block."""
    if executor is not None:
        yield executor
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="pullfactory")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def in_order(
    pool: Executor, task: Callable[[int], Result], n_blocks: int, workers: int
) -> Iterator[Result]:
    """Results of `task(0)` to `task(n_blocks - 1)` in order, a bounded number in flight.

    Args:
        pool: Where the tasks are computed.
        task: Picklable if the pool has processes.
        n_blocks: How many tasks.
        workers: How many are computed at once.
    """
    waiting: deque[Future[Result]] = deque()
    for index in range(n_blocks):
        waiting.append(pool.submit(task, index))
        if len(waiting) >= _AHEAD * workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _refuse_fork(executor: Executor | None) -> None:
    if executor is not None and not callable(getattr(executor, "submit", None)):
        raise StudyError(
            f"executor = {executor!r:.60} is none; give one of concurrent.futures, or leave it out"
        )
    if not isinstance(executor, ProcessPoolExecutor):
        return
    context = getattr(executor, "_mp_context", None) or multiprocessing.get_context()
    if context.get_start_method() == "fork":
        raise StudyError(
            "a process pool that forks hangs once JAX has run; make it with "
            "mp_context=multiprocessing.get_context('spawn')"
        )
