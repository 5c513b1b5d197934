"""The closure: predicted rates, biases and pulls of the morphings, without toys."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import norm

from pullfactory import Calibration, ClosureResult, Study, calibrate, closure, fit_toys, run
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
    aux = np.array([[0.0, 0.2, 0.1]])
    scaled = few.fit(few.data_at(aux, few.exact(theta)), 3500)
    direct = many.fit(many.data_at(aux, many.exact(theta)))
    for one, other in zip(scaled, direct, strict=True):
        assert np.allclose(one, other, rtol=1e-4, atol=1e-4)
    scaled = few.fit_exactly(aux, few.exact(theta), theta, 3500)
    direct = many.fit_exactly(aux, many.exact(theta), theta)
    for one, other in zip(scaled, direct, strict=True):
        assert np.allclose(one, other, rtol=1e-6)


def numpy_rates(theta: NDArray[np.float64], model: Expectations) -> NDArray[np.float64]:
    """Rates of two Gaussians in the model's bins, from scipy; m_W comes before m_t."""
    rates = []
    for name in ("m_W", "m_t"):
        described = next(o for o in WIDE.observable if o.name == name)
        slopes = np.array(
            [
                [table.get(p, 0.0) for p in WIDE.parameter_names]
                for table in (described.mu_slopes, described.sigma_slopes)
            ]
        )
        mu, sigma = np.prod(1 + slopes * theta, axis=1) * [described.mu, described.sigma]
        inner = model.edges[WIDE.observable_names.index(name)][1:-1]
        below = np.concatenate([[0.0], norm.cdf((inner - mu) / sigma), [1.0]])
        rates.append(model.study.ensemble.n_events * np.diff(below))
    return np.concatenate(rates)


def test_exact_fit_is_the_minimum_of_the_exact_likelihood(model: Expectations) -> None:
    """Beside Nelder and Mead on rates from scipy; they find a minimum to about 1e-4."""
    truth, aux = np.array([0.5, 1.5, -1.0]), np.array([0.0, 0.3, -0.2])
    counts = np.random.default_rng(3).poisson(numpy_rates(truth, model)).astype(float)

    def objective(theta: NDArray[np.float64]) -> float:
        rates = numpy_rates(theta, model)
        return float(np.sum(rates - counts * np.log(rates)) + np.sum((theta - aux)[1:] ** 2) / 2)

    options = {"xatol": 1e-6, "fatol": 1e-10, "maxiter": 5000}
    found = minimize(objective, truth, method="Nelder-Mead", options=options)
    fitted = model.fit_exactly(aux[None], counts[None], truth[None])
    assert np.abs(fitted.estimate[0] - found.x).max() < 1e-3 * fitted.error.min()


def test_slopes_are_those_of_the_exact_rates(model: Expectations) -> None:
    theta = np.array([0.7, -1.2, 0.4])
    _, slopes = model.slopes(theta[None])
    for k, step in enumerate(1e-4 * np.eye(3)):
        expected = (numpy_rates(theta + step, model) - numpy_rates(theta - step, model)) / 2e-4
        assert np.allclose(slopes[0, :, k], expected, atol=1e-4)


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


def test_fixed_truth_at_the_nominal_point_closes() -> None:
    """There the fit error alone leads away from the templates; widths are known to 0.005."""
    for row in judge_closure(calibrated(ensemble__truth="fixed")):
        assert row.pull_mean == pytest.approx(0.0, abs=0.03)
        assert row.pull_width == pytest.approx(1.0, abs=0.02)
        assert row.closing_width == pytest.approx(1.0, abs=0.01)
        assert row.closes
        assert row.correctable
        assert row.reason is None


