"""The command line does what it says: results in a folder, tables on stdout, bars on stderr."""

import contextlib
import io
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from pullfactory import Calibration, Study, StudyResult, read_summary, run
from pullfactory.cli._signals import stoppable
from pullfactory.progress import bar
from pullfactory.results.part import Span

Invoke = Callable[..., CompletedProcess[str]]

COMMAND = (sys.executable, "-m", "pullfactory")
PATIENCE = 120.0  # seconds; for what is expected within a few


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def finished(invoke: Invoke, place: Path, study_file: Path) -> CompletedProcess[str]:
    """A whole run, figures included."""
    with contextlib.chdir(place):
        return invoke("run", study_file)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pullfactory.results.result.write_figures", lambda *_, **__: ())


def strictly(text: str) -> object:
    """JSON without NaN."""
    return json.loads(text, parse_constant=lambda constant: pytest.fail(f"{constant} in JSON"))


# --- run -------------------------------------------------------------------------------------


def test_run_fills_a_folder_named_after_the_study(
    finished: CompletedProcess[str], place: Path
) -> None:
    assert finished.returncode == 0
    assert [path.name for path in place.iterdir()] == ["results"]
    folder = place / "results" / "tiny"
    assert [path.name for path in (place / "results").iterdir()] == ["tiny"]
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    part = f"toys.parquet/{Span(0, 16).name}"
    assert {"summary.json", part, "study.toml", "workspaces/tiny.json"} <= files
    assert {"report.html", "figures/pull_width.png"} <= files


def test_run_prints_the_table_and_where_the_figures_are(
    finished: CompletedProcess[str], place: Path
) -> None:
    lines = finished.stdout.rstrip().splitlines()
    *table, closure, answer, other, summary, figures, report = lines
    assert answer.startswith("May m_t and m_W be fitted as if they were independent? ")
    assert "unbinned fit" in other
    assert re.fullmatch(
        r"Closure   (closes: bias up to|does not close: m_t has bias) 0\.[01]\d of .*", closure
    )  # at 200 events the error of m_t is near the step of its templates
    rows = re.findall(r"\b(?:m_t|JSF|JRF)\b", "\n".join(table))
    assert len(rows) == 2 * 2 * 3  # rho, methods, parameters
    assert (place / summary.removeprefix("Summary").strip()).is_file()
    assert (place / figures.removeprefix("Figures").strip()).is_dir()
    assert (place / report.removeprefix("Report").strip()).is_file()


def test_run_shows_no_bar_where_there_is_no_terminal(finished: CompletedProcess[str]) -> None:
    assert finished.stderr == ""


def test_summary_is_complete(
    finished: CompletedProcess[str], place: Path, tiny_study: Study
) -> None:
    assert finished.returncode == 0
    folder = place / "results" / "tiny"
    summary = read_summary(folder)
    assert strictly((folder / "summary.json").read_text()) == summary
    assert summary["schema"] == "pullfactory-summary/2"
    assert Study.from_dict(summary["study"]) == Study.from_toml(folder / "study.toml") == tiny_study
    assert summary["provenance"]["seed"] == tiny_study.seed
    assert summary["provenance"]["study_sha256"] == tiny_study.sha256
    assert {"pullfactory", "pyhf", "jax", "numpy"} <= set(summary["provenance"]["versions"])
    rows = summary["pulls"]
    assert {(row["method"], row["rho"], row["parameter"]) for row in rows} == {
        (method, rho, parameter)
        for method in ("unbinned", "binned")
        for rho in (0.0, 0.5)
        for parameter in ("m_t", "JSF", "JRF")
    }
    measured = {
        *("n_toys", "n_failed", "mean", "mean_error", "width", "width_error"),
        *("coverage_68", "coverage_68_low", "coverage_68_high"),
        *("coverage_95", "coverage_95_low", "coverage_95_high"),
        *("bias", "claimed_error", "actual_error"),
    }
    for row in rows:
        assert {"predicted_width", "corrected_width"} <= set(row)
        assert {key for key in measured if isinstance(row[key], int | float)} == measured


