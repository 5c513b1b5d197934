"""Every figure of an audit of a workspace."""

from collections.abc import Sequence
from functools import partial

from matplotlib.figure import Figure

from pullfactory.inference.goodness import Goodness
from pullfactory.report.figures import SHARING, Figures, by_name
from pullfactory.report.goodness import most_off
from pullfactory.report.goodness_plots import goodness_figure
from pullfactory.report.sharing import shown_rows
from pullfactory.report.sharing_plots import plot_factors, plot_shared
from pullfactory.report.style import legend_above, new_panels
from pullfactory.sharing import SharedRow, SharingRow

_MOST = 9  # distances in a figure
_ROW = 0.34  # inches of a parameter
_CHANNEL = 0.55  # and of a channel


def make_sharing_figures(
    channels: Sequence[str],
    pairs: Sequence[SharedRow],
    rows: Sequence[SharingRow],
    goodness: Goodness | None,
) -> Figures:
    """Every figure of an audit of a workspace.

    Args:
        channels: Names, in the order of the model.
        pairs: Channels that share events.
        rows: Of all parameters.
        goodness: Whether the workspace fits its observations; None without events.
    """
    figures = []
    if pairs:
        figures.append(SHARING["shared"].drawn(partial(_shared, channels, pairs)))
    if goodness and goodness.rows:
        shown = most_off([row.p_value for row in goodness.rows], _MOST)
        distances = [goodness.rows[k] for k in shown]
        figures.append(SHARING["goodness"].drawn(partial(goodness_figure, distances)))
    figures.append(SHARING["errors"].drawn(partial(_factors, shown_rows(rows))))
    return by_name(figures)


def _shared(channels: Sequence[str], pairs: Sequence[SharedRow]) -> Figure:
    side = min(max(3.6, _CHANNEL * len(channels)), 9.0)
    figure, ((ax,),) = new_panels(1, size=(side + 1.2, side))
    image = plot_shared(ax, channels, pairs)
    bar = figure.colorbar(image, ax=ax, fraction=0.05)
    bar.set_label("in both [%]")
    return figure


def _factors(rows: Sequence[SharingRow]) -> Figure:
    figure, ((ax,),) = new_panels(1, size=(6.4, 1.6 + _ROW * len(rows)))
    plot_factors(ax, rows)
    legend_above(figure, ax)
    return figure
