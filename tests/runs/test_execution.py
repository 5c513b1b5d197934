"""Tasks on an executor: how many are in flight, what is tried again, what is told."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event, Lock
from typing import Any

import pytest

from pullfactory.errors import RunError, StudyError
from pullfactory.runs.execution import Errand, completed, require_workers

PATIENCE = 60.0  # seconds, before a test that waits for ever fails


class Silent(Executor):
    """Threads that do not say how many they are."""

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers)
        self._lock = Lock()
        self.flying = 0
        self.most = 0

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
        with self._lock:
            self.flying += 1
            self.most = max(self.most, self.flying)
        future = self._pool.submit(fn, *args, **options)
        future.add_done_callback(self._landed)
        return future

    def _landed(self, _future: Future[Any]) -> None:
        with self._lock:
            self.flying -= 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


def done(pool: Executor, task: Callable[[int], Any], n: int, workers: int = 2) -> dict[int, Any]:
    return dict(completed(pool, Errand(task), range(n), workers))


def test_64_workers_that_nobody_has_counted_are_all_busy() -> None:
    together = Barrier(64)  # passes when 64 tasks wait for each other
    with Silent(64) as pool:
        found = done(pool, lambda _: together.wait(PATIENCE), 256)
    assert len(found) == 256


def test_a_slow_worker_holds_nobody_up() -> None:
    others = Event()
    order: list[int] = []
    with Silent(64) as pool:
        errand = Errand(lambda index: others.wait(PATIENCE) if index == 0 else True)
        for index, in_time in completed(pool, errand, range(256), 2):
            assert in_time
            order.append(index)
            if len(order) == 255:
                others.set()
    assert order[-1] == 0


def test_more_are_in_flight_with_every_task_that_is_done() -> None:
    together = Barrier(200)
    with Silent(200) as pool:
        found = done(pool, lambda i: together.wait(PATIENCE) if i >= 200 else i, 400)
    assert len(found) == 400
    assert 200 <= pool.most <= 1024


def test_flight_follows_the_number_that_a_pool_says() -> None:
    flying: set[int] = set()
    with ThreadPoolExecutor(3) as pool:
        submit = pool.submit
        most = []

        def counted(*args: Any) -> Future[Any]:
            flying.add(args[2])
            most.append(len(flying))
            return submit(*args)

        pool.submit = counted  # type: ignore[method-assign, assignment]
        for index, _ in completed(pool, Errand(lambda index: index), range(50), 16):
            flying.discard(index)
    assert max(most) == 6


def test_a_task_that_fails_is_tried_again() -> None:
    tries: Counter[int] = Counter()

    def task(index: int) -> int:
        tries[index] += 1
        if index == 3 and tries[index] < 3:
            raise OSError("a hiccup")
        return index

    with ThreadPoolExecutor(2) as pool:
        assert done(pool, task, 9) == {index: index for index in range(9)}
    assert tries[3] == 3


def test_a_task_that_always_fails_is_named_and_the_others_are_done() -> None:
    def task(index: int) -> int:
        if index == 3:
            raise OSError("no such luck")
        return index

    found: list[int] = []
    with (
        ThreadPoolExecutor(2) as pool,
        pytest.raises(RunError, match=r"1 of 9 blocks failed 3 times: 3 \(OSError: no such luck"),
    ):
        found.extend(index for index, _ in completed(pool, Errand(task), range(9), 2))
    assert sorted(found) == [0, 1, 2, 4, 5, 6, 7, 8]


def test_where_nothing_ever_works_not_everything_is_tried() -> None:
    tried: list[int] = []

    def task(index: int) -> int:
        tried.append(index)
        raise OSError("never")

    with (
        ThreadPoolExecutor(2) as pool,
        pytest.raises(RunError, match="1000 of 1000 blocks failed 3 times: 0, 1, 2, 3, 4 and 995"),
    ):
        done(pool, task, 1000)
    assert len(tried) < 100


def test_an_error_of_the_package_is_not_tried_again() -> None:
    tried: list[int] = []

    def task(index: int) -> int:
        tried.append(index)
        raise StudyError("wrong")

    with ThreadPoolExecutor(1) as pool, pytest.raises(StudyError, match="wrong"):
        done(pool, task, 1000)
    assert len(tried) <= 2 * 2


class Crowded(Silent):
    """Refuses tasks with an error of its own while it has as many as it takes."""

    room = 3

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
        if self.flying == self.room:
            raise OSError("the queue is full")
        return super().submit(fn, *args, **options)  # type: ignore[no-untyped-call]


def test_where_the_queue_is_full_tasks_wait_for_room() -> None:
    with Crowded(2) as pool:
        assert done(pool, lambda index: index, 25) == {index: index for index in range(25)}
        assert pool.most == 3
        pool.room = 0
        with pytest.raises(RunError, match=r"no more tasks, and 3 of 3 .*\(OSError: the queue"):
            done(pool, lambda index: index, 3)


class Eager(Silent):
    """Gives the result itself."""

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
        return fn(*args, **options)


def test_an_executor_without_futures() -> None:
    with Eager(1) as pool, pytest.raises(StudyError, match="gave 0 instead of a future"):
        done(pool, lambda index: index, 2)


def test_no_executor() -> None:
    for wrong in (ThreadPoolExecutor, "threads", 4):
        with pytest.raises(StudyError, match="is none; give one"):
            require_workers(wrong, None)  # type: ignore[arg-type]


def kill_at(last: int, index: int) -> int:
    if index == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return index


def test_a_killed_process_ends_its_pool_and_what_is_done_is_kept() -> None:
    spawn = multiprocessing.get_context("spawn")
    found: list[int] = []
    with (
        ProcessPoolExecutor(1, mp_context=spawn) as pool,
        pytest.raises(RunError, match=r"the workers are gone, and \d+ of 20 blocks are not done"),
    ):
        found.extend(
            index for index, _ in completed(pool, Errand(partial(kill_at, 10)), range(20), 1)
        )
    assert found == list(range(10))