@pytest.mark.usefixtures("no_figures")
def test_run_warns_of_a_poor_calibration(invoke: Invoke, tmp_path: Path, study_file: Path) -> None:
    poor = ("--set", "calibration.source=simulated", "--set", "calibration.events_per_point=200")
    outcome = invoke("run", study_file, *poor, "--methods", "unbinned", "-o", tmp_path / "poor")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("calibration from 200 events a point: expect unbinned pulls of ")
    assert len(read_summary(tmp_path / "poor")["calibration_noise"]) == 3


@pytest.mark.usefixtures("no_figures")
def test_run_with_a_calibration_replaces_the_result_by_an_equal_one(
    finished: CompletedProcess[str],
    invoke: Invoke,
    place: Path,
    study_file: Path,
    tmp_path: Path,
) -> None:
    assert finished.returncode == 0
    before = place / "results" / "tiny"
    again = shutil.copytree(before, tmp_path / "again")
    calibration = tmp_path / "calibration.json"
    written = invoke("calibrate", study_file, "--output", calibration)
    assert written.stdout.splitlines()[-1] == f"Calibration   {calibration}"
    assert len(re.findall(r"s_mu\(JSF\)", written.stdout)) == 2
    strictly(calibration.read_text())

    more = ("--workers", 1, "--json", "--fresh")
    outcome = invoke("run", study_file, "--calibration", calibration, "-o", again, *more)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert strictly(outcome.stdout) == read_summary(again) == read_summary(before)
    assert not (again / "figures").exists()  # none this time: the old ones went with the rest


@pytest.mark.usefixtures("no_figures")
def test_what_came_during_the_work_stays_and_the_result_is_not_lost(
    invoke: Invoke, study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"

    def work_while_notes_come(*arguments: Any, **options: Any) -> StudyResult:
        folder.mkdir()
        (folder / "notes.txt").touch()
        return run(*arguments, **options)

    monkeypatch.setattr("pullfactory.runs.study.run", work_while_notes_come)
    outcome = invoke("run", study_file, "--methods", "unbinned", "--rho", 0, "-o", folder)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "'notes.txt'; choose another --output; this one is in '" in outcome.stderr
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    (beside,) = (path for path in tmp_path.iterdir() if path.name.startswith("out-"))
    assert (beside / "summary.json").exists()


@pytest.mark.usefixtures("no_figures")
def test_run_names_fits_that_failed(invoke: Invoke, study_file: Path, tmp_path: Path) -> None:
    outcome = invoke(
        *("run", study_file, "--methods", "unbinned", "--rho", "0", "--n-toys", "2"),
        *("--set", "parameter.m_t.bounds=-1e-6,1e-6", "-o", tmp_path / "out"),
    )
    assert outcome.returncode == 0
    assert outcome.stderr == "unbinned: of 2 fits 2 at_bound\n"


# --- closure -----------------------------------------------------------------------------------


def test_closure_fills_a_folder_and_prints_its_table(
    finished: CompletedProcess[str], invoke: Invoke, study_file: Path, tmp_path: Path
) -> None:
    assert finished.returncode == 0
    folder = tmp_path / "out"
    for again in ((), ("--json",)):
        outcome = invoke("closure", study_file, "--points", 2, "-o", folder, *again)
        assert (outcome.returncode, outcome.stderr) == (0, "")
        content = strictly((folder / "closure.json").read_text())
        if again:
            assert strictly(outcome.stdout) == content
            return
        *table, file, figures = outcome.stdout.rstrip().splitlines()
        assert (
            len(re.findall(r"^ (?:m_t|JSF|JRF) .* (?:yes|no)", "\n".join(table), re.MULTILINE)) == 3
        )
        assert file == f"Closure   {folder / 'closure.json'}"
        assert figures == f"Figures   {folder / 'figures'}"
        assert len(list((folder / "figures").iterdir())) == 3


# --- init, calibrate, workspace --------------------------------------------------------------


@pytest.mark.parametrize("preset", Study.presets())
def test_init_writes_the_preset(invoke: Invoke, tmp_path: Path, preset: str) -> None:
    file = tmp_path / "my.toml"
    outcome = invoke("init", "--preset", preset, file)
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, f"Study     {file}\n", "")
    assert Study.from_toml(file) == Study.preset(preset).with_settings({"name": "my"})
    assert invoke("init", "--preset", preset, "-").stdout == Study.preset(preset).to_toml()


