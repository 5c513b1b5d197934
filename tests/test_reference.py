"""The reference of known answers: its files, its programs, and how far the package is from them."""

import ast
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from reference.__main__ import main
from reference.cases import ROOT, Case, CaseError, Value, case_names, read_case
from reference.comparison import Comparison, compare
from reference.independent.streams import normals, uniforms
from reference.questions import QUESTIONS, ask
from reference.tolerances import TIERS

CASES = {name: read_case(name) for name in case_names()}
CHEAP = 1.0  # seconds that a program may take to be run again here
# Programs and inputs: all but the runner, which asks the package.
INDEPENDENT = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.parent != ROOT or path.name in {"__init__.py", "cases.py", "recording.py"}
]


def by_cost() -> list[Any]:
    """All cases; those that take long are marked."""
    return [
        pytest.param(case, id=name, marks=pytest.mark.slow if case.slow else [])
        for name, case in CASES.items()
    ]


# --- files ------------------------------------------------------------------------------------


def test_there_are_some_twenty_cases() -> None:
    assert len(CASES) >= 20


@pytest.mark.parametrize("name", CASES)
def test_case_asks_known_questions_and_has_its_program(name: str) -> None:
    case = CASES[name]
    assert {one.question for one in case.asks.values()} <= set(QUESTIONS)
    assert (case.folder / "make.py").is_file()
    assert case.values
    assert all(case.provenance.values())


@pytest.mark.parametrize("name", CASES)
def test_readme_lists_the_case(name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text


def test_readme_lists_tiers_and_questions() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in [*TIERS, *QUESTIONS]:
        assert f"`{name}`" in text


def test_every_tier_is_used() -> None:
    used = {
        tier for case in CASES.values() for one in case.asks.values() for tier in one.tiers.values()
    }
    assert used == set(TIERS)


def test_unknown_case_names_the_known_ones() -> None:
    with pytest.raises(CaseError, match="closed_forms"):
        read_case("nothing")


# --- programs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", INDEPENDENT, ids=lambda path: str(path.relative_to(ROOT)))
def test_program_does_not_name_the_package(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert not name.startswith(("pullfactory", "reference.questions", "reference.__main__"))


def test_programs_load_where_the_package_cannot_be_imported() -> None:
    modules = [f"reference.{name}.make" for name in CASES]
    program = f"""
import sys, importlib
sys.modules["pullfactory"] = None
for name in {modules!r}:
    importlib.import_module(name)
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT.parent)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.seconds <= CHEAP])
def test_cheap_program_gives_the_stored_values_again(name: str) -> None:
    program = import_module(f"reference.{name}.make")
    for file, text in getattr(program, "files", dict)().items():
        assert (ROOT / name / file).read_text(encoding="utf-8") == text
    stored = {value.name: value for value in CASES[name].values}
    again = {value.name: value for value in program.values()}
    assert stored.keys() == again.keys()
    for key, value in again.items():
        assert_same(value, stored[key])


def assert_same(value: Value, stored: Value) -> None:
    """Sums in another order differ by rounding, minima by differences of 1e-8."""
    if isinstance(value.value, float) and isinstance(stored.value, float):
        scale = abs(stored.value) if stored.scale is None else stored.scale
        assert abs(value.value - stored.value) <= 1e-6 * scale
        assert value.error == pytest.approx(stored.error, rel=1e-6)
    else:
        assert value.value == stored.value


def test_streams_stay_the_same() -> None:
    expected = [0.5118216247002568, 0.9504636963259353, 0.14415961271963373]
    np.testing.assert_allclose(uniforms(1, 3), expected, rtol=1e-15)
    numbers = normals(2, 100_000)
    assert abs(numbers.mean()) < 4 / np.sqrt(100_000)
    assert abs(numbers.std() - 1) < 4 / np.sqrt(200_000)


# --- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", by_cost())
def test_package_gives_the_right_answers(case: Case) -> None:
    rows = compare(case, ask(case))
    wrong = [" | ".join(row.cells) for row in rows if not row.passed]
    assert not wrong, "\n".join(wrong)


# --- comparison -------------------------------------------------------------------------------


def compared(answer: Any, tier: str, **value: Any) -> Comparison:
    reference = Value(ask="a", row={}, key="k", **value)
    error = value.get("error", 0.0)
    return Comparison(case="c", value=reference, tier=tier, answer=answer, error=error)


@pytest.mark.parametrize(
    ("answer", "tier", "value", "passed"),
    [
        (1.0 + 9e-7, "algebra", {"value": 1.0}, True),
        (1.0 + 2e-6, "algebra", {"value": 1.0}, False),
        (1.049, "sampling", {"value": 1.0, "error": 0.01}, True),
        (1.051, "sampling", {"value": 1.0, "error": 0.01}, False),
        (0.0009, "minimum", {"value": 0.0, "scale": 0.5}, True),
        (0.0011, "minimum", {"value": 0.0, "scale": 0.5}, False),
        (None, "told", {"value": 1.0}, False),
        (1.0, "same", {"value": None}, False),
        (None, "same", {"value": None}, True),
        (1, "same", {"value": True}, False),
        (True, "same", {"value": True}, True),
        (float("nan"), "sampling", {"value": 1.0}, False),
    ],
)
def test_tolerance(answer: Any, tier: str, value: dict[str, Any], passed: bool) -> None:
    assert compared(answer, tier, **value).passed is passed


def test_missing_row_of_an_answer_is_off() -> None:
    case = CASES["closed_forms"]
    assert not any(row.passed for row in compare(case, {label: [] for label in case.asks}))


def test_two_rows_of_an_answer_are_refused() -> None:
    case = CASES["closed_forms"]
    rows = [{"rho": value.row["rho"], "predicted_width": 1.0} for value in case.values]
    with pytest.raises(CaseError, match="say which"):
        compare(case, dict.fromkeys(case.asks, rows))


# --- command ----------------------------------------------------------------------------------


def test_list_names_every_case() -> None:
    result = CliRunner().invoke(main, ["--list"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(CASES)


def test_unknown_case_is_refused() -> None:
    result = CliRunner().invoke(main, ["--only", "nothing"])
    assert result.exit_code == 2
    assert "closed_forms" in result.stderr


def test_exit_code_tells_whether_all_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(main, ["--only", "closed_forms"])
    assert result.exit_code == 0, result.output
    assert "10 values, 0 beyond" in result.stdout

    def moved(case: Case) -> dict[str, list[dict[str, Any]]]:
        return {
            label: [{**row, "predicted_width": row["predicted_width"] * 1.001} for row in rows]
            for label, rows in ask(case).items()
        }

    monkeypatch.setattr("reference.questions.ask", moved)
    result = CliRunner().invoke(main, ["--only", "closed_forms"])
    assert result.exit_code == 1
    assert "10 values, 10 beyond" in result.stdout


def test_values_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES["closed_forms"]
    asks = {label: replace(one, tiers={}) for label, one in case.asks.items()}
    monkeypatch.setattr("reference.cases.Ask", lambda **_: asks["location"])
    with pytest.raises(CaseError, match="without a tier"):
        read_case("closed_forms")
