"""The same numbers whoever computes them: every verb on threads, on processes, out of order."""

import hashlib
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import (
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from functools import cache, partial
from pathlib import Path
from queue import LifoQueue
from threading import Lock, Thread
from time import sleep
from typing import Any

import numpy as np
import pytest

import pullfactory as pf
from pullfactory.errors import RunError, StudyError

WORKSPACE = Path(__file__).parents[2] / "workspaces" / "poster.json"
SMALL = pf.Study.preset("poster").with_settings(
    {
        "calibration.source": "exact",
        "ensemble.n_toys": 300,
        "ensemble.n_events": 200,
        "ensemble.rho": [-0.3, 0.5],
    }
)


class Backwards(Executor):
    """One thread, which computes the last task first."""

    def __init__(self) -> None:
        self._waiting: LifoQueue[tuple[Future[Any], Callable[[], Any]]] = LifoQueue()
        Thread(target=self._work, daemon=True).start()

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
        future: Future[Any] = Future()
        self._waiting.put((future, partial(fn, *args, **options)))
        return future

    def _work(self) -> None:
        while True:
            sleep(0.01)  # others come meanwhile
            future, task = self._waiting.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(task())
                except BaseException as error:  # noqa: BLE001  (the future's)
                    future.set_exception(error)


class Clumsy(Executor):
    """Two threads, and every task fails the first two times, or loses its worker."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._tried: Counter[str] = Counter()
        self._lock = Lock()

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
        index = str(args[1])
        with self._lock:
            self._tried[index] += 1
            tries = self._tried[index] % 3
        if not tries:
            return self._pool.submit(fn, *args, **options)
        future: Future[Any] = Future()
        future.set_exception([CancelledError(), OSError("a hiccup")][tries - 1])
        return future


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[str, Executor]]:
    spawn = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, mp_context=spawn) as processes:
        clumsy = Clumsy(threads)
        yield {
            "threads": threads,
            "processes": processes,
            "backwards": Backwards(),
            "clumsy": clumsy,
        }


@pytest.fixture(scope="module")
def distributed() -> Iterator[Executor]:
    pytest.importorskip("distributed")
    from pullfactory.runs.cluster import cluster_at

    with cluster_at("local", 2) as cluster:
        yield cluster.executor


def events(n: int, mass: float) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    shared = rng.standard_normal(n)
    m_t, m_w = 0.5 * shared + 0.87 * rng.standard_normal((2, n))
    return {"m_t": 172.0 + mass + 10.0 * m_t, "m_W": 83.0 + 7.0 * m_w}


def audited(executor: Executor | None) -> Any:
    memory = {"in_memory": True}
    up, down = ({"observables": {o: f"{o} * {f}" for o in ("m_t", "m_W")}} for f in (1.01, 0.99))
    config = {
        "name": "pools",
        "poi": "m_t",
        "replicas": 20,
        "workspace": {"n_bins": 5},
        "toys": {"n_toys": 300},
        "parameter": [{"name": "m_t", "constraint": "free"}, {"name": "JSF"}],
        "observable": [{"name": "m_t"}, {"name": "m_W"}],
        "samples": {
            "nominal": {**memory, "events": 1000.0},
            "m_t": {"up": memory, "down": memory},
            "JSF": {"up": up, "down": down},
        },
    }
    roles = {"nominal": 0.0, "m_t.up": 1.0, "m_t.down": -1.0}
    tables = {role: events(20_000, mass) for role, mass in roles.items()}
    return pf.audit(config, tables, executor=executor)


def thrown(executor: Executor | None) -> Any:
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace(WORKSPACE))
    return pf.run_toys(likelihood, 2000, 7, executor=executor)


SIMULATED = SMALL.with_settings(
    {"calibration.source": "simulated", "calibration.events_per_point": 3000, "methods": "all"}
)
ALONE = SIMULATED.with_settings({"ensemble.rho": [0.5]})
FEW = SIMULATED.with_settings({"ensemble.n_toys": 30})

VERBS: dict[str, Callable[[Executor | None], Any]] = {
    "run": lambda executor: pf.run(SMALL, executor=executor),
    "run_toys": thrown,
    "audit": audited,
    "calibrate": lambda executor: pf.calibrate(SIMULATED, executor=executor),
    "predict": lambda executor: pf.predict(SIMULATED, executor=executor),
    "closure": lambda executor: pf.closure(SIMULATED, points=2, executor=executor),
    "select": lambda executor: pf.select(ALONE, executor=executor),
    "bootstrap_toy": lambda executor: pf.bootstrap_toy(ALONE, replicas=20, executor=executor),
    "scan": lambda executor: pf.scan(FEW, "ensemble.n_events", [100, 200], executor=executor),
}


@cache
def expected(verb: str) -> Any:
    """What a verb gives without an executor."""
    return VERBS[verb](None)


FAST = ("run", "run_toys")
OTHERS = ("processes", "backwards")  # than the threads that verbs take without an executor


@pytest.mark.parametrize(
    ("verb", "pool"),
    [(verb, pool) for verb in FAST for pool in ("threads", *OTHERS)]
    + [
        pytest.param(verb, pool, marks=pytest.mark.slow)
        for verb in VERBS
        if verb not in FAST
        for pool in OTHERS
    ],
)
def test_numbers_do_not_depend_on_the_executor(
    verb: str, pool: str, pools: dict[str, Executor]
) -> None:
    require_same(verb, pools[pool])


@pytest.mark.parametrize(
    "verb", ["run_toys", "calibrate", pytest.param("bootstrap_toy", marks=pytest.mark.slow)]
)
def test_what_fails_is_tried_again(verb: str, pools: dict[str, Executor]) -> None:
    require_same(verb, pools["clumsy"])


class Broken(Executor):
    """Where nothing works."""

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def] # noqa: ARG002
        future: Future[Any] = Future()
        future.set_exception(OSError("no such luck"))
        return future


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("calibrate", "3 of 3 samples failed 3 times: 0, 1, 2"),
        ("bootstrap_toy", "3 of 3 samples failed 3 times: 0, 1, 2"),
    ],
)
def test_what_always_fails_is_named(verb: str, said: str) -> None:
    with pytest.raises(RunError, match=rf"{said} \(OSError: no such luck\)"):
        VERBS[verb](Broken())


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["run", "run_toys", "audit"])
def test_numbers_are_those_of_a_cluster(verb: str, distributed: Executor) -> None:
    require_same(verb, distributed)


def require_same(verb: str, executor: Executor) -> None:
    again, before = VERBS[verb](executor), expected(verb)
    assert numbers(again) == numbers(before)
    assert digest(again) == digest(before)
    assert digest(again) or verb not in ("run", "run_toys", "audit")


def digest(result: Any) -> str:
    """Of the bytes of all parts of the toys; empty if there are no toys."""
    found = hashlib.sha256()
    for table in tables(result):
        for span in table.spans:
            found.update(span.name.encode())
            with table.open(span) as file:
                found.update(file.read())
    return found.hexdigest() if tables(result) else ""


def tables(result: Any) -> list[Any]:
    """The toys of a result, if it has some."""
    toys = getattr(result, "toys", None)
    toys = getattr(toys, "toys", toys)
    return [toys] if hasattr(toys, "read") else []


def numbers(result: Any) -> dict[str, Any]:
    """All of a result but when and with what it was made."""
    found = result.to_dict() if isinstance(result, pf.Calibration) else result.summary()
    return {key: value for key, value in found.items() if key != "provenance"}


@pytest.mark.parametrize("verb", VERBS)
def test_forking_pools_are_refused(verb: str) -> None:
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool,
        pytest.raises(StudyError, match="get_context\\('spawn'\\)"),
    ):
        VERBS[verb](pool)
