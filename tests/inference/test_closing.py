"""The closure: predicted rates, biases and pulls of the morphings, without toys."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from pullfactory import Calibration, ClosureResult, Study, calibrate, closure, fit_toys
from pullfactory.errors import CalibrationError, StudyError
from pullfactory.inference import judge_closure
from pullfactory.inference.closing import first_above
from pullfactory.inference.expectation import Expectations, normal_points

WIDE = Study.preset("poster").with_settings(
    {
        "calibration.source": "exact",
        "ensemble.n_events": 2000,
        "parameter.m_t.truth_sigma": 1.0,
        "workspace.morphing": "additive",
    }
)


@cache
def calibrated(**settings: Any) -> Calibration:
    changes = {key.replace("__", "."): value for key, value in settings.items()}
    return calibrate(WIDE.with_settings(changes))


@pytest.fixture(scope="module")
def additive() -> ClosureResult:
    calibration = calibrated()
    return closure(calibration.study, calibration=calibration, points=8)


@pytest.fixture(scope="module")
def model() -> Expectations:
    return Expectations.of(calibrated())


def test_cross_terms_close_better_than_none(additive: ClosureResult) -> None:
    """Nothing is correlated, and the resolution is biased all the same (DESIGN 7.3)."""
    plain, cross = (
        additive.closure.verdicts,
        judge_closure(calibrated(workspace__morphing="additive_cross")),
    )
    biases = [
        {row.parameter: (row.pull_mean or 0.0, row.pull_width or 0.0) for row in rows}
        for rows in (plain, cross)
    ]
    assert biases[0]["JRF"][0] > biases[1]["JRF"][0] > 0.1
    assert biases[0]["JRF"][1] > biases[1]["JRF"][1] + 0.02 > 1.05
    assert not plain[2].closes


def test_predicted_pulls_are_those_of_toys(model: Expectations) -> None:
    """Poisson toys of the exact rates: the shift and the noise of the prediction are theirs."""
    theta = normal_points(model.study, 8)
    fits = model.fit(model.data_of_toys(model.exact(theta)))
    rng = np.random.default_rng(5)
    pulls = []
    for _ in range(8):
        toys = model.data_of_toys(rng.poisson(model.exact(theta)).astype(np.float64))
        found = fit_toys(model.likelihood, toys).select(model.study.parameter_names)
        pulls.append((found.estimate - theta) / found.error)
    thrown = np.stack(pulls)
    expected = fits.pull(theta)
    assert np.abs(thrown.mean(axis=(0, 1)) - expected.mean(axis=0)).max() < 0.1
    width = np.sqrt(expected.var(axis=0) + fits.noise.mean(axis=0))
    assert np.allclose(thrown.std(axis=(0, 1)), width, rtol=0.07)


def test_fit_at_the_calibration_points_is_exact(additive: ClosureResult) -> None:
    """Templates are reproduced there: the centre, and +-1 of what is a histosys."""
    grid = additive.closure.grid
    at = [i for i, theta in enumerate(grid.theta) if theta[0] == 0 and np.abs(theta).sum() <= 1]
    whole = [i for i in at if np.all(grid.theta[i] % 1 == 0)]
    assert len(whole) == 5
    assert np.allclose(grid.predicted[whole], grid.exact[whole], rtol=1e-9)
    assert np.abs(grid.pull[whole]).max() < 1e-3


def test_simulated_rates_scatter_about_the_exact_ones(model: Expectations) -> None:
    theta = np.array([[0.5, -1.0, 1.0], [0.0, 0.0, 0.0]])
    events = 40_000
    exact, simulated = model.exact(theta), model.simulated(theta, events)
    pulls = (simulated - exact) / np.sqrt(exact * model.study.ensemble.n_events / events)
    assert 0.8 < pulls.std() < 1.2
    assert np.allclose(simulated.sum(axis=1), 2 * model.study.ensemble.n_events)


def test_more_events_are_a_scaled_likelihood() -> None:
    """Fits at another number of events are those of a study with that number."""
    few, many = (
        Expectations.of(calibrated(ensemble__n_events=n_events)) for n_events in (2000, 3500)
    )
    theta = np.array([[1.0, 0.5, -0.5]])
    scaled = few.fit(few.data_of_toys(few.exact(theta)), 3500)
    direct = many.fit(many.data_of_toys(many.exact(theta)))
    for one, other in zip(scaled, direct, strict=True):
        assert np.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_wide_mass_and_heavy_tails_close() -> None:
    """The multiplicative morphing, whose fitted mass is in GeV; a Voigt has no variance."""
    calibration = calibrate(
        WIDE.with_settings(
            {
                "workspace.morphing": "multiplicative",
                "workspace.n_bins": 4,
                "ensemble.dependence": "gaussian_copula",
                "observable.m_W.density": "voigt",
                "observable.m_W.shape": {"gamma": 0.3},
            }
        )
    )
    for row in judge_closure(calibration):
        assert row.pull_mean is not None
        assert abs(row.pull_mean) < 0.1
        assert row.closing_width == pytest.approx(1.0, abs=0.02)


def test_fixed_truth_has_unit_width() -> None:
    for row in judge_closure(calibrated(ensemble__truth="fixed")):
        assert row.pull_mean == pytest.approx(0.0, abs=1e-3)
        assert row.pull_width == row.closing_width == pytest.approx(1.0)
        assert row.biased_from is None
        assert row.closes


def test_narrow_truth_has_the_width_of_a_closing_morphing() -> None:
    """Truth that varies less than its constraints: noise, and the constraints' pull on it."""
    sigma = 0.33
    names = WIDE.parameter_names
    calibration = calibrate(
        WIDE.with_settings({f"parameter.{name}.truth_sigma": sigma for name in names})
    )
    model = Expectations.of(calibration)
    centre = np.zeros((1, len(names)))
    noise = model.fit(model.data_of_toys(model.exact(centre))).noise[0]
    for row, part in zip(judge_closure(calibration), noise, strict=True):
        assert row.closing_width == pytest.approx(np.sqrt(part + sigma**2 * (1 - part)), rel=0.01)
        assert row.pull_width == pytest.approx(row.closing_width, abs=0.01)
        assert row.closes


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "crossing"),
    [
        ([0.01, 0.02, 0.05], None),
        ([0.2, 0.3, 0.4], 10.0),
        ([0.01, 0.1, 1.0], 100.0),
        ([0.01, 0.5, 0.05], None),
        ([0.5, 0.01, 1.0], 100 * 10**0.5),
        ([0.01, 0.05, np.nan], 1000.0),
    ],
)
def test_first_above_is_the_last_crossing(size: list[float], crossing: float | None) -> None:
    found = first_above(np.array([10.0, 100.0, 1000.0]), np.array(size))
    assert found == (None if crossing is None else pytest.approx(crossing))


