"""Every figure of an audit of a workspace."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from pullfactory.report.figures import SHARING, Figures, by_name
from pullfactory.report.goodness_plots import goodness_figure
from pullfactory.report.sharing import shown_rows
from pullfactory.report.sharing_plots import plot_factors, plot_shared
from pullfactory.report.style import legend_above, new_panels
from pullfactory.sharing import SharedRow, SharingRow

if TYPE_CHECKING:
    from pullfactory.results.workspace_audit import WorkspaceAuditResult

_MOST = 9  # distances in a figure
_ROW = 0.34  # inches of a parameter
_CHANNEL = 0.55  # and of a channel


def make_sharing_figures(result: "WorkspaceAuditResult") -> Figures:
    """Every figure of an audit of a workspace.

    Args:
        result: The audit.
    """
    figures = []
    if result.pairs:
        figures.append(SHARING["shared"].drawn(partial(_shared, result.channels, result.pairs)))
    if result.goodness and result.goodness.rows:
        rows = result.goodness.rows[:_MOST]
        figures.append(SHARING["goodness"].drawn(partial(goodness_figure, rows)))
    figures.append(SHARING["errors"].drawn(partial(_factors, shown_rows(result.rows))))
    return by_name(figures)


def _shared(channels: Sequence[str], pairs: Sequence[SharedRow]) -> Figure:
    side = min(max(3.6, _CHANNEL * len(channels)), 9.0)
    figure, ((ax,),) = new_panels(1, size=(side + 1.2, side))
    image = plot_shared(ax, channels, pairs)
    bar = figure.colorbar(image, ax=ax, fraction=0.05)
    bar.set_label("of the events in either, in both [%]")
    return figure


def _factors(rows: Sequence[SharingRow]) -> Figure:
    figure, ((ax,),) = new_panels(1, size=(6.4, 1.6 + _ROW * len(rows)))
    plot_factors(ax, rows)
    legend_above(figure, ax)
    return figure
