"""Whatever breaks or kills: the old or the new result is whole, and nothing else is touched."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

import pullfactory as pf
from pullfactory.errors import OutputError, OutputWarning
from pullfactory.report.figures import DrawnFigure
from pullfactory.results.contents import find_foreign
from pullfactory.results.folders import check_folder
from pullfactory.results.manifest import MANIFEST
from pullfactory.results.result import Result
from pullfactory.results.workplace import new_workplace

# Replaces a folder by one with a text, in a child for each line of its input, which says the text,
# at which step that touches a file the child kills itself, if any, and how folders change places.
REPLACE = """
import os, signal, sys
from pathlib import Path
from pullfactory.results import swap
from pullfactory.results.folders import replaced_folder
from pullfactory.results.manifest import write_manifest

folder = Path(sys.argv[1])
touching = {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "open", "ctypes.call_function"}

def killing(step):
    left = [step]
    def kill(event, arguments):
        if event in touching and any(str(folder.parent) in str(one) for one in arguments):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
    return kill

def write(text):
    with replaced_folder(folder) as new:
        (new / "figures").mkdir()
        for name in ("summary.json", "toys.parquet", "figures/pulls.png"):
            (new / name).write_text(text)
        write_manifest(new, {})

for line in sys.stdin:
    text, step, how = line.split()
    child = os.fork()
    if not child:
        if how == "rename":
            swap.exchange = lambda *_: False
        sys.addaudithook(killing(int(step)))
        write(text)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
FILES = {"summary.json", "toys.parquet", "figures/pulls.png"}


def content(folder: Path) -> str:
    """The text of a whole result."""
    assert find_foreign(folder) is None
    listed = json.loads((folder / MANIFEST).read_text())["files"]
    assert listed.keys() == FILES
    (text,) = {(folder / name).read_text() for name in FILES}
    return text


@dataclass(frozen=True)
class Replacing:
    """A process that replaces a folder as often as it is told."""

    process: "subprocess.Popen[str]"

    def begin(self, text: str, step: int = 0, how: str = "exchange") -> int:
        """Start to replace it; the number of the process that does."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text} {step} {how}\n")
        self.process.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """The signal that ended it, 0 if it came to its end."""
        return int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@contextmanager
def replacing(folder: Path) -> Iterator[Replacing]:
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", REPLACE, str(folder)]
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        yield Replacing(process)
        _, errors = process.communicate()
    assert errors == ""


@pytest.mark.parametrize("how", ["exchange", "rename"])
def test_killed_at_each_step(tmp_path: Path, how: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "notes.txt").write_text("mine")
    (place / ".out-mine").mkdir()
    folder = place / "out"
    with replacing(folder) as process:
        process.begin("0", how=how)
        assert process.end() == 0
        for step in range(1, 200):
            before = content(folder)
            process.begin(str(step), step, how)
            ended = process.end()
            if ended == 0:
                break
            assert ended == signal.SIGKILL
            if how == "exchange":
                assert content(folder) in (before, str(step))
            check_folder(folder)  # the next run, before its work
            assert content(folder) in (before, str(step))
            assert {path.name for path in place.iterdir()} == {"notes.txt", ".out-mine", "out"}
    assert step > 15  # else nothing was killed
    assert content(folder) == str(step)


def test_a_hundred_killed_replacements(tmp_path: Path) -> None:
    """At random moments; files of the user beside the result, and their own folders, survive."""
    folder = tmp_path / "place" / "out"
    mine = {folder.parent / ".out-12345678" / "thesis.tex", folder.parent / "out.old" / "notes"}
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    rng = random.Random(1)
    killed, seen = 0, {"start"}
    with replacing(folder) as process:
        process.begin("start")
        assert process.end() == 0
        for number in range(100):
            child = process.begin(str(number))
            time.sleep(rng.uniform(0.0, 0.01))
            with suppress(ProcessLookupError):  # it was faster
                os.kill(child, signal.SIGKILL)
            killed += process.end() == signal.SIGKILL
            seen.add(str(number))
            assert content(folder) in seen
        assert killed > 10
        assert all(path.read_text() == "mine" for path in mine)
        process.begin("end")
        assert process.end() == 0
    assert content(folder) == "end"
    assert {path.name for path in folder.parent.iterdir()} == {"out", ".out-12345678", "out.old"}


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def toys() -> Result:
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace("workspaces/poster.json"))
    return pf.run_toys(likelihood, 40, 1)


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """A file system on which no file grows beyond some bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 1000, 5000, 10_000, 20_000, 40_000, 80_000])
def test_a_disk_that_is_full(toys: Result, tmp_path: Path, size: int) -> None:
    folder = toys.write(tmp_path / "out", figures=())
    (tmp_path / "notes").write_text("mine")
    before = files_of(folder)
    told: list[str] = []
    wanted = ("png", "pdf")
    with at_most(size):
        try:
            toys.write(folder, figures=wanted, warn=told.append)
        except OutputError as error:
            told.append(str(error))
            assert files_of(folder) == before
        else:
            missing = json.loads((folder / MANIFEST).read_text())["missing"]
            assert len(missing) == len(told)
            for name in missing:
                assert not (folder / name).exists()
            there = {path.stem for path in (folder / "figures").iterdir()}
            assert there <= {*toys.plots}
    assert find_foreign(folder) is None
    assert {path.name for path in tmp_path.iterdir()} == {"out", "notes"}
    pf.read(folder)