def thrown_pulls(
    calibration: Calibration, toys: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pulls of multinomial toys of rates from scipy, truth fixed: means and their errors."""
    model = Expectations.of(calibration)
    study, rng = calibration.study, np.random.default_rng(8)
    truth = study.truth_mean
    parts = np.split(numpy_rates(truth, model) / study.ensemble.n_events, [20])
    counts = [rng.multinomial(study.ensemble.n_events, part, toys) for part in parts]
    aux = np.where(study.constrained, truth + rng.standard_normal((toys, 3)), 0.0)
    data = model.data_at(aux, np.concatenate(counts, axis=1).astype(float))
    fits = fit_toys(model.likelihood, data).select(study.parameter_names)
    pulls = (fits.estimate - truth) / fits.error
    return pulls.mean(axis=0), pulls.std(axis=0) / np.sqrt(toys)


def test_fixed_truth_off_nominal_is_judged_there() -> None:
    """A closure at the nominal point would say that all is well."""
    calibration = calibrated(
        workspace__morphing="additive_cross",
        ensemble__truth="fixed",
        ensemble__n_events=8000,
        parameter__JSF__truth_mean=-1.9,
        parameter__JRF__truth_mean=-1.3,
    )
    mean, error = thrown_pulls(calibration, 4000)
    rows = judge_closure(calibration)
    found = np.array([row.pull_mean for row in rows], dtype=float)
    assert np.all(np.abs(found - mean) < 4 * error + 0.02)  # the closure's own is below 0.005
    assert np.abs(mean).max() > 0.3
    assert not any(row.closes for row in rows)
    assert not any(row.correctable for row, size in zip(rows, mean, strict=True) if abs(size) > 0.3)


def test_opposite_biases_do_not_cancel() -> None:
    """Their mean over the truth is small, their root mean square is not (DESIGN 7.3)."""
    calibration = calibrated(workspace__morphing="additive_cross", parameter__m_t__truth_sigma=0.33)
    jrf = judge_closure(calibration)[2]
    assert jrf.pull_mean is not None
    assert jrf.bias is not None
    assert jrf.biased_from is not None
    assert abs(jrf.pull_mean) < 0.08
    assert jrf.bias > 0.12
    assert 600 < jrf.biased_from < 2000
    assert not jrf.closes
    assert jrf.correctable
    assert jrf.reason is not None


def test_biased_from_is_where_the_bias_is_a_tenth(additive: ClosureResult) -> None:
    """A study of so many events has that bias: 2000 points know a root mean square to 5 %."""
    events = additive.closure.verdicts[2].biased_from
    assert events is not None
    there = judge_closure(calibrated(ensemble__n_events=round(events)))[2]
    assert there.bias == pytest.approx(0.1, rel=0.15)


def test_narrow_truth_has_the_width_of_a_closing_morphing() -> None:
    """Truth that varies less than its constraints: noise, and the constraints' pull on it."""
    sigma = 0.33
    names = WIDE.parameter_names
    calibration = calibrate(
        WIDE.with_settings({f"parameter.{name}.truth_sigma": sigma for name in names})
    )
    model = Expectations.of(calibration)
    rates, slopes = (part[0] for part in model.slopes(np.zeros((1, len(names)))))
    information = slopes.T @ (slopes / rates[:, None])
    inverse = np.linalg.inv(information + np.diag([0.0, 1.0, 1.0]))
    scatter = inverse @ (information + np.diag([0.0, sigma**2, sigma**2])) @ inverse
    expected = np.sqrt(np.diag(scatter) / np.diag(inverse))
    for row, width in zip(judge_closure(calibration), expected, strict=True):
        assert row.closing_width == pytest.approx(width, abs=0.015)
        assert row.pull_width == pytest.approx(row.closing_width, abs=0.02)
        assert row.closes


def test_strong_curvature_is_reported() -> None:
    """Shifts of half a width at one step, of both signs: no sum of templates follows them."""
    calibration = calibrate(
        WIDE.with_settings(
            {
                "observable.m_W.mu_slopes.JSF": 0.05,
                "observable.m_t.sigma_slopes.JRF": 0.12,
                "ensemble.n_events": 1000,
            }
        )
    )
    rows = judge_closure(calibration)
    assert not all(row.closes for row in rows)
    assert not all(row.correctable for row in rows)


@pytest.mark.slow
def test_few_events_widen_pulls_as_predicted() -> None:
    """The fit error of m_t exceeds its template step: 1.064 to 1.089, exact rates 0.993.

    20 000 toys know the width to 0.007, and 4096 with a control variate the prediction to 0.007.
    """
    result = run(
        Study.preset("poster").with_settings(
            {
                "calibration.source": "exact",
                "methods": ["binned"],
                "ensemble.n_events": 100,
                "ensemble.n_toys": 20_000,
                "ensemble.rho": [0.0],
            }
        )
    )
    assert result.closure is not None
    for pull, row in zip(result.pulls, result.closure, strict=True):
        assert pull.pulls.width == pytest.approx(row.pull_width, abs=0.02)
        assert row.closing_width == pytest.approx(1.0, abs=0.01)
    wide = result.closure[0]
    assert not wide.closes
    assert wide.pull_width is not None
    assert 1.064 - 0.02 < wide.pull_width < 1.089 + 0.02


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
    assert np.array_equal(normal_points(WIDE.seed, 3, 3), normal_points(WIDE.seed, 3, 3))
    other = WIDE.with_settings({"seed": 1})
    assert not np.array_equal(normal_points(WIDE.seed, 3, 3), normal_points(other.seed, 3, 3))


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "value"), [("points", -1), ("events", 0)])
def test_numbers_out_of_range_are_refused(name: str, value: int) -> None:
    calibration = calibrated()
    with pytest.raises(StudyError, match=f"{name} = {value} must"):
        closure(calibration.study, calibration=calibration, **{name: value})  # type: ignore[arg-type]


def test_calibration_of_another_study_is_refused() -> None:
    with pytest.raises(CalibrationError, match="calibrate that study"):
        closure(Study.preset("poster_constrained"), calibration=calibrated())
