"""Figures of the toys of any model, with few or many parameters, pulls or none."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from pullfactory import FitBatch, FitStatus
from pullfactory.inference import CorrelationSums, PullSummary, PullSums
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.report.drawing import write_figures
from pullfactory.report.style import figure_style, new_panels
from pullfactory.report.toys import (
    make_toy_figures,
    plot_correlation,
    plot_minimum_nll,
    plot_pull_rows,
)
from pullfactory.results.toys import ToysResult
from pullfactory.runs.toys import run_toys

FIGURES = ("pulls", "pull_ecdf", "minimum_nll", "correlation")
ENDINGS = ("png", "pdf", "svg")
ODD_NAMES = ("staterror_SR[3]", "p_$T^", "$\\frac{$", "a_b^c", "#%&~")


def draw_fits(
    parameters: Sequence[str], toys: int = 50, absent: Sequence[int] = (), failed: bool = False
) -> FitBatch:
    """Fits with unit errors and correlated estimates; some parameters have no errors."""
    rng = np.random.default_rng(3)
    n = len(parameters)
    covariance = np.tile(0.5 * np.eye(n) + 0.5, (toys, 1, 1))
    status = FitStatus.AT_BOUND if absent else FitStatus.CONVERGED
    for k in range(n) if failed else absent:
        covariance[:, k] = covariance[:, :, k] = np.nan
    return FitBatch(
        parameters=tuple(parameters),
        estimate=rng.multivariate_normal(np.zeros(n), 0.5 * np.eye(n) + 0.5, toys),
        covariance=covariance,
        nll=rng.normal(100.0, 3.0, toys),
        status=np.full(toys, FitStatus.NON_FINITE if failed else status, dtype=np.int8),
    )


def summaries(fits: FitBatch) -> tuple[PullSummary, ...]:
    sums = PullSums.of(fits, np.zeros_like(fits.estimate))
    return PullSummary.from_sums(fits.parameters, sums)


def figures_of(fits: FitBatch, names: Sequence[str] = FIGURES) -> dict[str, Figure]:
    """The first figures, laid out."""
    truth = np.zeros_like(fits.estimate)
    with figure_style():
        made = make_toy_figures(
            parameters=fits.parameters,
            pulls=summaries(fits),
            sums=PullSums.of(fits, truth),
            correlation=CorrelationSums.of(fits, truth).found,
            minima=fits.nll[np.isfinite(fits.error).any(axis=1)],
        )
        assert tuple(made)[: len(names)] == tuple(names)
        figures = {name: made[name].draw() for name in names}
        for figure in figures.values():
            figure.draw_without_rendering()
    return figures


def new_axes() -> Axes:
    [(ax,)] = new_panels(1)[1]
    return ax


def pull_panels() -> tuple[Axes, Axes]:
    [(left,), (right,)] = new_panels(2)[1]
    return left, right


def positions_of(drawn: ErrorbarContainer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Horizontal and vertical positions of the points."""
    x, y = (np.asarray(values, dtype=np.float64) for values in drawn.lines[0].get_data())
    return x, y


def errors_of(drawn: ErrorbarContainer) -> NDArray[np.float64]:
    """Half lengths of the horizontal bars."""
    (bars,) = drawn.lines[2]
    return np.array([0.5 * np.ptp(np.asarray(ends)[:, 0]) for ends in bars.get_segments()])


def notes_of(panels: tuple[Axes, Axes]) -> dict[float, str]:
    """Remarks by the row they stand in."""
    return {text.get_position()[1]: text.get_text() for text in panels[1].texts}


def cells_of(image: AxesImage) -> np.ma.MaskedArray[Any, Any]:
    return np.ma.asarray(image.get_array())


