"""Plans on their way to workers: once to each, built once by each."""

import hashlib
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from pullfactory.runs import parcel
from pullfactory.runs.execution import Unseen, completed
from pullfactory.runs.parcel import sent

HEAVY = 10 * 2**20  # bytes
TASKS = 40


@dataclass(frozen=True)
class Counted:
    """A plan that leaves a file where it is built."""

    folder: Path
    load: bytes

    def build(self) -> Callable[[int], int]:
        (self.folder / f"{os.getpid()}-{len(list(self.folder.iterdir()))}").touch()
        return partial(len_and, self.load)


def len_and(load: bytes, index: int) -> int:
    return len(load) + index


class Weighed(Executor):
    """Weighs what a pool of processes is sent."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool
        self._max_workers = 2
        self.weights: list[int] = []

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
        self.weights.append(len(pickle.dumps((fn, args))))
        return self._pool.submit(fn, *args, **options)


@pytest.fixture(scope="module")
def weighed() -> Iterator[Weighed]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        yield Weighed(pool)


def work(plan: Counted, pool: Executor) -> None:
    with sent(plan, pool) as errand:
        found = dict(completed(pool, errand, range(TASKS), 2))
    assert found == {index: len(plan.load) + index for index in range(TASKS)}


def test_a_heavy_plan_lies_in_a_file_and_tasks_are_light(
    weighed: Weighed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "built").mkdir()
    weighed.weights.clear()
    work(Counted(tmp_path / "built", os.urandom(HEAVY)), weighed)
    assert len(weighed.weights) == TASKS
    assert max(weighed.weights) < 1000
    assert 1 <= len(list((tmp_path / "built").iterdir())) <= 2
    assert [path.name for path in tmp_path.iterdir()] == ["built"]


def test_a_worker_that_does_not_see_the_file_is_sent_the_plan(
    weighed: Weighed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lent(_content: bytes) -> Iterator[str]:
        yield str(tmp_path / "nowhere")

    monkeypatch.setattr(parcel, "_lent", lent)
    (tmp_path / "built").mkdir()
    weighed.weights.clear()
    work(Counted(tmp_path / "built", os.urandom(HEAVY)), weighed)
    heavy = [weight for weight in weighed.weights if weight > HEAVY]
    assert 1 <= len(heavy) <= 2 * 2 * 2  # two in flight for each of two workers, and those behind
    assert 1 <= len(list((tmp_path / "built").iterdir())) <= 2


def test_a_light_plan_travels_with_its_tasks(weighed: Weighed, tmp_path: Path) -> None:
    weighed.weights.clear()
    work(Counted(tmp_path, os.urandom(1000)), weighed)
    assert len(weighed.weights) == TASKS


def test_a_file_of_something_else_is_not_opened(tmp_path: Path) -> None:
    content = pickle.dumps(Counted(tmp_path, os.urandom(2**20)))
    file = tmp_path / "plan"
    file.write_bytes(content[:-1] + b"!")
    digest = hashlib.sha256(content).digest()
    with pytest.raises(Unseen):
        parcel._Parcel(digest=digest, path=str(file)).read()


FORKING = """
import multiprocessing, sys
from concurrent.futures import Executor, ProcessPoolExecutor
import pullfactory as pf

class Hidden(Executor):
    pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork"))

    def submit(self, fn, /, *args, **options):
        return self.pool.submit(fn, *args, **options)

likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace(sys.argv[1]))
try:
    pf.run_toys(likelihood, 10, 1, executor=Hidden())
except ValueError as error:
    print(error)
"""


def test_a_pool_that_forks_in_secret_is_refused_and_does_not_hang() -> None:
    workspace = Path(__file__).parents[2] / "workspaces" / "poster.json"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKING, workspace],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert "forked" in ended.stdout
    assert "get_context('spawn')" in ended.stdout
