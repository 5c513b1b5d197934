"""Predictions as figures."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from pullfactory import Study
from pullfactory.inference import PredictedPull
from pullfactory.report.prediction_plots import plot_predicted_error, plot_predicted_width

STUDY = Study.preset("poster")
ROWS = [
    PredictedPull.of(method, rho, name, 0.5, 0.5 + rho / 4)
    for method in ("unbinned", "binned")
    for rho in (0.9, -0.6)
    for name in STUDY.parameter_names
]


def test_lines_are_the_rows_in_ascending_rho() -> None:
    lines = plot_predicted_width(Figure().add_subplot(), STUDY, ROWS, "JSF")
    assert list(lines) == ["unbinned", "binned"]
    for line in lines.values():
        assert np.asarray(line.get_xdata(), dtype=float) == pytest.approx([-0.6, 0.9])
        assert np.asarray(line.get_ydata(), dtype=float) == pytest.approx([0.7, 1.45])


def test_claimed_and_actual_errors_can_be_told_apart_at_a_single_rho() -> None:
    single = [row for row in ROWS if row.rho == 0.9]
    lines = plot_predicted_error(Figure().add_subplot(), STUDY, single, "m_t")
    actual, claimed = lines["binned"][0], lines["binned"][1]
    assert np.asarray(actual.get_ydata(), dtype=float) == pytest.approx([0.725])
    assert np.asarray(claimed.get_ydata(), dtype=float) == pytest.approx([0.5])
    assert actual.get_markerfacecolor() != claimed.get_markerfacecolor()
