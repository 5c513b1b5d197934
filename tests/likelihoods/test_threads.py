"""pyhf is asked by one thread at a time, and is as it was afterwards."""

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyhf
import pytest

from pullfactory import BinnedLikelihood, Study, read_workspace, run
from pullfactory.errors import WorkspaceError
from pullfactory.likelihoods import _trace

SPEC: dict[str, Any] = {
    "channels": [
        {
            "name": "SR",
            "samples": [
                {
                    "name": "sig",
                    "data": [10.0, 20.0],
                    "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                }
            ],
        }
    ],
    "observations": [{"name": "SR", "data": [10.0, 20.0]}],
    "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    "version": "1.0.0",
}


class Yielding(dict[str, Any]):
    """A cache that lets other threads in while it is gone through, as the interpreter may."""

    def __iter__(self) -> Iterator[str]:
        for key in super().__iter__():
            time.sleep(0.01)
            yield key


@pytest.fixture
def yielding_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Yielding(pyhf.schema.variables.SCHEMA_CACHE)
    monkeypatch.setattr(pyhf.schema.variables, "SCHEMA_CACHE", cache)


@pytest.mark.usefixtures("yielding_cache")
def test_models_built_at_once() -> None:
    """Before, most of these pairs of threads met in the cache: dictionary changed size."""
    made = pyhf.Workspace(SPEC)
    for attempt in range(5):
        pyhf.schema.variables.SCHEMA_CACHE.clear()
        begin = threading.Barrier(3)

        def build(wait: float, begin: threading.Barrier = begin) -> None:
            begin.wait()
            time.sleep(wait)
            BinnedLikelihood.from_pyhf(made)

        def read(begin: threading.Barrier = begin) -> None:
            begin.wait()
            read_workspace(SPEC)

        with ThreadPoolExecutor(3) as pool:
            waits = 0.0, 0.004 * (attempt + 1)
            for done in [*(pool.submit(build, wait) for wait in waits), pool.submit(read)]:
                done.result()


def test_backend_is_switched_for_the_trace_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, building and checking happen under the backend that was found."""
    seen: list[str] = []

    def note(*_: object) -> None:
        seen.append(pyhf.get_backend()[0].name)

    monkeypatch.setattr("pullfactory.workspaces.reading._check_parameters", note)
    before = pyhf.get_backend()
    pyhf.set_backend("numpy")
    try:
        BinnedLikelihood.from_pyhf(read_workspace(SPEC))
        assert seen == ["numpy"]
        with pytest.raises(ZeroDivisionError):
            _fail_inside(seen)
        assert seen[1:] == ["jax"]
        assert pyhf.get_backend()[0].name == "numpy"
    finally:
        pyhf.set_backend(*before)


def _fail_inside(seen: list[str]) -> None:
    with _trace.jax_backend():
        seen.append(pyhf.get_backend()[0].name)
        _ = 1 / 0


def test_lock_is_free_after_an_exception() -> None:
    bad = {**SPEC, "channels": SPEC["channels"] * 2}
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(read_workspace, bad) for _ in range(8)]:
            with pytest.raises(WorkspaceError, match="there twice"):
                done.result()
        found = pool.submit(BinnedLikelihood.from_pyhf, read_workspace(SPEC)).result()
    assert found.names == ("mu",)


def test_models_of_a_run_are_built_before_its_threads(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[str] = []
    module = sys.modules["pullfactory.runs.study"]
    build = module.build_methods

    def noted(*arguments: Any) -> Any:
        where.append(threading.current_thread().name)
        return build(*arguments)

    monkeypatch.setattr(module, "build_methods", noted)
    run(tiny_study.with_settings({"name": "before", "seed": 77, "ensemble.n_toys": 4}), workers=2)
    assert where == [threading.current_thread().name]
