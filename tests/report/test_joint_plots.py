"""The joint distribution holds the events it is given."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from pullfactory import Study
from pullfactory.report.joint_plots import plot_joint


def test_cells_hold_the_events_between_the_outer_quantiles() -> None:
    events = np.random.default_rng(1).standard_normal((20_000, 2)) * [10.0, 7.0] + [172.0, 83.0]
    events[:, 1] += 0.7 * (events[:, 0] - 172.0)
    figure = Figure()
    ax = figure.add_subplot()
    x, y = Study.preset("poster").observable
    mesh = plot_joint(ax, events, (x, y), -0.5)
    counts = np.asarray(mesh.get_array())
    assert counts.shape == (60, 60)
    assert 0.995 < counts.sum() / len(events) < 1
    heights, widths = counts.sum(axis=1), counts.sum(axis=0)
    assert np.average(np.linspace(*ax.get_xlim(), 60), weights=widths) == pytest.approx(172, abs=1)
    assert np.average(np.linspace(*ax.get_ylim(), 60), weights=heights) == pytest.approx(83, abs=1)
    assert ax.get_title(loc="left").endswith("= \N{MINUS SIGN}0.5")
    shown = float(ax.get_title(loc="right").split("=")[1])
    assert shown == pytest.approx(np.corrcoef(*events.T).item(1), abs=5e-4)
    assert "[GeV]" in ax.get_xlabel()
    assert "[GeV]" in ax.get_ylabel()
    assert len(figure.axes) == 2  # with the colour bar
