"""Coverage of intervals in a run: asked for in Python, in a study file, on the command line."""

from pathlib import Path
from subprocess import CompletedProcess
from typing import Protocol

import numpy as np
import pytest

import pullfactory as pf
from pullfactory import Study
from pullfactory.errors import StudyError
from pullfactory.results.sums import pack_sums, unpack_sums


class Invoke(Protocol):
    def __call__(self, *arguments: object) -> CompletedProcess[str]: ...


STUDY = Study.preset("poster").with_settings(
    {
        "name": "intervals",
        "calibration.source": "exact",
        "methods": ["unbinned", "unbinned_joint"],
        "joint.correlation": "given",
        "ensemble.n_toys": 60,
        "ensemble.n_events": 100,
        "ensemble.rho": [0.9],
    }
)


def predicted(result: pf.StudyResult, parameter: str) -> float:
    """Expected pull width of the product, whose square lambda is expected to be."""
    (row,) = (
        row
        for row in result.predictions
        if (row.method, row.parameter, row.rho) == ("unbinned", parameter, 0.9)
    )
    return row.predicted_width


@pytest.fixture(scope="module")
def result() -> pf.StudyResult:
    return pf.run(STUDY, intervals=["m_t", "JRF"])


def test_rows_are_of_what_is_asked_for(result: pf.StudyResult) -> None:
    rows = {(row.method, row.parameter): row for row in result.coverage}
    assert list(rows) == [(m, p) for m in STUDY.methods for p in ("m_t", "JRF")]
    product, joint = (rows[method, "m_t"] for method in STUDY.methods)
    assert product.coverage_68 is not None
    assert product.corrected_coverage_68 is not None
    assert product.corrected_coverage_68 < product.coverage_68
    expected = predicted(result, "m_t") ** 2
    # 100 events know their scatter to 10 %, the mean over 60 toys to 2 %; curvature besides
    assert product.scale == pytest.approx(expected, rel=0.1)
    assert product.scale_source == "events"
    assert joint.corrected_coverage_68 is joint.scale is None
    assert joint.scale_source is None
    assert joint.coverage_68 is not None
    assert joint.n_failed == 0


def test_nothing_else_moves(result: pf.StudyResult) -> None:
    plain = pf.run(STUDY)
    assert plain.pulls == result.pulls
    assert len(plain.coverage) == 0
    assert "intervals" not in plain.summary()
    assert "interval_coverage" not in plain.plots


def test_it_is_written_and_read(result: pf.StudyResult, tmp_path: Path) -> None:
    folder = result.write(tmp_path / "out")
    again = pf.StudyResult.read(folder)
    assert again.summary() == result.summary()
    assert again.coverage == result.coverage
    assert len(again.summary()["intervals"]) == 4
    assert (folder / "figures" / "interval_coverage.png").exists()
    page = (folder / "report.html").read_text()
    assert "Intervals from the likelihood ratio" in page


def test_sums_of_toys_add(result: pf.StudyResult) -> None:
    parts = result.toys
    assert hasattr(parts, "sums")
    sums = parts.sums()
    key = (0.9, "unbinned")
    again = unpack_sums(pack_sums(sums))[key]["coverage"]
    both = again + sums[key]["coverage"]
    assert both.toys == 120
    np.testing.assert_array_equal(both.within, 2 * again.within)


def test_few_events_take_lambda_from_a_simulation() -> None:
    few = STUDY.with_settings({"ensemble.n_events": 20, "methods": ["unbinned"]})
    result = pf.run(few, intervals=["m_t"])
    (row,) = result.coverage
    assert row.scale_source == "simulation"
    assert row.n_failed == 0
    # 2048 toys of 20 events: their scatter is known to 1 %
    assert row.scale == pytest.approx(predicted(result, "m_t") ** 2, rel=0.03)


def test_a_file_or_a_command_asks_for_it(tmp_path: Path, invoke: Invoke) -> None:
    file = tmp_path / "study.toml"
    wanted = STUDY.with_settings({"intervals": "m_t", "methods": ["unbinned"]})
    assert wanted.intervals == ("m_t",)
    file.write_text(wanted.to_toml())
    assert 'intervals = ["m_t"]' in file.read_text()
    first = invoke("run", file, "--figures", "none", "--output", tmp_path / "first")
    assert first.returncode == 0, first.stderr
    assert "lambda" in first.stdout
    file.write_text(STUDY.with_settings({"methods": ["unbinned"]}).to_toml())
    options = ("--intervals", "m_t", "--figures", "none")
    second = invoke("run", file, *options, "--output", tmp_path / "second")
    assert second.returncode == 0, second.stderr
    one, other = (pf.read_summary(tmp_path / name) for name in ("first", "second"))
    assert one["intervals"] == other["intervals"] != []


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["mass"], "intervals: 'mass' is no parameter; use one of m_t, JSF, JRF"),
        (["m_t", "m_t"], "intervals: 'm_t' is given twice"),
    ],
)
def test_other_names_are_refused(names: list[str], complaint: str) -> None:
    with pytest.raises(StudyError, match=complaint):
        pf.run(STUDY, intervals=names)