def texts_of(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def shown_names(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_rows_hold_mean_and_width_of_each_parameter() -> None:
    rows = summaries(draw_fits(["mu", "b", "c"]))
    panels = pull_panels()
    drawn = plot_pull_rows(panels, rows)
    for container, quantity in zip(drawn, ("mean", "width"), strict=True):
        x, y = positions_of(container)
        np.testing.assert_allclose(x, [getattr(row, quantity) for row in rows])
        np.testing.assert_allclose(
            errors_of(container), [getattr(row, f"{quantity}_error") for row in rows]
        )
        np.testing.assert_array_equal(y, [0, 1, 2])
    assert shown_names(panels[0]) == ["mu", "b", "c"]
    low, high = panels[0].get_ylim()
    assert low > high  # the first parameter is on top
    assert not notes_of(panels)


def test_parameters_without_pulls_are_told() -> None:
    rows = summaries(draw_fits(["mu", "b", "c"], absent=[1]))
    panels = pull_panels()
    mean, width = plot_pull_rows(panels, rows)
    for container in (mean, width):
        assert np.isnan(positions_of(container)[0]).tolist() == [False, True, False]
    assert notes_of(panels) == {1: "no pulls"}


def test_parameters_with_few_pulls_are_told() -> None:
    fits = draw_fits(["mu", "b"], toys=40)
    fits.covariance[:10, 0, 0] = np.nan
    panels = pull_panels()
    plot_pull_rows(panels, summaries(fits))
    assert notes_of(panels) == {0: "75 % of toys"}


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (3, 1), (27, 1), (66, 2), (200, 4)])
def test_every_parameter_has_a_readable_row(n: int, columns: int) -> None:
    names = [f"staterror_SR_meff[{i}]" for i in range(n)]
    figure = figures_of(draw_fits(names, toys=4), ["pulls"])["pulls"]
    left, right = figure.axes[::2], figure.axes[1::2]
    assert len(left) == len(right) == columns
    assert [name for ax in left for name in shown_names(ax)] == names
    heights = [label.get_window_extent().height for label in left[0].get_yticklabels()]
    row = left[0].get_window_extent().height / max(left[0].get_ylim()[0] + 0.5, 1)
    assert row > max(heights)
    for panels, reference in ((left, 0.0), (right, 1.0)):
        assert {ax.get_xlim() for ax in panels} == {panels[0].get_xlim()}
        assert np.mean(panels[0].get_xlim()) == pytest.approx(reference)


def test_histogram_holds_every_toy() -> None:
    minima = np.random.default_rng(1).normal(-20.0, 2.0, 1000)
    ax = new_axes()
    counts, edges, _ = plot_minimum_nll(ax, minima).get_data()
    assert counts.sum() == 1000
    assert edges[0] <= minima.min() + 1e-6
    assert edges[-1] >= minima.max() - 1e-6
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_title().get_text() == "1000 toys"
    (mean,) = legend.get_texts()
    value = mean.get_text().removeprefix("mean \N{MINUS SIGN}").split(" ±")[0]
    assert -float(value) == pytest.approx(minima.mean(), abs=0.01)


@pytest.mark.parametrize(
    "minima", [np.full(5, 0.919), 0.919 + 1e-15 * np.arange(100), np.array([3.0]), np.zeros(9)]
)
def test_equal_minima_are_one_bin(minima: NDArray[np.float64]) -> None:
    counts, _, _ = plot_minimum_nll(new_axes(), minima).get_data()
    assert counts.tolist() == [len(minima)]


@pytest.mark.parametrize("minima", [np.array([]), np.array([np.nan, np.inf])])
def test_no_minima_are_told(minima: NDArray[np.float64]) -> None:
    ax = new_axes()
    counts, _, _ = plot_minimum_nll(ax, minima).get_data()
    assert not counts.any()
    assert texts_of(ax) == ["no toys with errors"]
    assert ax.get_legend() is None


