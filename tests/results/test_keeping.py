"""Toys that are kept: continued, extended, refused; the numbers are those of one run."""

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

import pullfactory as pf
from pullfactory.errors import OutputError
from pullfactory.report import toys as report
from pullfactory.results import identity
from pullfactory.results.keeping import Keep, partial_folder
from pullfactory.results.manifest import MANIFEST
from pullfactory.results.part import Span
from pullfactory.results.rows import installed_versions
from pullfactory.results.running import CAMPAIGN

WORKSPACE = Path("workspaces/poster.json").absolute()
TOYS = 1000
PART = 256  # one block

Invoke = Callable[..., CompletedProcess[str]]

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture(scope="module")
def whole(
    likelihood: pf.BinnedLikelihood, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The result of one run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pullfactory.runs.toys._TOGETHER", 1)
        result = pf.run_toys(likelihood, TOYS, 1)
        yield result.write(tmp_path_factory.mktemp("whole") / "out", figures=("png",))


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def parts_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Which files the parts are: one that was made again is another."""
    found = {path.name: path.stat() for path in (folder / "toys.parquet").iterdir()}
    return {name: (one.st_ino, one.st_mtime_ns) for name, one in found.items()}


class Full:
    """A disk on which some parts find room, and the next does not."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __call__(self, _descriptor: int) -> None:
        self.room -= 1
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def stop_after(
    parts: int, likelihood: pf.BinnedLikelihood, keep: Keep, n_toys: int = TOYS, **options: Any
) -> str:
    """Why a run stopped that had room for some parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", Full(parts))
        with pytest.raises(OutputError) as error:
            pf.run_toys(likelihood, n_toys, 1, workers=1, keep=keep, **options)
    return str(error.value)


def test_a_full_disk_takes_no_part_away(
    likelihood: pf.BinnedLikelihood,
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep = Keep.beside(tmp_path / "out")
    assert stop_after(2, likelihood, keep) == (
        "toys cannot be kept (No space left on device); make room, or choose another place"
    )
    kept = parts_of(keep.folder)
    assert len(kept) == 2
    assert {path.name for path in keep.folder.iterdir()} == {CAMPAIGN, "toys.parquet"}
    toys = sum(span.stop - span.first for span in map(Span.of, kept) if span)
    where = f"'{keep.folder}'"
    assert capsys.readouterr().err == (
        f"{toys} toys are kept in {where}; the same command goes on\n"
    )
    result = pf.run_toys(likelihood, TOYS, 1, keep=keep)
    assert capsys.readouterr().err == f"{toys} toys are in {where} already: continued\n"
    folder = result.write(tmp_path / "out", figures=("png",))
    assert files_of(folder) == files_of(whole)
    assert kept.items() <= parts_of(folder).items()
    keep.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_nothing_is_left_of_a_run_that_made_nothing(
    likelihood: pf.BinnedLikelihood, tmp_path: Path
) -> None:
    stop_after(0, likelihood, Keep.beside(tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_damaged_parts_and_what_a_killed_run_was_writing(
    likelihood: pf.BinnedLikelihood, whole: Path, tmp_path: Path
) -> None:
    keep = Keep.beside(tmp_path / "out")
    stop_after(3, likelihood, keep)
    part = min(keep.toys.iterdir())
    part.write_bytes(part.read_bytes()[:1000])
    (keep.folder / f".{part.name}-0123abcd").write_bytes(b"PAR1")
    (keep.folder / f".{CAMPAIGN}.partial").write_text("{")
    folder = pf.run_toys(likelihood, TOYS, 1, keep=keep).write(tmp_path / "out", figures=("png",))
    assert files_of(folder) == files_of(whole)


def test_more_toys_are_added_to_a_result(
    likelihood: pf.BinnedLikelihood, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    pf.run_toys(likelihood, TOYS // 2, 1).write(out, figures=())
    before = parts_of(out)
    keep = Keep.beside(out)
    pf.run_toys(likelihood, TOYS, 1, keep=keep).write(out, figures=("png",))
    assert files_of(out) == files_of(whole)
    assert len(before.items() & parts_of(out).items()) == TOYS // 2 // PART


def test_the_last_part_of_fewer_toys_goes(likelihood: pf.BinnedLikelihood, tmp_path: Path) -> None:
    keep = Keep.beside(tmp_path / "out")
    for n_toys in (300, 500, TOYS):
        result = pf.run_toys(likelihood, n_toys, 1, keep=keep)
        assert result.sums.toys == n_toys
    assert result.toys.read()["toy"].to_pylist()[::3] == list(range(TOYS))
    pf.run_toys(likelihood, TOYS, 1, keep=keep)
    spans = [Span(first, min(first + PART, TOYS)).name for first in range(0, TOYS, PART)]
    assert sorted(path.name for path in keep.toys.iterdir()) == spans


def toys(invoke: Invoke, out: Path, *more: object) -> CompletedProcess[str]:
    command = ("toys", WORKSPACE, "--n-toys", TOYS, "--seed", 1, "--output", out)
    return invoke(*command, "--figures", "png", *more)


def test_a_finished_result_says_so_and_what_is_missing_is_made(
    whole: Path, tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("pullfactory.report.toys.plot_correlation", None)
        assert toys(invoke, out).returncode == 0
    (lost,) = json.loads((out / MANIFEST).read_text())["missing"]
    assert lost == "figures/correlation.png"
    parts = parts_of(out)
    drawn: list[str] = []
    plot = report.plot_correlation

    def noted(*arguments: Any) -> Any:
        drawn.append("correlation")
        return plot(*arguments)

    monkeypatch.setattr(report, "plot_correlation", noted)
    monkeypatch.setattr("pullfactory.report.toys.plot_minimum_nll", None)  # is there already
    ended = toys(invoke, out)
    note = f"'{out}' has {TOYS} of these toys already; --fresh makes them again\n"
    assert (ended.returncode, ended.stderr, drawn) == (
        0,
        note,
        ["correlation"] * 2,
    )  # of estimates, and what fits claim
    assert files_of(out) == files_of(whole)
    assert parts_of(out) == parts
    before = (out / MANIFEST).stat()
    assert toys(invoke, out).stderr == note
    assert (out / MANIFEST).stat() == before  # nothing was written
    (out / "toys.parquet" / Span(PART, 2 * PART).name).unlink()
    assert toys(invoke, out).stderr == note.replace(str(TOYS), str(TOYS - PART))
    assert files_of(out) == files_of(whole)
    monkeypatch.undo()
    monkeypatch.setattr("pullfactory.runs.toys._TOGETHER", 1)
    assert toys(invoke, out, "--fresh").stderr == ""
    assert files_of(out) == files_of(whole)
    assert not parts_of(out).items() & parts.items()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


OTHERS: dict[str, tuple[tuple[object, ...], str]] = {
    "seed": (("--seed", 2), "seed 1 instead of 2"),
    "ensemble": (("--ensemble", "prior"), 'ensemble "fixed" instead of "prior"'),
    "truth": (("--truth", "JSF=0.5"), "truth"),
    "model": (("--fix", "JSF"), "model"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_toys_of_another_run_are_refused(
    likelihood: pf.BinnedLikelihood, tmp_path: Path, invoke: Invoke, other: str
) -> None:
    out = tmp_path / "out"
    stop_after(1, likelihood, Keep.beside(out))
    folder = partial_folder(out)
    before = parts_of(folder)
    options, said = OTHERS[other]
    ended = toys(invoke, out, *options)
    assert (ended.returncode, ended.stderr) == (
        2,
        f"Error: '{folder}' holds other toys ({said}); --fresh starts anew\n",
    )
    assert parts_of(folder) == before
    assert toys(invoke, out, *options, "--fresh").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


VERSIONS = installed_versions()


def other_versions() -> dict[str, str]:
    return {**VERSIONS, "jax": "0.1"}


@pytest.mark.parametrize(
    ("name", "made", "said"),
    [
        ("installed_versions", other_versions, f"jax 0.1 instead of {VERSIONS['jax']}"),
        ("machine", lambda: "0123456789abcdef", "another processor"),
        ("accelerator", lambda: "NVIDIA H200", "another processor"),
    ],
)
def test_other_versions_and_processors_are_refused_or_noted(
    likelihood: pf.BinnedLikelihood,
    whole: Path,
    tmp_path: Path,
    invoke: Invoke,
    name: str,
    made: Callable[[], Any],
    said: str,
) -> None:
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, name, made)
        stop_after(2, likelihood, Keep.beside(out))
    ended = toys(invoke, out)
    where = f"Error: '{partial_folder(out)}' holds other toys ({said}); --fresh starts anew"
    assert ended.stderr == f"{where}, --tolerant takes what agrees to about 1e-12\n"
    assert ended.returncode == 2
    ended = toys(invoke, out, "--tolerant")
    assert ended.returncode == 0
    assert said in ended.stderr
    summary = pf.read_summary(out)
    assert summary["provenance"]["mixed"] == [said]
    assert said in (out / "report.html").read_text()
    assert summary["pulls"] == pf.read_summary(whole)["pulls"]
    assert pf.read(out).summary() == summary


def test_a_folder_with_anything_else_is_refused(
    likelihood: pf.BinnedLikelihood, tmp_path: Path
) -> None:
    keep = Keep.beside(tmp_path / "out")
    stop_after(1, likelihood, keep)
    for name in ("notes.txt", "toys.parquet/notes.txt", "campaign"):
        (keep.folder / name).write_text("mine")
        with pytest.raises(OutputError, match=f"something else than toys.*'{Path(name).name}'"):
            pf.run_toys(likelihood, TOYS, 1, keep=Keep.beside(tmp_path / "out", fresh=True))
        assert (keep.folder / name).read_text() == "mine"
        (keep.folder / name).unlink()
    part = keep.toys / Span(PART, 2 * PART).name
    part.unlink(missing_ok=True)
    for plant in (os.mkfifo, os.mkdir, lambda path: path.symlink_to("/etc/hosts")):
        plant(part)
        with pytest.raises(OutputError, match=f"something else than toys.*'{part.name}'"):
            pf.run_toys(likelihood, TOYS, 1, keep=keep)
        part.rmdir() if part.is_dir() else part.unlink()
    keep.toys.rename(tmp_path / "elsewhere")
    keep.toys.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match=r"toys\.parquet' is no folder"):
        pf.run_toys(likelihood, TOYS, 1, keep=keep)


def test_two_runs_at_once(likelihood: pf.BinnedLikelihood, tmp_path: Path) -> None:
    keep = Keep.beside(tmp_path / "out")

    def second(_done: int) -> None:
        with pytest.raises(OutputError, match="in use by another run"):
            pf.run_toys(likelihood, 10, 1, keep=keep)
        seen.append(1)

    seen: list[int] = []

    @contextmanager
    def progress(_stage: str, _total: int) -> Iterator[Callable[[int], None]]:
        yield second

    pf.run_toys(likelihood, 10, 1, keep=keep, progress=progress)
    assert seen


# The command line, which stops at its figures, and says so in a file.
STOPPING = """
import sys, time
from pathlib import Path
from pullfactory.cli import main
from pullfactory.report import toys
from pullfactory.runs import toys as runs

def draw(*_, **__):
    sign.write_text("here")
    time.sleep(600)

sign, toys.plot_correlation, runs._TOGETHER = Path(sys.argv.pop(1)), draw, 1
main()
"""
PATIENCE = 300.0  # seconds


def test_the_same_command_while_figures_are_drawn_and_after_a_kill(
    whole: Path, tmp_path: Path, invoke: Invoke
) -> None:
    out, sign = tmp_path / "out", tmp_path / "sign"
    model = ("toys", WORKSPACE, "--n-toys", TOYS, "--seed", 1)
    command = (*model, "--output", out, "--figures", "png")
    with subprocess.Popen(
        [sys.executable, "-c", STOPPING, str(sign), *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as first:
        try:
            until = time.monotonic() + PATIENCE
            while not sign.exists():
                assert first.poll() is None
                assert time.monotonic() < until
                time.sleep(0.05)
            before = parts_of(partial_folder(out))
            ended = invoke(*command)
            said = f"Error: '{partial_folder(out)}' is in use by another run; wait for it, or "
            assert (ended.returncode, ended.stderr) == (2, f"{said}choose another --output\n")
            assert first.poll() is None
            assert parts_of(partial_folder(out)) == before
            assert not out.exists()
        finally:
            first.kill()
    sign.unlink()
    ended = invoke(*command)
    assert ended.returncode == 0
    assert ended.stderr == f"{TOYS} toys are in '{partial_folder(out)}' already: continued\n"
    assert files_of(out) == files_of(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_is_held_is_refused_before_the_work(
    tmp_path: Path, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pullfactory.runs.toys.run_toys", None)
    out = tmp_path / "new" / "out"
    with Keep.beside(out).reserved():
        ended = toys(invoke, out)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert "in use by another run" in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_replicas_tie_the_blocks_to_the_number_of_toys(
    tiny_study: pf.Study, tmp_path: Path
) -> None:
    study = tiny_study.with_settings(
        {
            "methods": ["binned"],
            "ensemble.rho": [0.0],
            "ensemble.n_toys": 20,
            "calibration.source": "simulated",
            "calibration.events_per_point": 5000,
            "calibration.replicas": 2,
        }
    )
    out = tmp_path / "out"
    pf.run(study).write(out, figures=())
    more = study.with_settings({"ensemble.n_toys": 40})
    with pytest.raises(OutputError, match=r"blocks of 10, .* 20: calibration\.replicas ties them"):
        pf.run(more, keep=Keep.beside(out))
    fresh = pf.run(more, keep=Keep.beside(out, fresh=True))
    assert fresh.summary() == pf.run(more).summary()


@pytest.mark.parametrize("name", ["n" * 250, "ö" * 120])
def test_long_names(likelihood: pf.BinnedLikelihood, tmp_path: Path, name: str) -> None:
    keep = Keep.beside(tmp_path / name)
    stop_after(1, likelihood, keep)
    assert pf.standing(tmp_path / name).done == 1
    pf.run_toys(likelihood, TOYS, 1, keep=keep).write(tmp_path / name, figures=())
    keep.remove()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("blocks", ["3-9", "2-1", "4", "x", "-3"])
def test_blocks_that_are_not_there(tmp_path: Path, invoke: Invoke, blocks: str) -> None:
    ended = toys(invoke, tmp_path / "out", f"--blocks={blocks}")
    assert ended.returncode == 2
    assert not list(tmp_path.iterdir())


class Elsewhere(Executor):
    """A worker whose processor has other instructions."""

    def submit(self, fn, /, *args, **options):  # type: ignore[no-untyped-def]
        future: Future[Any] = Future()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(identity, "machine", lambda: "another")
            try:
                future.set_result(fn(*args, **options))
            except pf.PullfactoryError as error:
                future.set_exception(error)
        return future


def test_a_worker_on_another_processor_is_refused_or_noted(
    likelihood: pf.BinnedLikelihood, tmp_path: Path
) -> None:
    keep = Keep.beside(tmp_path / "out")
    with pytest.raises(pf.PullfactoryError, match=r"a worker on .* has another processor; give it"):
        pf.run_toys(likelihood, TOYS, 1, keep=keep, executor=Elsewhere())
    pf.run_toys(likelihood, PART, 1, keep=keep)
    found = pf.run_toys(
        likelihood, TOYS, 1, keep=replace(keep, tolerant=True), executor=Elsewhere()
    )
    assert found.mixed == ("another processor",)


def test_a_damaged_part_is_named_and_made_again(
    likelihood: pf.BinnedLikelihood, whole: Path, tmp_path: Path
) -> None:
    keep = Keep.beside(tmp_path / "out")
    pf.run_toys(likelihood, TOYS, 1, keep=keep)
    part = min(keep.toys.iterdir())
    content = bytearray(part.read_bytes())
    content[200] ^= 1
    part.write_bytes(content)
    toys = pf.run_toys(likelihood, TOYS, 1, keep=keep).toys
    said = rf"'{part}' is damaged \(.*CRC.*\); remove it, and run again"
    for look in (toys.read, lambda: list(toys.fits())):
        with pytest.raises(OutputError, match=said):
            look()
    part.unlink()
    pf.run_toys(likelihood, TOYS, 1, keep=keep)
    assert part.read_bytes() == (whole / "toys.parquet" / part.name).read_bytes()
