"""What comes out of the command line stays the same, whatever it is made of."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pullfactory.cli import cli
from tests.cases.case import CASES, case_names, read_case
from tests.cases.comparison import differences
from tests.cases.outcome import outcome_of, read_outcome
from tests.cases.record import main
from tests.cases.running import run_case

SHOWN = 20  # lines
CHEAP = "workspace_joint"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if read_case(name).slow else [])
        for name in case_names()
    ],
)
def test_case(name: str, tmp_path: Path) -> None:
    case = read_case(name)
    endings = run_case(case, tmp_path)
    found = differences(read_outcome(case.expected), outcome_of(case, endings, tmp_path))
    assert not found, "\n".join([f"{case.why} ({len(found)} differences)", *found[:SHOWN]])
    assert [ending.code for ending in endings] == [command.exit for command in case.commands]


def test_every_command_has_a_case() -> None:
    lines = [command.line for name in case_names() for command in read_case(name).commands]
    assert set(cli.commands) <= {line[0] for line in lines if line}
    assert len(case_names()) >= 40


# --- comparison ------------------------------------------------------------------------------

OUTCOME = {"files/a": {"x": [1.0, 2], "y": None}}
CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "number": ({"x": [1.000002, 2], "y": None}, "files/a x [0]: 1.000002 instead of 1.0"),
    "no number": ({"x": [float("nan"), 2], "y": None}, "files/a x [0]: nan instead of 1.0"),
    "whole number": ({"x": [1.0, 3], "y": None}, "files/a x [1]: 3 instead of 2"),
    "kind of number": ({"x": [1.0, 2.0], "y": None}, "files/a x [1]: 2.0 instead of 2"),
    "null": ({"x": [1.0, 2], "y": 0.0}, "files/a y: 0.0 instead of None"),
    "entry": ({"x": [1.0], "y": None}, "files/a x: 1 entries instead of 2"),
    "new key": ({"x": [1.0, 2], "y": None, "z": 1}, "files/a z: is new"),
    "missing key": ({"x": [1.0, 2]}, "files/a y: is missing"),
}


@pytest.mark.parametrize(("content", "said"), CHANGES.values(), ids=CHANGES.keys())
def test_difference(content: dict[str, Any], said: str) -> None:
    assert differences(OUTCOME, {"files/a": content}) == [said]


def test_file_is_missing_or_new() -> None:
    assert differences(OUTCOME, {"files/b": {}}) == ["files/a: is missing", "files/b: is new"]


def test_rounding_is_no_difference() -> None:
    assert differences(OUTCOME, {"files/a": {"y": None, "x": [1.0 - 5e-7, 2]}}) == []


# --- recording -------------------------------------------------------------------------------


def test_record_is_what_must_come_out(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, [str(tmp_path), "--only", CHEAP]).exit_code == 0
    recorded = read_outcome(tmp_path / CHEAP)
    assert differences(read_outcome(read_case(CHEAP).expected), recorded) == []


@pytest.fixture
def spoilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A case of which something else is expected."""
    folder = shutil.copytree(CASES / CHEAP, tmp_path / CHEAP)
    monkeypatch.setattr("tests.cases.case.CASES", tmp_path)
    (folder / "expected" / "commands.json").write_text("[]")
    return folder


def test_update_writes_what_differs(spoilt: Path) -> None:
    outcome = CliRunner().invoke(main, ["--update"])
    assert outcome.exit_code == 0
    assert "1 differences, written" in outcome.stderr
    for file in (CASES / CHEAP / "expected").rglob("*.json"):
        again = spoilt / file.relative_to(CASES / CHEAP)
        assert again.read_bytes() == file.read_bytes()


def test_exit_code_is_not_updated(spoilt: Path) -> None:
    text = (spoilt / "case.toml").read_text()
    (spoilt / "case.toml").write_text(text.replace("exit = 2", "exit = 1"))
    outcome = CliRunner().invoke(main, ["--update"])
    assert outcome.exit_code == 1
    assert "exit codes [0, 0, 2] instead of [0, 0, 1]" in outcome.stderr
    assert (spoilt / "expected" / "commands.json").read_text() == "[]"
