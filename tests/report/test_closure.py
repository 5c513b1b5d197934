"""Figures of a closure."""

import numpy as np
import pytest
from matplotlib.axes import Axes

from pullfactory import Study
from pullfactory.inference.closing import Closure, ClosureGrid, ClosureScan
from pullfactory.inference.expectation import ExpectationFits
from pullfactory.report.closure import (
    make_closure_figures,
    plot_axis_bias,
    plot_rate_ratio,
    plot_scan_bias,
)
from pullfactory.report.style import figure_style, new_panels


@pytest.fixture(scope="module")
def closure() -> Closure:
    """Two points on the axis of JSF, and the centre; the second channel is 2 % off at the last."""
    theta = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    exact = np.full((3, 4), 100.0)
    predicted = exact.copy()
    predicted[2, 2:] = 102.0
    error = np.full_like(theta, 0.5)
    fitted = theta + 0.1 * np.arange(3)[:, None]
    return Closure(
        channels=(("m_W", 2), ("m_t", 2)),
        edges=(np.array([60.0, 80.0, 100.0]), np.array([140.0, 170.0, 200.0])),
        grid=ClosureGrid(
            kinds=("centre", "axis", "axis"),
            theta=theta,
            exact=exact,
            predicted=predicted,
            fits=ExpectationFits(fitted, error),
        ),
        scan=ClosureScan(np.array([1e2, 1e4, 1e6]), np.full((3, 3), 0.05), np.full((3, 3), np.nan)),
        verdicts=(),
        sample_events=None,
    )


@pytest.fixture
def ax() -> Axes:
    [(panel,)] = new_panels(1)[1]
    return panel


def test_ratio_is_that_of_the_channel(ax: Axes, tiny_study: Study, closure: Closure) -> None:
    worst, *_ = plot_rate_ratio(ax, tiny_study, closure, "m_t")
    assert worst.get_label() == "$\\Delta$JSF = \N{MINUS SIGN}1"
    ratio, edges, _ = worst.get_data()
    np.testing.assert_allclose(ratio, np.full(2, 2.0))
    np.testing.assert_array_equal(edges, closure.edges[1])


def test_axis_is_in_order_and_in_units_of_the_error(
    ax: Axes, tiny_study: Study, closure: Closure
) -> None:
    lines = plot_axis_bias(ax, tiny_study, closure, "JSF")
    assert len(lines) == 3
    np.testing.assert_array_equal(lines[0].get_xdata(), [-1.0, 0.0, 1.0])
    np.testing.assert_allclose(np.asarray(lines[0].get_ydata()), [0.4, 0.0, 0.2])


def test_scan_shows_sizes(ax: Axes, tiny_study: Study, closure: Closure) -> None:
    mean, _worst = plot_scan_bias(ax, tiny_study, closure, "m_t")
    np.testing.assert_allclose(np.asarray(mean.get_ydata()), 0.05)
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_every_figure_is_drawn(tiny_study: Study, closure: Closure) -> None:
    with figure_style():
        made = make_closure_figures(study=tiny_study, closure=closure)
        figures = [one.draw() for one in made.values()]
        for figure in figures:
            figure.draw_without_rendering()
    assert [len(figure.axes) for figure in figures] == [2, 3, 3]
