"""Tasks on any executor, their results as they come."""

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, NoReturn, TypeVar

from pullfactory.errors import PullfactoryError, RunError, StudyError

_AHEAD = 2  # tasks in flight per worker
_UNKNOWN = 64  # tasks in flight at first, where a pool does not say how many workers it has
_MOST = 1024  # ... and at most: one more for each that is done
_TRIES = 3  # of a task
_HOPELESS = 3  # tasks that failed for good, before any has worked, after which none is tried
_NAMED = 5  # tasks that failed
_LENGTH = 200  # letters of why
_REFUSED = "the executor takes no more tasks"

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)
Failed = Callable[[int, str], None]
"""Called with a task that failed for good, and why."""


def unnoted(_index: int, _why: str) -> None:
    """Where nobody asks which task failed, beside the error that names it."""


class Unseen(Exception):  # noqa: N818  (no error: the task is given again)
    """What a task is made of does not lie where its worker looks."""


@dataclass(frozen=True, slots=True)
class Errand(Generic[Result_co]):
    """What is done for each index.

    Attributes:
        task: Picklable if the pool has processes.
        whole: The same with all that it is made of, for workers that `task` raises `Unseen` in;
            None where that does not happen.
        what: Tasks, as people call them.
    """

    task: Callable[[int], Result_co]
    whole: Callable[[int], Result_co] | None = None
    what: str = "blocks"


class Here(Executor):
    """Computes each task when it is given, in the thread that gives it."""

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
        """The task, done; see `concurrent.futures.Executor`."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **options))
        except Exception as error:  # noqa: BLE001  (the future's)
            future.set_exception(error)
        return future


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who does tasks, each again if it fails or loses its worker.

    Attributes:
        pool: Where they are computed.
        workers: How many are computed at once, where the pool does not say it.
    """

    pool: Executor
    workers: int

    @property
    def here(self) -> bool:
        """Whether tasks share what is in the memory of this process."""
        return is_here(self.pool)

    def each(
        self, task: Callable[[int], Result], indices: Iterable[int], what: str
    ) -> Iterator[tuple[int, Result]]:
        """Results as they come; see `completed`.

        Args:
            task: What is done; picklable if the pool has processes.
            indices: What it is done for.
            what: Tasks, as people call them.
        """
        return completed(self.pool, Errand(task, what=what), indices, self.workers)


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
    return executor is None or isinstance(executor, ThreadPoolExecutor | Here)


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


def completed(
    pool: Executor,
    errand: Errand[Result],
    indices: Iterable[int],
    workers: int,
    failed: Failed = unnoted,
) -> Iterator[tuple[int, Result]]:
    """Results of tasks as they come, a bounded number in flight.

    A task that fails, or loses its worker, is tried again. One that fails for good keeps no other
    from being done.

    Args:
        pool: Where the tasks are computed.
        errand: The task.
        indices: What it is done for.
        workers: How many are computed at once, where the pool does not say it.
        failed: Is told what failed for good, as soon as it did.

    Yields:
        Each index with its result, in any order.

    Raises:
        PullfactoryError: The first that a task raises: to try again would not help.
        RunError: If tasks failed for good, after all others are done.
    """
    room, most = _room(pool, workers)
    flight = _Flight(
        pool=pool, errand=errand, waiting=deque(indices), room=room, most=most, tell=failed
    )
    try:
        yield from flight.results()
    finally:
        flight.cancel()


