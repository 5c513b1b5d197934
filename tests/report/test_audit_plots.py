"""The figures of an audit show the numbers of its result."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from pullfactory import AuditResult
from pullfactory.auditing.measurement import ChannelFit
from pullfactory.report.audit_plots import (
    plot_bin_pairs,
    plot_dependence,
    plot_inflation,
    plot_postfit,
    plot_variation,
)
from pullfactory.report.selection_plots import plot_differences
from pullfactory.report.style import figure_style, label_width
from pullfactory.results.audit_figures import make_audit_figures


def some_bins(channel: ChannelFit, processes: Mapping[str, Any]) -> ChannelFit:
    """The first three bins of a channel, with other processes."""
    keys = ("observed", "observed_error", "before", "after", "after_error")
    few: Any = {key: getattr(channel, key)[:3] for key in keys}
    return replace(channel, **few, processes=processes)


@pytest.fixture
def ax() -> Axes:
    return Figure().add_subplot()


@pytest.fixture
def panels() -> tuple[Axes, Axes]:
    upper, lower = Figure().subplots(2)
    return upper, lower


def test_points_are_predicted_and_seen_widths(tiny_audit: AuditResult, ax: Axes) -> None:
    labels = {row.parameter: row.parameter.upper() for row in tiny_audit.rows}
    drawn = plot_inflation(ax, tiny_audit.rows, tiny_audit.pulls, labels)
    assert list(drawn) == ["binned, whole", "binned, correlation alone", "binned, toys"]
    whole, alone, toys = (np.asarray(points.lines[0].get_xdata()) for points in drawn.values())
    assert whole == pytest.approx([row.factor for row in tiny_audit.rows])
    assert alone == pytest.approx([row.factor_infinite for row in tiny_audit.rows])
    seen = [row.pulls.width for row in tiny_audit.pulls if row.method == "binned"]
    assert toys == pytest.approx(seen)
    assert [text.get_text() for text in ax.get_yticklabels()] == list(labels.values())


def test_errors_are_drawn_without_toys(tiny_audit: AuditResult, ax: Axes) -> None:
    labels = {row.parameter: row.parameter for row in tiny_audit.rows}
    old = [replace(row, answer=None) for row in tiny_audit.rows]  # of an earlier version
    drawn = plot_inflation(ax, old, [], labels)
    assert list(drawn) == ["binned, predicted"]
    (bars,) = drawn["binned, predicted"].lines[2]
    reach = [0.5 * (end[0] - start[0]) for start, end in bars.get_segments()]
    assert reach == pytest.approx([row.inflate_by_error for row in tiny_audit.rows])


def test_sides_have_words_and_colours_of_the_answers(tiny_audit: AuditResult, ax: Axes) -> None:
    plot_inflation(ax, tiny_audit.rows, [], {row.parameter: "" for row in tiny_audit.rows})
    left, right = (ax.get_title(loc=side) for side in ("left", "right"))
    assert (left, right) == ("claimed error too large", "claimed error too small")
    large, small = ax.patches
    boxes = [patch.get_path().get_extents(patch.get_patch_transform()) for patch in (large, small)]
    assert [ax.get_xlim()[0], ax.get_xlim()[1]] == [boxes[0].x0, boxes[1].x1]
    assert boxes[0].x1 == pytest.approx(0.95)
    assert boxes[1].x0 == pytest.approx(1.05)
    assert large.get_facecolor() != small.get_facecolor()


@pytest.mark.parametrize("kind", ["pearson", "spearman"])
def test_matrix_has_the_coefficients(tiny_audit: AuditResult, ax: Axes, kind: str) -> None:
    (pair,) = tiny_audit.dependence
    cells = plot_dependence(ax, tiny_audit.dependence, ["a", "b"], kind).get_array()
    assert isinstance(cells, np.ma.MaskedArray)
    assert cells[0, 1] == cells[1, 0] == pytest.approx(getattr(pair, kind))
    assert cells.mask.tolist() == [[True, False], [False, True]]
    assert len(ax.texts) == 2
    assert float(ax.texts[0].get_text().split("\n")[0]) == pytest.approx(
        getattr(pair, kind), abs=0.01
    )


def test_cells_are_the_excess(tiny_audit: AuditResult, ax: Axes) -> None:
    (pair,) = tiny_audit.dependence
    image = plot_bin_pairs(ax, pair, tiny_audit.config, reach=0.5)
    assert np.asarray(image.get_array()) == pytest.approx(pair.excess.T)
    assert image.get_clim() == (-0.5, 0.5)
    assert ax.get_xlabel() == r"bin of $m_\mathrm{t}$"
    assert ax.get_title(loc="right") == ""  # every event has both


def test_templates_are_events_per_unit(panels: tuple[Axes, Axes]) -> None:
    edges = np.array([0.0, 1.0, 3.0])
    templates = {step: (np.array([10.0, 20.0 + step]), np.array([1.0, 2.0])) for step in (1, 0, -1)}
    drawn = plot_variation(panels, edges, templates, "m", "GeV", "JSF")
    heights = [patch.get_data()[0].tolist() for patch in drawn]
    assert heights == [[10.0, 9.5], [10.0, 10.0], [10.0, 10.5]]
    assert [patch.get_label() for patch in drawn] == ["down", "nominal", "up"]
    assert panels[1].get_xlabel() == "m [GeV]"
    assert panels[0].get_ylabel() == "events / GeV"


def test_points_are_the_data(tiny_audit: AuditResult, panels: tuple[Axes, Axes]) -> None:
    channel = tiny_audit.data[0].channels[0]
    edges = np.array([0.0, 1.0, 3.0, 4.0])
    channel = some_bins(channel, {"a": channel.after[:3] - 1.0, "b": np.ones(3)})
    points = plot_postfit(panels, channel, edges, "m", "GeV", p_value=0.25).lines[0]
    assert np.asarray(points.get_ydata()) == pytest.approx(channel.observed / np.diff(edges))
    labels = panels[0].get_legend_handles_labels()[1]
    assert set(labels) == {"b", "a", "fit", "before", "data"}
    assert panels[0].get_title(loc="left") == "$p$ = 0.25"
    tops = {p.get_label(): p.get_data() for p in panels[0].patches if isinstance(p, StepPatch)}
    assert tops["b"][0] == pytest.approx(1.0 / np.diff(edges))
    assert tops["a"][0] == pytest.approx(channel.after / np.diff(edges))
    assert tops["a"][2] == pytest.approx(tops["b"][0])


def test_an_open_bin_does_not_squeeze_the_others(
    tiny_audit: AuditResult, panels: tuple[Axes, Axes]
) -> None:
    channel = some_bins(tiny_audit.data[0].channels[0], {})
    edges = np.array([-999.0, 1.0, 3.0, 40.0])
    plot_postfit(panels, channel, edges, "m", "GeV", open_ends=True)
    assert panels[1].get_xlim() == (-3.0, 7.0)  # twice the width of the bin between
    plot_postfit(panels, channel, edges, "m", "GeV")
    assert panels[1].get_xlim() == (-999.0, 40.0)


def test_processes_add_up_to_the_fit(tiny_audit: AuditResult) -> None:
    for channel in tiny_audit.data[0].channels:
        assert list(channel.processes) == [p.name for p in tiny_audit.config.sample_set.processes]
        total = np.sum(list(channel.processes.values()), axis=0)
        assert total == pytest.approx(channel.after, rel=1e-12)


def test_differences_of_sets(tiny_audit: AuditResult, ax: Axes) -> None:
    points = plot_differences(ax, tiny_audit.config, tiny_audit.sets, "binned").lines[0]
    shown = np.asarray(points.get_xdata())
    known = [100.0 * (row.difference or 0.0) for row in tiny_audit.sets]
    assert len(shown)
    assert shown == pytest.approx(known[: len(shown)])


def test_legends_are_above_the_data(tiny_audit: AuditResult) -> None:
    with figure_style():
        figures = make_audit_figures(tiny_audit)
        for name in ("templates_m_t", "templates_JSF"):
            figure = figures[name].draw()
            figure.draw_without_rendering()
            for ax in figure.axes[::2]:
                legend = ax.get_legend()
                assert legend is not None
                box = legend.get_window_extent()
                tops = [p.get_data()[0].max() for p in ax.patches if hasattr(p, "get_data")]
                assert ax.transData.transform((0.0, max(tops)))[1] < box.y0, name


def test_names_do_not_overlap(tiny_audit: AuditResult) -> None:
    with figure_style():
        for name, drawn in make_audit_figures(tiny_audit).items():
            figure = drawn.draw()
            figure.draw_without_rendering()
            for ax in figure.axes:
                boxes = [t.get_window_extent() for t in ax.get_xticklabels() if t.get_text()]
                shown = sorted((box.x0, box.x1) for box in boxes if box.width)
                for (_, end), (start, _) in itertools.pairwise(shown):
                    assert end <= start, name


def test_width_of_a_label_is_that_of_what_is_shown() -> None:
    assert label_width(r"$\Delta m_\mathrm{t}$", 13.0) == pytest.approx(
        label_width("x mt", 13.0), rel=0.3
    )
    assert label_width("abcd", 13.0) == pytest.approx(2 * label_width("ab", 13.0))
