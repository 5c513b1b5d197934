"""Scans: the runs of a study at several values of a key, side by side."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pullfactory import ScanResult, Study, run, scan
from pullfactory.errors import StudyError

Invoke = Callable[..., CompletedProcess[str]]

VARIANTS = {"": {}, "all fixed": {"ensemble.truth": "fixed", "ensemble.rho": [0.5, 0.0]}}


@pytest.fixture(scope="module")
def small(tiny_study: Study) -> Study:
    return tiny_study.with_settings({"methods": ["unbinned"]})


@pytest.fixture(scope="module")
def result(small: Study) -> ScanResult:
    return scan(small, "parameter.m_t.truth_sigma", [0.5, 1.0], variants=VARIANTS, workers=1)


def test_rows_are_those_of_the_runs(result: ScanResult, small: Study) -> None:
    study = small.with_settings({**VARIANTS["all fixed"], "parameter.m_t.truth_sigma": 1.0})
    mine = [e for e in result.rows if (e.variant, e.value) == ("all fixed", 1)]
    own = run(study, workers=1).pulls
    assert [(e.method, e.rho, e.pulls) for e in mine] == [(e.method, e.rho, e.pulls) for e in own]
    assert len(result.rows) == 2 * 2 * 2 * 3  # values, variants, rho, parameters


def test_a_folder_with_numbers_and_figures(result: ScanResult, tmp_path: Path) -> None:
    folder = result.write(tmp_path / "scan")
    content = json.loads((folder / "scan.json").read_text())
    assert content == result.summary()
    assert content["schema"] == "pullfactory-scan/2"
    assert content["values"] == [0.5, 1]
    assert content["rows"][0] == result.rows[0].to_dict()
    names = {path.stem for path in (folder / "figures").iterdir()}
    assert names == {"scan_0", "scan_0.5"}
    assert result.write(folder) == folder  # replaces it


@pytest.mark.parametrize(
    ("over", "values", "variants", "complaint"),
    [
        ("ensemble.rho", [0.0], None, "every run scans 'ensemble.rho'"),
        ("ensemble.n_events", [], None, "there is nothing to scan"),
        ("ensemble.n_events", [100], {}, "there is nothing to scan"),
        ("ensemble.n_events", [100, 1e2], None, "ensemble.n_events = 100 is given twice"),
        ("ensemble.n_events", [0], None, "ensemble.n_events = 0: must be at least 1"),
        ("ensemble.events", [1], None, "ensemble.events: unknown key"),
        ("seed", [1, 2], {"a": {"seed": 3}}, "variant 'a' sets 'seed', which is scanned"),
    ],
)
def test_what_cannot_be_scanned(
    tiny_study: Study, over: str, values: list[object], variants: object, complaint: str
) -> None:
    with pytest.raises(StudyError, match=complaint):
        scan(tiny_study, over, values, variants=variants)  # type: ignore[arg-type]


def test_command(
    invoke: Invoke,
    small: Study,
    result: ScanResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pullfactory.results.result.write_figures", lambda *_, **__: ())
    Path("tiny.toml").write_text(small.to_toml())
    outcome = invoke(
        *("scan", "tiny.toml", "--over", "parameter.m_t.truth_sigma=0.5,1", "--workers", 1),
        *("--variant", ":", "--variant", "all fixed: ensemble.truth=fixed, ensemble.rho=0.5,0"),
    )
    assert outcome.returncode == 0
    assert outcome.stderr == ""
    written = json.loads(Path("results/tiny_scan/scan.json").read_text())
    assert written["rows"] == result.summary()["rows"]
    assert written["variants"] == VARIANTS
    table = outcome.stdout
    assert table.count("all fixed") == 2 * 2 * 3
    assert "truth_sigma" in table


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--over", "seed"), "setting 'seed' is not KEY=VALUE"),
        (("--over", "seed=1", "--variant", "a"), "variant 'a' is not 'LABEL: KEY=VALUE, ...'"),
        (("--over", "seed=1", "--variant", "a:", "--variant", "a:"), "variant 'a' is given twice"),
        ((), "Missing option '--over'"),
    ],
)
def test_command_refuses(invoke: Invoke, arguments: tuple[str, ...], complaint: str) -> None:
    outcome = invoke("scan", *arguments)
    assert outcome.returncode == 2
    assert outcome.stderr.startswith(f"Error: {complaint}")
    assert len(outcome.stderr.splitlines()) == 1
