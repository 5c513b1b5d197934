"""Figures of pulls show the numbers of the sums."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from pullfactory import FitBatch, FitStatus, PullSummary, Study
from pullfactory.inference import PredictedPull, PullSums
from pullfactory.report.palette import method_style
from pullfactory.report.pull_plots import plot_pull_mean, plot_pull_width, plot_pulls

STUDY = Study.preset("poster")
SCAN = (-0.6, 0.0, 0.5)
METHODS = ("unbinned", "binned")


def draw_sums(n_toys: int, seed: int = 0, status: FitStatus = FitStatus.CONVERGED) -> PullSums:
    """Sums over Gaussian pulls of width 1, 2 and 3."""
    rng = np.random.default_rng(seed)
    estimate = rng.standard_normal((n_toys, 3)) * [1.0, 2.0, 3.0]
    fits = FitBatch(
        parameters=STUDY.parameter_names,
        estimate=estimate,
        covariance=np.tile(np.eye(3), (n_toys, 1, 1)),
        nll=np.zeros(n_toys),
        status=np.full(n_toys, status, dtype=np.int8),
    )
    return PullSums.of(fits, np.zeros_like(estimate))


def new_axes() -> Axes:
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def sums() -> dict[tuple[float, str], PullSums]:
    keys = [(rho, method) for rho in SCAN for method in METHODS]
    return {key: draw_sums(500, seed) for seed, key in enumerate(keys)}


def points_of(container: ErrorbarContainer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, values and errors of drawn points."""
    line, _, (bars,) = container.lines
    assert line is not None
    x, values = np.asarray(line.get_xydata(), dtype=np.float64).T
    errors = [
        0.5 * np.ptp(segment[:, 1])
        for segment in map(np.asarray, bars.get_segments())
        if len(segment)
    ]
    return x, values, np.array(errors)


@pytest.mark.parametrize("parameter", STUDY.parameter_names)
@pytest.mark.parametrize("quantity", ["width", "mean"])
def test_points_are_the_summary(
    sums: dict[tuple[float, str], PullSums], parameter: str, quantity: str
) -> None:
    plot = plot_pull_width if quantity == "width" else plot_pull_mean
    drawn = plot(new_axes(), STUDY, sums, parameter)
    assert tuple(drawn) == METHODS
    k = STUDY.parameter_names.index(parameter)
    for method, container in drawn.items():
        x, values, errors = points_of(container)
        rows = [PullSummary.from_sums(STUDY.parameter_names, sums[r, method])[k] for r in SCAN]
        np.testing.assert_allclose(x, SCAN, atol=0.02)
        np.testing.assert_allclose(values, [getattr(row, quantity) for row in rows])
        np.testing.assert_allclose(errors, [getattr(row, f"{quantity}_error") for row in rows])
        assert to_hex(container.lines[0].get_color()) == method_style(method).colour.lower()


def test_points_of_methods_do_not_hide_each_other(
    sums: dict[tuple[float, str], PullSums],
) -> None:
    drawn = plot_pull_width(new_axes(), STUDY, sums, "JSF")
    x = np.array([points_of(container)[0] for container in drawn.values()])
    assert np.all(np.diff(x, axis=0) > 0)
    assert np.all(x[-1, :-1] < x[0, 1:])


def test_prediction_is_a_line_in_the_colour_of_its_method(
    sums: dict[tuple[float, str], PullSums],
) -> None:
    ax = new_axes()
    rows = [
        PredictedPull.of("binned", rho, name, 0.5, 0.5 + rho / 4)
        for rho in (0.9, -0.6, 0.3)
        for name in STUDY.parameter_names
    ]
    plot_pull_width(ax, STUDY, sums, "JRF", predictions=rows)
    line = ax.lines[0]
    expected = [(-0.6, 0.7), (0.3, 1.15), (0.9, 1.45)]
    np.testing.assert_allclose(np.asarray(line.get_xydata(), dtype=float), expected)
    assert line.get_color() == method_style("binned").colour


def test_toys_without_pulls_leave_no_points() -> None:
    failed = {(rho, "binned"): draw_sums(5, status=FitStatus.NON_FINITE) for rho in SCAN}
    ax = new_axes()
    drawn = plot_pull_width(ax, STUDY, failed, "m_t")
    assert np.isnan(points_of(drawn["binned"])[1]).all()
    low, high = ax.get_xlim()
    assert low < SCAN[0]
    assert high > SCAN[-1]


def test_single_rho_is_in_the_middle() -> None:
    ax = new_axes()
    plot_pull_mean(ax, STUDY, {(0.3, "binned"): draw_sums(100)}, "m_t")
    assert np.mean(ax.get_xlim()) == pytest.approx(0.3)
    assert ax.get_xticks().tolist() == [0.3]


def test_prediction_at_a_single_rho_is_a_dash() -> None:
    ax = new_axes()
    row = PredictedPull.of("binned", 0.3, "m_t", 0.5, 0.4)
    plot_pull_width(ax, STUDY, {(0.3, "binned"): draw_sums(100)}, "m_t", predictions=[row])
    assert ax.lines[0].get_marker() == "_"


@pytest.mark.parametrize("n_toys", [20, 1000, 40_000])
def test_pull_distributions_are_densities_of_all_pulls(n_toys: int) -> None:
    rows = {rho: draw_sums(n_toys, seed) for seed, rho in enumerate(SCAN)}
    steps = plot_pulls(new_axes(), STUDY, rows, "JRF")
    assert len(steps) == len(SCAN)
    for drawn, row in zip(steps, rows.values(), strict=True):
        values, edges, _ = drawn.get_data()
        shown = row.histogram[2].sum() / row.counted[0, 2]
        assert np.sum(values * np.diff(edges)) == pytest.approx(shown)
        assert n_toys == 20 or shown < 1  # pulls of width 3 do not fit between -5 and 5


def test_more_pulls_have_finer_bins() -> None:
    bins = [
        len(plot_pulls(new_axes(), STUDY, {0.0: draw_sums(n)}, "m_t")[0].get_data()[0])
        for n in (100, 5000, 40_000)
    ]
    assert bins == [20, 40, 80]


def test_legend_has_mean_and_width_of_each_rho() -> None:
    ax = new_axes()
    rows = {-0.6: draw_sums(400), 0.5: draw_sums(3, status=FitStatus.NON_FINITE)}
    plot_pulls(ax, STUDY, rows, "JSF")
    legend = ax.get_legend()
    assert legend is not None
    gaussian, first, second = (text.get_text() for text in legend.get_texts())
    assert gaussian == "unit Gaussian"
    assert first.startswith("\N{MINUS SIGN}0.6: ")
    assert first.count("±") == 2
    assert second == "0.5: no pulls"