def test_correlation_has_colours_and_numbers() -> None:
    matrix = np.array([[1.0, -0.254], [-0.254, 1.0]])
    ax = new_axes()
    image = plot_correlation(ax, matrix, ["mu", "b"])
    np.testing.assert_array_equal(cells_of(image), matrix)
    assert image.get_clim() == (-1.0, 1.0)
    assert texts_of(ax) == ["1.00", "\N{MINUS SIGN}0.25", "\N{MINUS SIGN}0.25", "1.00"]
    assert shown_names(ax) == ["mu", "b"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["mu", "b"]


def test_correlations_that_do_not_exist_are_grey() -> None:
    ax = new_axes()
    image = plot_correlation(ax, np.array([[1.0, np.nan], [np.nan, np.nan]]), ["mu", "b"])
    assert np.ma.getmaskarray(cells_of(image)).tolist() == [[False, True], [True, True]]
    red, green, blue, _ = image.cmap.get_bad()
    assert red == green == blue < 1
    assert texts_of(ax) == ["1.00"]


def test_absent_matrix_is_told() -> None:
    ax = new_axes()
    image = plot_correlation(ax, None, ["mu", "b"])
    assert np.ma.getmaskarray(cells_of(image)).all()
    assert texts_of(ax) == ["too few toys"]


@pytest.mark.parametrize(("n", "numbers"), [(8, 64), (9, 0)])
def test_numbers_only_where_there_is_room(n: int, numbers: int) -> None:
    ax = new_axes()
    plot_correlation(ax, np.eye(n), [f"p{i}" for i in range(n)])
    assert len(ax.texts) == numbers


def test_both_matrices_share_their_colours_and_name_their_toys() -> None:
    fits = draw_fits(["mu", "b", "c"])
    fits.status[:10] = FitStatus.ITERATION_LIMIT
    over_toys, fitted, bar = figures_of(fits)["correlation"].axes
    assert over_toys.get_title(loc="left") == "estimates of 40 of 50 toys"
    assert {ax.images[0].get_clim() for ax in (over_toys, fitted)} == {(-1.0, 1.0)}
    assert bar.get_ylabel() == "correlation"
    np.testing.assert_allclose(cells_of(fitted.images[0]), 0.5 * np.eye(3) + 0.5)


@pytest.mark.parametrize(
    "fits",
    [
        draw_fits(ODD_NAMES),
        draw_fits(["a", "b"], toys=1),
        draw_fits(["a", "b"], absent=[0, 1]),
        draw_fits(["a", "b"], failed=True),
    ],
    ids=["odd names", "one toy", "all at bound", "all failed"],
)
def test_whatever_comes_is_drawn(fits: FitBatch) -> None:
    figures = figures_of(fits)
    for name in ("pulls", "correlation"):
        assert shown_names(figures[name].axes[0]) == list(fits.parameters)


def test_names_are_no_formulas() -> None:
    for name in ("pulls", "correlation"):
        labels = figures_of(draw_fits(ODD_NAMES))[name].axes[0].get_yticklabels()
        assert not any(label.get_parse_math() for label in labels)


def test_same_numbers_give_the_same_files(tmp_path: Path) -> None:
    fits = draw_fits(["mu", "b"])
    truth = np.zeros_like(fits.estimate)
    first, second = (
        write_figures(
            tmp_path / name / "figures",
            lambda: make_toy_figures(
                parameters=fits.parameters,
                pulls=summaries(fits),
                sums=PullSums.of(fits, truth),
                correlation=CorrelationSums.of(fits, truth).found,
                minima=fits.nll,
            ),
            ENDINGS,
        )
        for name in ("first", "second")
    )
    assert [file.name for file in first] == [f"{n}.{s}" for n in FIGURES for s in ENDINGS]
    for file, again in zip(first, second, strict=True):
        assert file.read_bytes() == again.read_bytes(), file.name


def toys_of(model: dict[str, Any], n_toys: int) -> ToysResult:
    likelihood = BinnedLikelihood.from_pyhf(pyhf.Model(model, poi_name="mu"))
    return run_toys(likelihood, n_toys, 1, truth={"mu": 0.0})


def model_of(n_systematics: int) -> dict[str, Any]:
    """A signal, and a background with systematic uncertainties; two bins."""
    systematics = [
        {"name": f"syst_{i}", "type": "normsys", "data": {"hi": 1.02, "lo": 0.98}}
        for i in range(n_systematics)
    ]
    statistical = {"name": "stat_SR", "type": "shapesys", "data": [5.0, 6.0]}
    signal = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": [5.0, 10.0], "modifiers": [signal]},
        {"name": "background", "data": [100.0, 80.0], "modifiers": [*systematics, statistical]},
    ]
    return {"channels": [{"name": "SR", "samples": samples}]}


@pytest.mark.parametrize(
    "n_systematics", [1, pytest.param(60, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_figures_of_a_model_without_signal(n_systematics: int, tmp_path: Path) -> None:
    result = toys_of(model_of(n_systematics), 64)
    folder = result.write(tmp_path / "out", figures=("svg", "png")) / "figures"
    files = sorted(file.name for file in folder.iterdir())
    names = [*FIGURES, *(["failures"] if result.failed else [])]
    assert files == sorted(f"{name}.{suffix}" for name in names for suffix in ("png", "svg"))
    panels = pull_panels()
    plot_pull_rows(panels, [row.pulls for row in result.pulls])
    assert notes_of(panels)[result.parameters.index("mu")].endswith("% of toys")
