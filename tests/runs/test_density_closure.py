"""The closure judges joint densities: in Python, in its table, figures and file."""

from pathlib import Path

import pytest

import pullfactory as pf
from pullfactory import ClosureResult, Study
from pullfactory.errors import StudyError
from tests.likelihoods.true_density import RHO, log_prob

STUDY = Study.preset("poster").with_settings(
    {
        "name": "judged",
        "calibration.source": "exact",
        "ensemble.n_events": 100,
        "ensemble.rho": [RHO],
        "methods": ["unbinned"],
    }
)
GIVEN = pf.density_method(log_prob, name="given")


@pytest.fixture(scope="module")
def result() -> ClosureResult:
    return pf.closure(STUDY, methods=["unbinned", GIVEN], points=1)


def test_a_right_density_closes(result: ClosureResult) -> None:
    """With 200 held-out events for each of a toy: a level known to 0.04 errors."""
    (verdict,) = result.densities
    assert (verdict.method, verdict.rho, verdict.events) == ("given", RHO, 20_000)
    assert verdict.answer == "closes", verdict.reason
    assert [row.parameter for row in verdict.levels] == ["m_t", "JSF", "JRF"]
    assert all(row.level_error < 0.05 for row in verdict.levels)
    points = {row.point for row in verdict.shifts}
    assert points == {"nominal", "m_t+1", "m_t-1", "JSF+1", "JSF-1", "JRF+1", "JRF-1"}
    assert verdict.left_out == ()


def test_it_is_written_shown_and_read(result: ClosureResult, tmp_path: Path) -> None:
    assert {"density_shifts_given", "density_transforms_given"} < set(result.plots)
    assert len(result.plot("density_shifts_given").axes) == 3
    assert len(result.plot("density_transforms_given").axes) == 2
    table = result.density_table
    assert table is not None
    assert table.to_pandas()["parameter"].tolist() == ["m_t", "JSF", "JRF"]
    folder = result.write(tmp_path / "closure", figures=())
    again = ClosureResult.read(folder, methods=[GIVEN])
    assert again.densities == result.densities
    assert again.summary() == result.summary()


def test_without_a_density_there_is_no_verdict(tiny_study: Study) -> None:
    none = pf.closure(tiny_study, points=1)
    assert (none.densities, none.density_table) == ((), None)
    assert none.summary()["densities"] == []


def test_too_few_events_are_refused() -> None:
    with pytest.raises(StudyError, match="held_out = 10 must be at least 40"):
        pf.closure(STUDY, methods=[GIVEN], held_out=10)
