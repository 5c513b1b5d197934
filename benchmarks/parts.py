"""Toys in parts: what the coordinator costs, and what workers are worth."""

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from statistics import median
from threading import Lock, get_ident
from time import process_time, sleep, thread_time
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.measure import POSTER, Settings, Task, seconds, take_turns
from benchmarks.models import study
from benchmarks.rows import Row, duration
from pullfactory import BinnedLikelihood, calibrate, fit_toys, read_workspace, run, run_toys
from pullfactory.fitting import FitBatch
from pullfactory.fitting.throwing import ThrownToys, throw_block
from pullfactory.inference import CorrelationSums, PullSums
from pullfactory.results.ledger import PartScratch
from pullfactory.results.part import Fitted, Layout
from pullfactory.results.sums import Key, Series
from pullfactory.runs.execution import Errand, completed

_SEED = 1
_PART = 2048  # toys of a part of `toys`, where fits are fast
_BLOCK = 256  # toys of a part of `run`


def measure(settings: Settings) -> list[Row]:
    return [*_coordinator(settings), _simulated(), _stages(settings), *_workers(settings)]


# --- coordinator ------------------------------------------------------------------------------


class Again(Executor):
    """Computes one task, and gives its result for all others at once."""

    def __init__(self) -> None:
        self.result: Any = None

    def submit(self, fn, /, *args, **_options):  # type: ignore[no-untyped-def]
        if self.result is None:
            self.result = fn(*args)
        future: Future[Any] = Future()
        future.set_result(self.result)
        return future


def _coordinator(settings: Settings) -> list[Row]:
    """CPU time a part that is left when parts cost nothing, and storing is taken away."""
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(POSTER))
    small = study().with_settings({"calibration.source": "exact"})
    known = calibrate(small)

    def toys(parts: int, executor: Executor) -> object:
        return run_toys(likelihood, parts * _PART, _SEED, executor=executor)

    def whole(parts: int, executor: Executor) -> object:
        more = small.with_settings({"ensemble.n_toys": parts * _BLOCK})
        return run(more, calibration=known, executor=executor)

    some, many = settings.size(50, 4), settings.size(350, 8)
    return [
        _cost("toys", toys, some, many, 1.0, settings),
        _cost("run, 9 rho, 2 methods", whole, some, many, 3.0, settings),
    ]


def _cost(
    what: str,
    work: Callable[[int, Executor], object],
    some: int,
    many: int,
    target: float,
    settings: Settings,
) -> Row:
    again = Again()
    work(some, again)
    found = []
    for _ in range(settings.rounds):
        few, more = (_spent(partial(work, parts, again)) for parts in (some, many))
        found.append([1e3 * (b - a) / (many - some) for a, b in zip(few, more, strict=True)])
    alone, storing = map(median, zip(*found, strict=True))
    return Row(
        what=f"coordinator, a part of {what}, beside storing",
        value=alone,
        unit="ms",
        at_most=target,
        detail=f"{len(again.result) / 1e3:.0f} kB a part; storing {storing:.2g} ms",
    )


def _spent(task: Task) -> tuple[float, float]:
    """CPU time of a task without storing parts, and that of storing."""
    storing = 0.0
    store = PartScratch.store

    def timed(self: PartScratch, *args: Any) -> None:
        nonlocal storing
        start = process_time()
        store(self, *args)
        storing += process_time() - start

    with patch.object(PartScratch, "store", timed):
        start = process_time()
        task()
        return process_time() - start - storing, storing


# --- workers ----------------------------------------------------------------------------------


