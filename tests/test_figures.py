"""Formats of figures: from the command line, the file and Python; none; and what is no format."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pullfactory.errors import OutputError, StudyError
from pullfactory.results.contents import find_foreign
from pullfactory.results.study import StudyResult
from pullfactory.runs.study import run
from pullfactory.settings.study import Study


@pytest.fixture(scope="module")
def result(tiny_study: Study) -> StudyResult:
    return run(tiny_study.with_settings({"methods": ["unbinned"], "ensemble.rho": [0.0]}))


def endings(folder: Path) -> set[str]:
    assert find_foreign(folder) is None  # else it could not be replaced
    return {file.suffix[1:] for file in folder.glob("figures/*")}


def test_png_unless_told_otherwise(result: StudyResult, tmp_path: Path) -> None:
    folder = result.write(tmp_path / "out")
    assert endings(folder) == {"png"}
    page = (folder / "report.html").read_text()
    assert "figures/pull_width, as png." in page
    assert page.count("data:image/png") > 5


@pytest.mark.slow
def test_formats_of_the_file_and_of_the_call(result: StudyResult, tmp_path: Path) -> None:
    study = result.study.with_settings({"figures": ["svg", "png"]})
    assert study.sha256 == result.study.sha256  # no number depends on it
    assert Study.from_toml_text(study.to_toml()).figures == ("png", "svg")
    changed = replace(result, study=study)
    folder = changed.write(tmp_path / "out")
    assert endings(folder) == {"png", "svg"}
    assert "figures/pull_width, as png and svg." in (folder / "report.html").read_text()
    assert endings(changed.write(tmp_path / "out", figures=("pdf", "svg"))) == {"pdf", "svg"}
    page = (folder / "report.html").read_text()
    assert "data:image" not in page
    assert "Figures are there as pdf and svg; pullfactory report FOLDER --figures png" in page


def test_without_figures_nothing_is_drawn(
    result: StudyResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pullfactory.report.poster", None)  # its import fails
    folder = result.write(tmp_path / "out", figures=())
    assert not (folder / "figures").exists()
    assert endings(folder) == set()
    page = (folder / "report.html").read_text()
    assert len(page) > 10_000
    assert "No figures were drawn; pullfactory report FOLDER --figures png" in page


def test_command_line_beats_the_file(invoke: Any, study_file: Path, tmp_path: Path) -> None:
    few = ("--n-toys", 20, "--methods", "unbinned", "--rho", "0", "-o", tmp_path / "out")
    file = tmp_path / "study.toml"
    text = study_file.read_text()
    assert text.count('figures = ["png"]') == 1
    file.write_text(text.replace('figures = ["png"]', 'figures = ["png", "pdf"]'))
    outcome = invoke("run", file, *few, "--figures", "none")
    assert outcome.returncode == 0
    assert endings(tmp_path / "out") == set()
    assert "Figures" not in outcome.stdout
    assert "report.html" in outcome.stdout
    outcome = invoke("run", study_file, *few, "--figures", "PDF, png,pdf")
    assert endings(tmp_path / "out") == {"png", "pdf"}
    assert f"Figures   {tmp_path / 'out' / 'figures'}" in outcome.stdout
    invoke("predict", study_file, "-o", tmp_path / "out", "--set", "figures=svg")
    assert endings(tmp_path / "out") == {"svg"}


@pytest.mark.parametrize("given", ["jpg", "png,jpg", "", "none,png"])
def test_what_is_no_format(invoke: Any, study_file: Path, tmp_path: Path, given: str) -> None:
    outcome = invoke("run", study_file, "-o", tmp_path / "out", "--figures", given)
    assert outcome.returncode == 2
    assert "choose of png, pdf, svg, or none" in outcome.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_no_format_in_python(result: StudyResult, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'jpg' is no format of figures; choose of png"):
        result.write(tmp_path / "out", figures=("jpg",))
    with pytest.raises(StudyError, match=r"figures: 'jpg' is no format"):
        result.study.with_settings({"figures": "jpg"})
    with pytest.raises(StudyError, match=r"figures: 3 are no formats"):
        Study.from_dict({**result.study.to_dict(), "figures": 3})
    assert list(tmp_path.iterdir()) == []