def test_toys_in_memory_have_no_name_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace("workspaces/poster.json"))
    thrown = pf.run_toys(likelihood, 40, 1)
    assert list(temporary.iterdir()) == []
    temporary.rmdir()
    before = thrown.write(tmp_path / "before", figures=())
    after = thrown.write(tmp_path / "after", figures=())
    assert (after / MANIFEST).read_bytes() == (before / MANIFEST).read_bytes()


@pytest.mark.parametrize("name", ["n" * 255])
def test_studies_with_long_names(tiny_study: pf.Study, tmp_path: Path, name: str) -> None:
    study = tiny_study.with_settings({"name": name, "methods": ["binned"]})
    folder = pf.run(study).write(tmp_path / name, figures=())
    assert (folder / "workspaces" / f"{name[:200]}.json").exists()
    pf.read(folder)


def test_a_configuration_of_matplotlib_that_cannot_be_read(
    study_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"text.usetex: \xff")
    command = [
        sys.executable,
        "-m",
        "pullfactory",
        "predict",
        str(study_file),
        "-o",
        str(tmp_path / "out"),
    ]
    ended = subprocess.run(
        command,
        env={**os.environ, "MATPLOTLIBRC": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["missing"] == {}


def broken(error: Exception) -> Callable[[DrawnFigure], object]:
    def draw(_: DrawnFigure) -> None:
        raise error

    return draw


def test_a_figure_that_fails_is_told_and_listed(
    toys: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullfactory.report.toys.plot_correlation", broken(RuntimeError("no ink")))
    with pytest.warns(OutputWarning, match=r"correlation\.png is missing: .*"):
        folder = toys.write(tmp_path / "out", figures=("png",))
    missing = json.loads((folder / MANIFEST).read_text())["missing"]
    assert missing.keys() == {"figures/correlation.png"}
    assert {path.stem for path in (folder / "figures").iterdir()} == {*toys.plots} - {"correlation"}
    assert (folder / "report.html").exists()
    assert pf.read(folder).summary() == toys.summary()


def test_what_was_changed_is_not_replaced(toys: Result, tmp_path: Path) -> None:
    folder = toys.write(tmp_path / "out", figures=())
    (folder / "report.html").write_text("my comments")
    with pytest.raises(OutputError, match=r"'report.html', which was changed"):
        toys.write(folder, figures=())
    pf.write_report(folder)
    toys.write(folder, figures=())


@pytest.mark.parametrize("mode", [0o750, 0o2770, 0o700])
def test_permissions_and_owner_stay(toys: Result, tmp_path: Path, mode: int) -> None:
    folder = toys.write(tmp_path / "out", figures=())
    folder.chmod(mode)
    before = folder.stat()
    toys.write(folder, figures=())
    found = folder.stat()
    assert found.st_ino != before.st_ino
    assert (found.st_mode, found.st_uid, found.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )


@pytest.mark.parametrize("name", ["x" * 250, "ö" * 120, "\udcff"])
def test_names_that_are_long_or_odd(toys: Result, tmp_path: Path, name: str) -> None:
    for _ in range(2):
        folder = toys.write(tmp_path / name, figures=())
    assert find_foreign(folder) is None
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_a_living_process_fills_is_not_swept(tmp_path: Path) -> None:
    place = new_workplace(tmp_path, ".out-")
    check_folder(tmp_path / "out")
    assert place.path.exists()
    place.close()
    assert not list(tmp_path.iterdir())