def _simulated() -> Row:
    """256 blocks on 64 workers that nobody has counted, one of which is slow."""

    class Silent(Executor):
        def __init__(self) -> None:
            self.pool = ThreadPoolExecutor(64)

        def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
            return self.pool.submit(fn, *args, **options)

    slow, lock = list[int](), Lock()

    def work(index: int) -> int:
        with lock:
            slow[:] = slow or [get_ident()]
        sleep(1.0 if slow == [get_ident()] else 0.2)
        return index

    silent = Silent()
    with silent.pool:
        time = seconds(lambda: list(completed(silent, Errand(work), range(256), 2)))
    return Row(
        what="256 blocks on 64 simulated workers of 0.2 s, one of 1 s",
        value=time,
        unit="s",
        at_most=1.3,
        detail="the number of workers is not told",
    )


def _stages(settings: Settings) -> Row:
    """CPU time of a part in one thread, and what of it is not in XLA's own threads."""
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(POSTER))
    blocks = range(_PART // likelihood.block)
    layout = Layout(methods=("binned",), parameters=likelihood.names, identity="{}")

    def throw() -> list[ThrownToys]:
        return [
            throw_block(likelihood, i, _SEED, likelihood.init, ensemble="fixed") for i in blocks
        ]

    thrown = throw()

    def fit() -> list[Fitted]:
        fits = [fit_toys(likelihood, toys.data) for toys in thrown]
        truth = np.concatenate([toys.truth for toys in thrown])
        return [Fitted(None, "binned", truth, FitBatch.join(fits))]

    fitted = fit()

    def sum_up() -> Mapping[Key, Series]:
        return {
            (None, "binned"): {
                "pulls": PullSums.of(fitted[0].fits, fitted[0].truth),
                "correlation": CorrelationSums.of(fitted[0].fits, fitted[0].truth),
            }
        }

    sums = sum_up()
    tasks: dict[str, Task] = {
        "throw": throw,
        "fit": fit,
        "sum": sum_up,
        "write": partial(layout.write, 0, fitted, sums),
    }
    rounds = range(settings.size(15, 2))
    times = {
        name: tuple(map(median, zip(*(_cpu(task) for _ in rounds), strict=True)))
        for name, task in tasks.items()
    }
    whole, own = (sum(column) / _PART for column in zip(*times.values(), strict=True))
    listed = ", ".join(f"{name} {all_ / whole / _PART:.0%}" for name, (all_, _) in times.items())
    return Row(
        what="poster.json, a part in one thread: CPU time a toy",
        value=whole * 1e6,
        unit="µs",
        detail=f"{listed}; Python's thread {own / whole:.0%}; "
        f"{len(layout.write(0, fitted, sums)) / _PART:.0f} bytes a toy",
    )


def _cpu(task: Task) -> tuple[float, float]:
    """CPU time of all threads, and of this one."""
    start = process_time(), thread_time()
    task()
    return process_time() - start[0], thread_time() - start[1]


@contextmanager
def _pool(kind: str, workers: int) -> Iterator[Executor]:
    if kind == "threads":
        with ThreadPoolExecutor(workers) as threads:
            yield threads
    else:
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=spawn) as processes:
            yield processes


def _workers(settings: Settings) -> list[Row]:
    """Toys a second, with one worker and with two."""
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(POSTER))
    n_toys = settings.size(100 * _PART, 4 * _PART)
    rows = []
    for kind in ("threads", "processes"):
        with _pool(kind, 1) as one, _pool(kind, 2) as two:
            tasks: dict[str, Task] = {
                name: partial(run_toys, likelihood, n_toys, _SEED, executor=pool)
                for name, pool in (("one", one), ("two", two))
            }
            for task in tasks.values():
                task()
            times = take_turns(tasks, settings.rounds)
        rate = {name: n_toys / median(column) for name, column in times.items()}
        gain = median(a / b for a, b in zip(times["one"], times["two"], strict=True))
        listed = ", ".join(duration(1 / one) for one in rate.values())
        rows.append(
            Row(
                what=f"poster.json, {n_toys} toys: two {kind} / one",
                value=gain,
                unit="x",
                detail=f"{rate['one']:.0f} and {rate['two']:.0f} toys a second; {listed} a toy",
            )
        )
    return rows
