"""How much the command line shows, and the help of every command."""

import contextlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pullfactory.cli import cli

Invoke = Callable[..., CompletedProcess[str]]

FEW = ("--rho", "0", "--n-toys", "4")


@pytest.mark.parametrize("command", cli.commands)
def test_help_has_examples(invoke: Invoke, command: str) -> None:
    shown = invoke(command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    examples = shown.stdout.split("\n  Examples:\n")[1]
    assert re.search(rf"^    pullfactory {command}\b", examples, re.MULTILINE)
    assert "-q, --quiet" in shown.stdout
    assert "-v, --verbose" in shown.stdout


def test_quiet_leaves_files_alone(invoke: Invoke, study_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    outcomes = [
        invoke("--quiet", "calibrate", study_file, "-o", file),
        invoke("calibrate", study_file, "-q", "-o", file),
    ]
    for outcome in outcomes:
        assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")
    assert json.loads(file.read_text())
    assert "Calibration" in invoke("calibrate", study_file, "-o", file).stdout


def test_quiet_keeps_what_was_asked_for(invoke: Invoke, study_file: Path) -> None:
    command = ("workspace", study_file, "-o", "-")
    assert invoke("--quiet", *command).stdout == invoke(*command).stdout != ""


def test_quiet_keeps_warnings_and_errors(invoke: Invoke, study_file: Path, tmp_path: Path) -> None:
    poor = ("--set", "calibration.source=simulated", "--set", "calibration.events_per_point=9999")
    outcome = invoke("-q", "calibrate", study_file, *poor, "-o", tmp_path / "poor.json")
    assert outcome.stdout == ""
    assert "events" in outcome.stderr
    assert invoke("-q", "calibrate", "nowhere.toml").stderr.startswith("Error: ")


@pytest.fixture(scope="module")
def plainly_printed(
    invoke: Invoke, study_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """What a run without figures prints that is neither quiet nor verbose."""
    with contextlib.chdir(tmp_path_factory.mktemp("plain")):
        return invoke("run", study_file, *FEW, "--figures", "none").stdout


@pytest.mark.parametrize("first", [True, False])
def test_verbose_tells_how_long_each_stage_took(
    invoke: Invoke,
    study_file: Path,
    plainly_printed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", study_file, *FEW]
    words.insert(0 if first else len(words), "--verbose")
    outcome = invoke(*words)
    assert outcome.returncode == 0
    lines = [re.fullmatch(r"(\w+): \d+\.\d s", line) for line in outcome.stderr.splitlines()]
    stages = [line[1] for line in lines if line]
    assert stages == ["calibration", "closure", "toys", "prediction", "figures", "all"]
    told = [line for line in outcome.stderr.splitlines() if line.startswith("programs: ")]
    assert len(told) == 1
    assert re.match(r"programs: \d+ read, \d+ compiled; ", told[0])
    printed = outcome.stdout.splitlines(keepends=True)
    assert "".join(line for line in printed if "Figures" not in line) == plainly_printed


@pytest.mark.parametrize("words", [("-q", "init", "-", "-v"), ("init", "-", "-q", "-v")])
def test_quiet_and_verbose_are_one_too_many(invoke: Invoke, words: tuple[str, ...]) -> None:
    outcome = invoke(*words)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert "both --quiet and --verbose are given; choose one" in outcome.stderr


def test_choice_lasts_for_one_command(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("--quiet", "init", tmp_path / "a.toml").stdout == ""
    assert invoke("init", tmp_path / "b.toml").stdout.startswith("Study ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("stream", ["2>&-", "2>/dev/full"])
def test_nobody_has_to_listen(tmp_path: Path, stream: str) -> None:
    """Numbers come out though standard error is closed, or full."""
    folder = tmp_path / "closure"
    line = f"{shlex.quote(sys.executable)} -m pullfactory -v predict --figures none {stream} "
    line += f"--set calibration.source=exact -o {shlex.quote(str(folder))}"
    found = subprocess.run(["bash", "-c", line], stdout=subprocess.PIPE, check=False)
    assert found.returncode == 0
    assert (folder / "prediction.json").exists()
    assert found.stdout