def test_init_keeps_the_name_where_the_file_has_none_for_a_study(
    invoke: Invoke, tmp_path: Path
) -> None:
    file = tmp_path / "my study.toml"
    assert invoke("init", file).returncode == 0
    assert Study.from_toml(file).name == "poster"


def test_init_replaces_a_file_only_by_force(invoke: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text("precious")
    outcome = invoke("init", file)
    assert outcome.returncode == 2
    assert outcome.stderr == (f"Error: file '{file}' exists; choose another name or add --force\n")
    assert file.read_text() == "precious"
    assert invoke("init", file, "--force").returncode == 0
    assert Study.from_toml(file) == Study.preset("poster").with_settings({"name": "my"})


@pytest.mark.parametrize(("morphing", "lines"), [("additive_cross", 1), ("multiplicative", 0)])
@pytest.mark.parametrize("place", ["-", "workspace.json"])
def test_workspace_that_roofit_misreads_is_named(
    invoke: Invoke, study_file: Path, tmp_path: Path, morphing: str, lines: int, place: str
) -> None:
    output = place if place == "-" else tmp_path / place
    chosen = ("--set", f"workspace.morphing={morphing}")
    outcome = invoke("workspace", study_file, *chosen, "-o", output)
    assert outcome.returncode == 0
    assert outcome.stderr.count("\n") == lines
    assert outcome.stderr.startswith("additive_cross workspace: not for RooFit: " if lines else "")
    if place == "-":
        strictly(outcome.stdout)


@pytest.mark.parametrize("command", ["calibrate", "workspace"])
def test_other_file_is_not_replaced(invoke: Invoke, study_file: Path, command: str) -> None:
    before = study_file.read_bytes()
    outcome = invoke(command, study_file, "-o", study_file)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "is there and holds something else" in outcome.stderr
    assert outcome.stderr.count("\n") == 1
    assert study_file.read_bytes() == before


def test_calibration_on_standard_output(invoke: Invoke, study_file: Path) -> None:
    outcome = invoke("calibrate", study_file, "-o", "-")
    assert outcome.stderr == ""
    content = strictly(outcome.stdout)
    assert isinstance(content, dict)
    assert Calibration.from_dict(content).to_dict() == content


def test_workspace_goes_into_a_file_or_a_pipe(
    invoke: Invoke, study_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = invoke("workspace", study_file)
    assert (outcome.returncode, outcome.stdout) == (0, "Workspace   tiny.json\n")
    piped = invoke("workspace", study_file, "--output", "-")
    assert strictly(piped.stdout) == strictly((tmp_path / "tiny.json").read_text())
    inspected = subprocess.run(
        [Path(sys.executable).with_name("pyhf"), "inspect"],
        input=piped.stdout,
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"channels\s+2\n", inspected.stdout)
    assert re.search(r"parameters\s+3\n", inspected.stdout)


def test_workspace_from_a_calibration(invoke: Invoke, study_file: Path, tmp_path: Path) -> None:
    calibration = tmp_path / "calibration.json"
    invoke("calibrate", study_file, "-o", calibration)
    direct = invoke("workspace", study_file, "-o", "-")
    assert (
        invoke("workspace", study_file, "--calibration", calibration, "-o", "-").stdout
        == direct.stdout
    )


def test_study_from_standard_input(
    invoke: Invoke, study_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = invoke("workspace", study_file, "-o", "-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(study_file.read_bytes())))
    assert invoke("workspace", "-", "-o", "-").stdout == direct.stdout


# --- terminals, pipes, interruptions ---------------------------------------------------------


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: ours and the program's."""
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


def _shown(ours: int) -> str:
    """All that a program wrote to its terminal, which hands it over in pieces."""
    pieces = []
    while select.select([ours], [], [], 1.0)[0]:
        pieces.append(os.read(ours, 10_000))
    return b"".join(pieces).decode()


def test_bar_on_a_terminal(terminal: tuple[int, int], study_file: Path) -> None:
    ours, theirs = terminal
    outcome = subprocess.run(
        [*COMMAND, "workspace", study_file, "-o", "-"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        check=True,
    )
    assert "calibration" in _shown(ours)
    strictly(outcome.stdout)


def test_bar_shows_how_far_and_how_fast(
    terminal: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = terminal
    with open(theirs, "w", closefd=False) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with bar("toys", 10_000) as advance:
            for _ in range(10):
                advance(1000)
    shown = _shown(ours)
    assert "10000/10000" in shown
    assert re.search(r"toys .*\d+/s", shown)


def test_reader_that_stops_early_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        outcome = subprocess.run(
            [*COMMAND, "init", "-"], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writing)
    assert outcome.stderr == ""


def test_terminal_that_knows_ascii_only(tmp_path: Path, study_file: Path) -> None:
    outcome = subprocess.run(
        [*COMMAND, "calibrate", study_file, "-o", tmp_path / "calibration.json"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert (outcome.returncode, outcome.stderr) == (0, b"")
    assert outcome.stdout.isascii()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C works here and in commands, also where a shell has the suite in its background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Loses:
    """An object whose end is interrupted."""

    def __del__(self) -> None:
        raise KeyboardInterrupt


def lose_an_interrupt_and_wait() -> None:
    Loses()
    time.sleep(PATIENCE)


@pytest.mark.usefixtures("interruptible")
def test_lost_interrupt_is_repeated() -> None:
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), stoppable():
        lose_an_interrupt_and_wait()
    assert time.monotonic() - start < PATIENCE / 2


def interrupt_when(
    sign: Callable[[], bool],
    arguments: list[object],
    place: Path,
    number: signal.Signals = signal.SIGINT,
) -> tuple[int, str]:
    """Start a run, send a signal twice when the sign is seen; exit code and standard error."""
    if signal.getsignal(number) == signal.SIG_IGN:
        pytest.skip("signals are ignored here, as below nohup")
    temporary = place / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [*COMMAND, "run", *map(str, arguments)],
        cwd=place,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        until = time.monotonic() + PATIENCE
        while not sign():
            assert process.poll() is None, "the run ended before it could be interrupted"
            assert time.monotonic() < until, "the sign never came"
            time.sleep(0.01)
        for _ in range(2):  # as a terminal that is closed does
            process.send_signal(number)
        _, complaints = process.communicate(timeout=PATIENCE)
    assert not list(temporary.iterdir())
    temporary.rmdir()
    return process.returncode, complaints.strip()


SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_while_fitting(
    tmp_path: Path, study_file: Path, number: signal.Signals
) -> None:
    parts = tmp_path / "results" / "tiny.partial" / "toys.parquet"
    code, complaints = interrupt_when(
        lambda: any(parts.glob("part-*")),
        [study_file, "--n-toys", 10**6, "--methods", "unbinned"],
        tmp_path,
        number,
    )
    kept, end = complaints.split("\n\n")
    assert (code, end) == (SIGNALS[number], "Interrupted; nothing is left half written.")
    assert re.fullmatch(
        r"\d+ toys are kept in 'results/tiny.partial'; the same command goes on", kept
    )
    assert [path.name for path in parts.parent.parent.iterdir()] == ["tiny.partial"]
    assert {path.name for path in parts.parent.iterdir()} == {"campaign.json", "toys.parquet"}


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", SIGNALS)
def test_interrupted_while_drawing(
    tmp_path: Path, study_file: Path, number: signal.Signals
) -> None:
    old = tmp_path / "out" / "summary.json"
    old.parent.mkdir()
    old.write_text('{"schema": "pullfactory-summary/1"}')
    code, complaints = interrupt_when(
        lambda: any(tmp_path.glob(".out-*/figures/*.png")),
        [study_file, "--methods", "unbinned", "--rho", 0, "-o", "out"],
        tmp_path,
        number,
    )
    assert (code, complaints) == (SIGNALS[number], "Interrupted; nothing is left half written.")
    assert list(old.parent.iterdir()) == [old]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.partial"]