def test_verdict_is_where_the_scan_crosses(additive: ClosureResult) -> None:
    scan = additive.closure.scan
    worst = additive.closure.verdicts[2]
    assert worst.biased_from is not None
    size = np.abs(np.interp(np.log(worst.biased_from), np.log(scan.events), scan.mean[:, 2]))
    assert size == pytest.approx(0.1, abs=0.02)


def test_grid_has_its_axes_diagonals_and_random_points(additive: ClosureResult) -> None:
    grid = additive.closure.grid
    assert [grid.kinds.count(kind) for kind in ("centre", "axis", "diagonal", "random")] == [
        1,
        24,
        12,
        8,
    ]
    assert np.abs(grid.theta[grid.kinds.index("axis")]).max() == 2.0


def test_worst_bins_are_the_worst(additive: ClosureResult) -> None:
    worst = additive.closure.worst_bins
    sizes = [abs(row.significance) for row in worst]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == np.abs(additive.closure.grid.deviation).max()


def test_same_seed_same_points() -> None:
    assert np.array_equal(normal_points(WIDE, 3), normal_points(WIDE, 3))
    other = WIDE.with_settings({"seed": 1})
    assert not np.array_equal(normal_points(WIDE, 3), normal_points(other, 3))


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("points", -1), ("events", 0)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    calibration = calibrated()
    with pytest.raises(StudyError, match=f"{name} = {value} must"):
        closure(calibration.study, calibration=calibration, **{name: value})  # type: ignore[arg-type]


def test_calibration_of_another_study_is_refused() -> None:
    with pytest.raises(CalibrationError, match="calibrate that study"):
        closure(Study.preset("poster_constrained"), calibration=calibrated())