@dataclass(slots=True, kw_only=True)
class _Flight(Generic[Result]):
    """Tasks that wait, are computed, or have failed."""

    pool: Executor
    errand: Errand[Result]
    waiting: deque[int]
    room: int
    most: int
    tell: Failed
    ended: "SimpleQueue[tuple[int, Future[Result]]]" = field(default_factory=SimpleQueue)
    flying: dict[int, "Future[Result]"] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    unseen: set[int] = field(default_factory=set)
    failed: dict[int, BaseException] = field(default_factory=dict)
    lost: BaseException | None = None
    done: int = 0

    def results(self) -> Iterator[tuple[int, Result]]:
        self._fill()
        while self.flying:
            index, future = self.ended.get()
            del self.flying[index]
            error = _error_of(future)
            if error is None:
                self.done += 1
                self.room = min(self.room + 1, self.most)
                yield index, future.result()
            else:
                self._failed(index, error)
            self._fill()
        if self.failed:
            self._complain()

    def _fill(self) -> None:
        """Submit as many as there is room for."""
        while self.waiting and len(self.flying) < self.room:
            index = self.waiting.popleft()
            task = self.errand.task
            if index in self.unseen and self.errand.whole:
                task = self.errand.whole
            try:
                future = self.pool.submit(compute, task, index, self.tries[index])
            except PullfactoryError:
                raise
            except Exception as error:  # noqa: BLE001  (broken, closed, full: each its own way)
                self.waiting.appendleft(index)
                if not self.flying:  # nothing will end, and make room
                    self._give_up(error)
                return
            if not callable(getattr(future, "add_done_callback", None)):
                raise StudyError(
                    f"the executor's submit gave {future!r:.60} instead of a future; give one of "
                    "concurrent.futures"
                )
            self.flying[index] = future
            future.add_done_callback(partial(self._ended, index))

    def _give_up(self, error: BaseException) -> None:
        """Do nothing more of what waits."""
        self.lost = error
        self.failed |= dict.fromkeys(self.waiting, error)
        self.waiting.clear()

    def _ended(self, index: int, future: "Future[Result]") -> None:
        self.ended.put((index, future))

    def _failed(self, index: int, error: BaseException) -> None:
        """Try once more, or give it up; where nothing ever works, give up all."""
        if isinstance(error, PullfactoryError):
            raise error
        if isinstance(error, Unseen) and index not in self.unseen:
            self.unseen.add(index)
            self.waiting.appendleft(index)
            return
        self.tries[index] += 1
        if isinstance(error, BrokenExecutor):
            self._lose(index, error)
            self._give_up(error)
        elif self.tries[index] < _TRIES and self.done:
            self.waiting.append(index)  # later, and perhaps elsewhere
        elif self.tries[index] < _TRIES:
            self.waiting.appendleft(index)
        else:
            self._lose(index, error)
            if not self.done and len(self.failed) >= _HOPELESS:
                self.failed |= dict.fromkeys(self.waiting, error)
                self.waiting.clear()

    def _lose(self, index: int, error: BaseException) -> None:
        """Note a task that was tried, and is not again."""
        self.failed[index] = error
        self.tell(index, _said(error))

    def _complain(self) -> NoReturn:
        """Name what failed."""
        named = sorted(self.failed)
        error = self.lost or self.failed[named[0]]
        why = f"({_said(error)})"
        count = f"{len(named)} of {len(named) + self.done} {self.errand.what}"
        if self.lost:
            gone = "the workers are gone" if isinstance(self.lost, BrokenExecutor) else _REFUSED
            raise RunError(f"{gone}, and {count} are not done {why}") from error
        some = ", ".join(map(str, named[:_NAMED]))
        more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
        raise RunError(f"{count} failed {_TRIES} times: {some}{more} {why}") from error

    def cancel(self) -> None:
        """Let go of what is not computed yet."""
        for future in self.flying.values():
            future.cancel()


def compute(task: Callable[[int], Result], index: int, _tries: int) -> Result:
    """A task; tried again it is another one, also to executors that know tasks by their value.

    Args:
        task: What is done.
        index: For which index.
    """
    return task(index)


def _error_of(future: "Future[Any]") -> BaseException | None:
    """Why a task failed; None if it did not."""
    if future.cancelled():
        return CancelledError()
    error = future.exception()
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    return error


def _said(error: BaseException) -> str:
    """What an error says, on one line."""
    said = " ".join(str(error).split())[:_LENGTH]
    return f"{type(error).__name__}{f': {said}' if said else ''}"


def _room(pool: Executor, workers: int) -> tuple[int, int]:
    """Tasks in flight at first and at most: enough to keep all workers busy, and memory bounded."""
    if isinstance(pool, Here):
        return 1, 1
    own = getattr(pool, "_max_workers", None)
    if isinstance(own, int):
        return _AHEAD * own, _AHEAD * own
    return max(_AHEAD * workers, _UNKNOWN), _MOST


def _refuse_fork(executor: Executor | None) -> None:
    takes = callable(getattr(executor, "submit", None)) and not isinstance(executor, type)
    if executor is not None and not takes:
        raise StudyError(
            f"executor = {executor!r:.60} is none; give one of concurrent.futures, or leave it out"
        )
    own = getattr(executor, "_mp_context", None) or getattr(executor, "_context", None)
    if own is None and isinstance(executor, ProcessPoolExecutor):
        own = multiprocessing.get_context()
    method = getattr(own, "get_start_method", None)
    if callable(method) and method() == "fork":
        raise StudyError(
            "a process pool that forks hangs once JAX has run; make it with "
            "mp_context=multiprocessing.get_context('spawn')"
        )
