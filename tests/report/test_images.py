"""Figures look as they did: pictures of made-up numbers, drawn with the pinned matplotlib.

`.venv/bin/pytest tests/report/test_images.py --mpl-generate-path tests/report/baseline` draws them
anew.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from packaging.requirements import Requirement

from pullfactory import FitBatch, FitStatus, PullSummary, Study, calibrate
from pullfactory.inference import PredictedPull, PullSums
from pullfactory.report.calibration_plots import plot_response, plot_templates
from pullfactory.report.prediction_plots import plot_predicted_error
from pullfactory.report.pull_plots import plot_pull_width, plot_pulls, plot_repair
from pullfactory.report.style import figure_style, legend_above, new_panels
from pullfactory.report.toys import plot_correlation, plot_minimum_nll, plot_pull_rows

ROOT = Path(__file__).parents[2]
STUDY = Study.preset("poster").with_settings({"calibration.source": "exact"})
SCAN = (-0.6, 0.0, 0.5)
METHODS = ("unbinned", "binned")
DPI = 60


def other_versions() -> str:
    """Packages that draw, and are not those that are pinned; "" for none."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line) for line in lines if line.startswith(("matplotlib==", "mplhep=="))]
    return ", ".join(
        f"{pin.name} {version(pin.name)} instead of {pin.specifier}"
        for pin in pins
        if not pin.specifier.contains(version(pin.name))
    )


pytestmark = pytest.mark.skipif(bool(other_versions()), reason=f"drawn with {other_versions()}")
image = pytest.mark.mpl_image_compare(
    baseline_dir="baseline", style="default", tolerance=4, savefig_kwargs={"dpi": DPI}
)


class Styled:
    """A figure that is saved as it was drawn."""

    def __init__(self, figure: Figure) -> None:
        self.figure = figure

    def savefig(self, *arguments: Any, **options: Any) -> None:
        with figure_style():
            self.figure.savefig(*arguments, **options)


def draw_sums(width: float, seed: int, n_toys: int = 2000) -> PullSums:
    """Sums over Gaussian pulls; corrected errors have pulls of unit width."""
    rng = np.random.default_rng(seed)
    estimate = width * rng.standard_normal((n_toys, 3))
    covariance = np.tile(np.eye(3), (n_toys, 1, 1))
    fits = FitBatch(
        parameters=STUDY.parameter_names,
        estimate=estimate,
        covariance=covariance,
        sandwich=width**2 * covariance,
        nll=np.zeros(n_toys),
        status=np.full(n_toys, FitStatus.CONVERGED, dtype=np.int8),
    )
    return PullSums.of(fits, np.zeros_like(estimate))


def scanned() -> dict[tuple[float, str], PullSums]:
    keys = [(rho, method) for rho in SCAN for method in METHODS]
    return {(rho, m): draw_sums(1 + rho / 2, seed) for seed, (rho, m) in enumerate(keys)}


PREDICTED = [
    PredictedPull.of(method, rho, "m_t", 0.5, 0.5 * (1 + rho / 2))
    for method in METHODS
    for rho in SCAN
]


@image
def test_pull_distributions() -> Styled:
    with figure_style():
        figure, [(ax,)] = new_panels(1)
        rows = {rho: draw_sums(1 + rho / 2, seed) for seed, rho in enumerate(SCAN)}
        plot_pulls(ax, STUDY, rows, "m_t")
    return Styled(figure)


@image
def test_pull_width() -> Styled:
    with figure_style():
        figure, [(ax,)] = new_panels(1)
        plot_pull_width(ax, STUDY, scanned(), "m_t", predictions=PREDICTED)
        legend_above(figure, ax)
    return Styled(figure)


@image
def test_pull_width_at_a_single_rho() -> Styled:
    with figure_style():
        figure, [(ax,)] = new_panels(1)
        sums = {key: row for key, row in scanned().items() if key[0] == 0.5}
        chosen = [row for row in PREDICTED if row.rho == 0.5]
        plot_pull_width(ax, STUDY, sums, "m_t", predictions=chosen)
        legend_above(figure, ax)
    return Styled(figure)


@image
def test_repair() -> Styled:
    with figure_style():
        figure, [(ax,)] = new_panels(1)
        plot_repair(ax, STUDY, scanned(), "m_t", ["binned"], predictions=PREDICTED)
        legend_above(figure, ax)
    return Styled(figure)


@image
def test_predicted_error() -> Styled:
    with figure_style():
        figure, [(ax,)] = new_panels(1)
        plot_predicted_error(ax, STUDY, PREDICTED, "m_t")
        legend_above(figure, ax)
    return Styled(figure)


@image
def test_templates_and_response() -> Styled:
    calibration = calibrate(STUDY)
    with figure_style():
        figure, [left, right] = new_panels(2, size=(5.4, 6.0), heights=(1.0, 1.0))
        plot_templates((left[0], left[1]), calibration, "m_t", "JSF")
        plot_response((right[0], right[1]), calibration, "JSF")
        legend_above(figure, left[0], right[0])
    return Styled(figure)


@image
def test_pulls_of_a_model() -> Styled:
    with figure_style():
        figure, [(left,), (right,)] = new_panels(2, size=(4.0, 3.0))
        rows = PullSummary.from_sums(("mu", "a_name_with_$", "k"), draw_sums(1.1, 0))
        plot_pull_rows((left, right), rows)
    return Styled(figure)


@image
def test_correlation_and_minima() -> Styled:
    with figure_style():
        figure, [(left,), (right,)] = new_panels(2)
        plot_correlation(left, np.array([[1.0, -0.7], [-0.7, np.nan]]), ["mu", "k"])
        plot_minimum_nll(right, np.random.default_rng(2).normal(50.0, 4.0, 2000))
    return Styled(figure)


def test_pictures_are_small() -> None:
    pictures = list((Path(__file__).parent / "baseline").glob("*.png"))
    assert len(pictures) == 8
    assert max(picture.stat().st_size for picture in pictures) < 60_000
