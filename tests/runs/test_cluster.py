"""Toys on the workers of a Dask scheduler."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import pullfactory as pf
from pullfactory.errors import RunError, StudyError
from pullfactory.runs import cluster
from pullfactory.runs.cluster import cluster_at

Invoke = Callable[..., subprocess.CompletedProcess[str]]
WORKSPACE = Path(__file__).parents[2] / "workspaces" / "poster.json"
PARTS = 12
TOYS = PARTS * 8 * 256
PATIENCE = 120.0  # seconds


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program of Dask, which ends with the context."""
    quiet = {"DASK_LOGGING__DISTRIBUTED": "critical"}
    with subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:]],
        env={**os.environ, **quiet},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def scheduler(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler on loopback, and its two workers."""
    tmp_path = tmp_path_factory.mktemp("dask")
    distributed = pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    here = ("--host", "127.0.0.1", "--no-dashboard")
    with ExitStack() as stack:
        stack.enter_context(
            started("scheduler", *here, "--port", "0", "--scheduler-file", str(file))
        )
        workers = [
            stack.enter_context(
                started(
                    "worker",
                    *("--scheduler-file", str(file), *here),
                    *("--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)),
                )
            )
            for _ in range(2)
        ]
        with distributed.Client(scheduler_file=str(file), timeout=PATIENCE) as client:
            client.wait_for_workers(2, timeout=PATIENCE)
            address = client.scheduler.address
        yield address, workers


def parts(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "toys.parquet").iterdir()
    }


COMMAND = ("toys", WORKSPACE, "--n-toys", 3000, "--figures", "none")


@pytest.fixture
def here(tmp_path: Path, invoke: Invoke) -> dict[str, str]:
    """Parts that a command makes without a cluster."""
    assert invoke(*COMMAND, "--output", tmp_path / "here").returncode == 0
    return parts(tmp_path / "here")


@pytest.mark.slow
def test_a_command_computes_on_a_cluster(
    scheduler: tuple[str, list[subprocess.Popen[bytes]]],
    here: dict[str, str],
    tmp_path: Path,
    invoke: Invoke,
) -> None:
    there = invoke(*COMMAND, "--output", tmp_path / "there", "--dask", scheduler[0])
    assert there.returncode == 0, there.stderr
    assert parts(tmp_path / "there") == here


@pytest.mark.slow
def test_a_command_starts_processes_here(here: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    command = [sys.executable, "-m", "pullfactory", *map(str, COMMAND), "--dask", "local"]
    command += ["--workers", "1", "--output", str(tmp_path / "there")]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    given = {**os.environ, "TMPDIR": str(temporary)}
    subprocess.run(command, check=True, timeout=600, env=given)
    assert parts(tmp_path / "there") == here
    assert not any(temporary.iterdir())


@pytest.mark.slow
def test_bytes_are_those_of_threads_though_a_worker_is_killed(
    scheduler: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, workers = scheduler
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace(WORKSPACE))
    pf.run_toys(likelihood, TOYS, 7, keep=tmp_path / "threads")
    done: list[int] = []
    counts: list[int] = []

    @contextmanager
    def watched(_stage: str, _total: int) -> Iterator[Any]:
        def advance(toys: int) -> None:
            done.append(toys)
            if sum(done) and workers[0].poll() is None:
                workers[0].kill()
                workers[0].wait()

        yield advance

    with cluster_at(address) as used:
        counts.append(used.count())
        pf.run_toys(
            likelihood, TOYS, 7, executor=used.executor, keep=tmp_path / "dask", progress=watched
        )
        until = time.monotonic() + PATIENCE
        while used.count() != 1 and time.monotonic() < until:
            time.sleep(0.1)
        counts.append(used.count())
    assert counts == [2, 1]
    assert len(list(filter(None, done))) == PARTS
    assert parts(tmp_path / "dask") == parts(tmp_path / "threads")
    assert len(parts(tmp_path / "dask")) == PARTS


def test_a_cluster_has_its_own_workers(tmp_path: Path, invoke: Invoke) -> None:
    address = "tcp://127.0.0.1:1"
    with pytest.raises(StudyError, match="leave it out"), cluster_at(address, 3):
        pass
    command = ["toys", str(WORKSPACE), "--output", str(tmp_path / "x"), "--workers", "3"]
    ended = invoke(*command, "--dask", address)
    assert ended.returncode == 2
    assert "--workers 3" in ended.stderr


def test_without_the_extra_it_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, invoke: Invoke
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    ended = invoke("toys", str(WORKSPACE), "--output", str(tmp_path / "x"), "--dask", "local")
    assert ended.returncode == 2
    assert "pip install 'pullfactory[dask]'" in ended.stderr


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://here", "no such host"])
def test_where_no_scheduler_answers_the_address_is_named(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "_PATIENCE", 0.5)
    with pytest.raises(RunError, match=address), cluster_at(address):
        pass
