"""Figures of the calibration show its samples, templates and response."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from pullfactory import Calibration, Study, calibrate
from pullfactory.report.calibration_plots import plot_response, plot_samples, plot_templates
from pullfactory.report.palette import REFERENCE


@pytest.fixture(scope="module")
def exact(tiny_study: Study) -> Calibration:
    return calibrate(tiny_study)


@pytest.fixture(scope="module")
def simulated(tiny_study: Study) -> Calibration:
    settings = {"calibration.source": "simulated", "calibration.events_per_point": 5000}
    return calibrate(tiny_study.with_settings(settings))


def new_axes() -> tuple[Axes, Axes]:
    upper, lower = Figure().subplots(2)
    return upper, lower


def data_of(line: Line2D | None) -> NDArray[np.float64]:
    """Horizontal and vertical positions of a line or its markers, shape (2, points)."""
    assert line is not None
    return np.asarray(line.get_xydata(), dtype=np.float64).T


@pytest.mark.parametrize("observable", ["m_t", "m_W"])
def test_templates_are_counts_per_unit_and_ratios(simulated: Calibration, observable: str) -> None:
    panels = new_axes()
    drawn = plot_templates(panels, simulated, observable, "JSF")
    o = simulated.study.observable_names.index(observable)
    ratios = [patch for patch in panels[1].patches if isinstance(patch, StepPatch)]
    for step, patch, ratio in zip((-1, 0, 1), drawn, ratios, strict=True):
        values, edges, _ = patch.get_data()
        counts = simulated.template(o, {"JSF": step})
        np.testing.assert_array_equal(edges, simulated.edges[o])
        np.testing.assert_allclose(values * np.diff(edges), counts)
        np.testing.assert_allclose(ratio.get_data()[0], counts / simulated.template(o))


def test_template_errors_are_statistical(exact: Calibration, simulated: Calibration) -> None:
    for calibration, factor in ((simulated, 1.0), (exact, 0.0)):
        panels = new_axes()
        plot_templates(panels, calibration, "m_t", "m_t")
        nominal = panels[1].containers[1]
        assert isinstance(nominal, ErrorbarContainer)
        segments = np.array(nominal.lines[2][0].get_segments())
        errors = 0.5 * (segments[:, 1, 1] - segments[:, 0, 1])
        expected = factor / np.sqrt(calibration.template(0))
        np.testing.assert_allclose(errors, expected, atol=1e-12)


def test_densities_go_through_exact_samples(exact: Calibration) -> None:
    panels = new_axes()
    drawn = plot_samples(panels, exact, "m_W", "JRF")
    assert [container.get_label() for container in drawn] == ["\N{MINUS SIGN}1", "nominal", "+1"]
    lines = [line for line in panels[0].lines if line.get_linestyle() == "-"]
    for container, line in zip(drawn, lines, strict=True):
        centres, density = data_of(container.lines[0])
        np.testing.assert_allclose(density, np.interp(centres, *data_of(line)), rtol=5e-3)


def test_samples_are_densities(simulated: Calibration) -> None:
    for container in plot_samples(new_axes(), simulated, "m_t", "m_t"):
        centres, density = data_of(container.lines[0])
        assert np.sum(density) * (centres[1] - centres[0]) == pytest.approx(1.0, abs=0.01)


def test_response_points_are_the_moments_and_lines_the_fit(simulated: Calibration) -> None:
    panels = new_axes()
    drawn = plot_response(panels, simulated, "JSF")
    assert len(drawn) == 4
    up = np.flatnonzero((simulated.points == [0, 1, 0]).all(axis=1))[0]
    shift = simulated.moments[up, 1, 0] / simulated.response.mu[1] - 1
    assert data_of(drawn[1].lines[0])[1, 2] == pytest.approx(100 * shift)
    fitted = [data_of(line) for line in panels[1].lines if line.get_color() != REFERENCE]
    slopes = [line[1, 1] for line in fitted if line.shape == (2, 2)]
    np.testing.assert_allclose(slopes, 100 * simulated.response.sigma_slopes[:, 1])


def test_response_legend_gives_slopes_with_errors(
    exact: Calibration, simulated: Calibration
) -> None:
    for calibration, sign in ((exact, False), (simulated, True)):
        panels = new_axes()
        plot_response(panels, calibration, "m_t")
        legend = panels[0].get_legend()
        assert legend is not None
        assert legend.get_title().get_text() == "slope [%/GeV]"
        assert all(("±" in text.get_text()) == sign for text in legend.get_texts())
