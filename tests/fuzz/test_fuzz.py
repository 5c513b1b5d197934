"""Inputs that are spoilt at random end in success or in a refusal on one line."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from pullfactory.errors import RunError, StudyError
from tests.fuzz import cases
from tests.fuzz.cases import find, try_input
from tests.fuzz.corpus import make_corpus
from tests.fuzz.targets import TARGETS, Target

CASES = 15  # of each target; make fuzz tries many more
FOUND = sorted((Path(__file__).parent / "found").iterdir())
"""Inputs at which reading failed once: TARGET-SEED."""
KEPT = Path("build/fuzz")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder)
    return folder


@pytest.mark.parametrize("target", [name for name in TARGETS if "." in name])
def test_what_is_spoilt_was_valid(folder: Path, target: str) -> None:
    TARGETS[target].read(folder)


@pytest.mark.parametrize("target", TARGETS)
def test_spoilt_inputs(folder: Path, target: str) -> None:
    seeds = range(CASES * TARGETS[target].often)
    failures = [failure for seed in seeds if (failure := find(folder, target, seed))]
    assert [f"{one.seed}: {one.what}; {one.save(KEPT)}" for one in failures] == []


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_inputs_that_failed_once(folder: Path, path: Path) -> None:
    target = TARGETS[path.name.rpartition("-")[0]]
    assert try_input(folder, target, path.read_bytes()) is None


class EndlessError(StudyError):
    lines = ("n" * 5_000,)


def _forever() -> None:
    while True:
        pass


def _raise(error: Exception) -> Callable[[], object]:
    def read() -> None:
        raise error

    return read


@pytest.mark.parametrize(
    ("read", "ending"),
    [
        (lambda: None, "None"),
        (_raise(StudyError("n = -1: must be at least 0")), "None"),
        (_raise(EndlessError()), "refused in a line of 5000 letters"),
        (_raise(RunError("no fit converged")), "RunError in read"),
        (_raise(TypeError("no number")), r"TypeError in read \(test_fuzz.py:\d+\): no number"),
        (_forever, "TooLongError"),
        (lambda: bytearray(4 * 2**30), "MemoryError in <lambda>"),
        (lambda: warnings.warn("overflow", RuntimeWarning, stacklevel=1), "warned: overflow"),
    ],
)
def test_what_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], ending: str
) -> None:
    monkeypatch.setattr(cases, "SECONDS", 0.1)
    target = Target(name="one", file="one", mutate=lambda _, data: data, read=lambda _: read())
    assert re.match(ending, str(try_input(tmp_path, target, b"")))


def test_a_seed_says_everything(folder: Path) -> None:
    for target in TARGETS:
        assert cases.spoilt(folder, target, 3) == cases.spoilt(folder, target, 3)
    assert cases.spoilt(folder, "tiny.toml", 3) != cases.spoilt(folder, "tiny.toml", 4)
