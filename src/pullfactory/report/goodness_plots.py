"""The goodness of fit: distances of toys from their fits, and that of the data."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from pullfactory.methods import BINNED
from pullfactory.report.style import inner_legend, new_panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pullfactory.inference.goodness import GoodnessRow


def plot_goodness(ax: Axes, row: "GoodnessRow") -> StepPatch:
    """One distance of the data from the fit, beside those of the toys.

    Args:
        ax: Panel.
        row: The distance.

    Returns:
        The histogram of the toys.
    """
    edges = np.linspace(row.low, row.high, len(row.histogram) + 1)
    colour = BINNED.colour
    drawn = ax.stairs(
        row.histogram, edges, fill=True, color=colour, alpha=0.35, label=f"{row.toys} toys"
    )
    top = 1.05 * max(row.histogram)  # below the legend
    ax.vlines(row.statistic, 0.0, top, color="black", linewidth=1.8, label=f"data, {row.p_text}")
    ax.set_ylim(0.0, top)
    ax.set_xlabel("2 log (saturated / fitted likelihood)")
    ax.set_ylabel("toys")
    inner_legend(ax, row.name)
    return drawn


def goodness_figure(rows: "Sequence[GoodnessRow]") -> Figure:
    """Distances in a panel each.

    Args:
        rows: In order.
    """
    figure, stacks = new_panels(len(rows))
    for (ax,), row in zip(stacks, rows, strict=True):
        plot_goodness(ax, row)
    return figure
