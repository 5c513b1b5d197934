"""One look, and no state left behind."""

from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import pytest

from pullfactory.errors import LikelihoodError
from pullfactory.report.palette import axis_label, method_label, method_style, with_minus
from pullfactory.report.style import figure_style, inner_legend, legend_above, new_panels

METHODS = ("unbinned", "binned", "unbinned_joint", "binned_joint")


def test_each_method_has_its_own_colour_and_marker() -> None:
    assert len({method_style(method).colour for method in METHODS}) == len(METHODS)
    assert len({method_style(method).marker for method in METHODS}) == len(METHODS)


def test_unknown_methods_are_refused() -> None:
    with pytest.raises(LikelihoodError, match="is unknown; use one of unbinned, binned"):
        method_style("invented")


def test_labels_are_for_people() -> None:
    assert method_label("unbinned_joint") == "unbinned joint"


def test_style_ends_with_its_context_in_every_thread() -> None:
    before = dict(mpl.rcParams)

    def inside(_: int) -> bool:
        with figure_style():
            return bool(mpl.rcParams["font.size"] == before["font.size"])

    with ThreadPoolExecutor(4) as pool:
        assert not any(pool.map(inside, range(50)))
    assert dict(mpl.rcParams) == before


def test_style_begins_with_the_defaults() -> None:
    with mpl.rc_context({"text.usetex": True, "axes.grid": True}), figure_style():
        assert not mpl.rcParams["text.usetex"]
        assert not mpl.rcParams["axes.grid"]


def test_style_ends_when_drawing_fails() -> None:
    before = dict(mpl.rcParams)
    with pytest.raises(RuntimeError), figure_style():
        raise RuntimeError
    assert dict(mpl.rcParams) == before


def test_labels_have_units_where_there_are_any() -> None:
    assert axis_label("mass", "GeV") == "mass [GeV]"
    assert axis_label("mass", "") == "mass"
    assert with_minus("-0.6") == "\N{MINUS SIGN}0.6"


@pytest.mark.parametrize(("n", "per_row"), [(1, 1), (2, 2), (3, 3), (4, 2), (5, 3), (7, 3)])
def test_panels_fill_their_rows_evenly(n: int, per_row: int) -> None:
    figure, stacks = new_panels(n, size=(2.0, 1.0), heights=(2.0, 1.0))
    assert [len(stack) for stack in stacks] == [2] * n
    assert figure.get_figwidth() == 2.0 * per_row
    assert figure.get_figheight() == -(-n // per_row)


def test_legend_inside_a_panel_is_above_the_data() -> None:
    with figure_style():
        figure, [(ax,)] = new_panels(1)
        for i in range(5):
            ax.plot([0, 1], [1, 1], label=f"line {i}")
        top = ax.get_ylim()[1]
        inner_legend(ax, "title")
        figure.draw_without_rendering()
        legend = ax.get_legend()
        assert legend is not None
        bottom = legend.get_window_extent().y0
    assert bottom > ax.transData.transform((0, top))[1]


def test_legend_of_many_names_stays_within_the_figure() -> None:
    with figure_style():
        figure, [(ax,)] = new_panels(1)
        for i in range(6):
            ax.plot([0, 1], [0, 1], label=f"a rather long name {i}")
        legend_above(figure, ax)
        figure.draw_without_rendering()
        (legend,) = figure.legends
        extent, whole = legend.get_window_extent(), figure.bbox
    assert whole.x0 <= extent.x0
    assert extent.x1 <= whole.x1
    assert extent.y0 > ax.get_window_extent().y1


def test_no_legend_without_names() -> None:
    figure, [(ax,)] = new_panels(1)
    legend_above(figure, ax)
    assert not figure.legends
