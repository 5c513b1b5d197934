"""The bootstrap of one toy of a study, from Python and from the command line."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pullfactory import BootstrapSummary, Study, bootstrap_toy
from pullfactory.errors import StudyError
from pullfactory.simulation.toys import block_size, draw_toys

Invoke = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="module")
def study(tiny_study: Study) -> Study:
    return tiny_study.with_settings({"methods": ["unbinned"], "ensemble.rho": [0.5]})


@pytest.fixture(scope="module")
def result(study: Study) -> BootstrapSummary:
    return bootstrap_toy(study, toy=block_size(study) + 1, replicas=31)


def test_toy_is_the_one_of_the_study(study: Study, result: BootstrapSummary) -> None:
    assert [row.truth for row in result.rows] == draw_toys(study, 1, 0.5).theta_true[1].tolist()


def test_rows_have_every_error(study: Study, result: BootstrapSummary) -> None:
    rows = [asdict(row) for row in result.rows]
    assert [row["parameter"] for row in rows] == list(study.parameter_names)
    for row in rows:
        assert row["bootstrap_error"] == pytest.approx(row["sandwich_error"], rel=4 / 60**0.5)
        assert row["bootstrap_error_error"] == pytest.approx(row["bootstrap_error"] / 60**0.5)


def test_command_is_the_function(
    invoke: Invoke, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(study.to_toml())
    options = ("bootstrap", "tiny.toml", "--replicas", 31)
    outcome = invoke(*options)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "Correlation of m_t and m_W: 0." in outcome.stdout
    folder = Path("results/tiny_bootstrap")
    assert {path.name for path in folder.iterdir()} == {
        *("bootstrap.json", "manifest.json", "study.toml")
    }
    as_json = json.loads(invoke(*options, "--json").stdout)
    assert as_json == json.loads((folder / "bootstrap.json").read_text())
    assert as_json == bootstrap_toy(study, replicas=31).summary()
    assert as_json["status"]["unbinned"]["converged"] == 31


def test_failed_replicas_are_named(invoke: Invoke, study: Study, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(study.to_toml())
    outcome = invoke(
        *("bootstrap", tmp_path / "tiny.toml", "--replicas", 31, "-o", tmp_path / "out"),
        *("--set", "parameter.m_t.bounds=-1e-6,1e-6"),
    )
    assert outcome.returncode == 0
    assert outcome.stderr == "unbinned: of 31 fits 31 at_bound\n"
    assert json.loads((tmp_path / "out" / "bootstrap.json").read_text())["errors"][0] == {
        "method": "unbinned",
        "parameter": "m_t",
        "truth": pytest.approx(0.0, abs=2.0),
        "estimate": pytest.approx(0.0, abs=1e-5),
        "claimed_error": None,
        "sandwich_error": None,
        "bootstrap_error": None,
        "bootstrap_error_error": None,
    }


def test_toys_are_counted_from_zero(study: Study) -> None:
    with pytest.raises(StudyError, match="toy = -1 is no number of a toy; count from 0"):
        bootstrap_toy(study, toy=-1)
