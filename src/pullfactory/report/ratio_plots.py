"""The profile likelihood ratio of the data, drawn."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pullfactory.report.palette import REFERENCE, axis_label, method_style
from pullfactory.report.style import inner_legend

if TYPE_CHECKING:
    from pullfactory.auditing import RatioRow

_HIGHEST = 6.0  # of the ratio that is drawn


def plot_ratio(ax: Axes, row: "RatioRow", label: str, unit: str) -> list[Line2D]:
    """Twice the log of the likelihood ratio against the distance from the estimate.

    Args:
        ax: Panel.
        row: Of one parameter.
        label: Of the parameter.
        unit: Of the parameter.

    Returns:
        The curves, plain and, where it is known, divided by lambda.
    """
    x, ratio = (np.array(each, dtype=np.float64) for each in (row.distances, row.ratios))
    x, ratio = np.append(x, 0.0), np.append(ratio, 0.0)
    order = np.argsort(x)
    x, ratio = x[order], ratio[order]
    colour = method_style(row.method).colour
    for level, name in ((1.0, "68 %"), (4.0, "95 %")):
        ax.axhline(level, color=REFERENCE, linestyle="--", linewidth=1.2)
        ax.text(0.99, level, name, transform=ax.get_yaxis_transform(), ha="right", va="bottom",
                fontsize="x-small", color=REFERENCE)  # fmt: skip
    curves = ax.plot(x, ratio, color=colour, linestyle=":", label="as the fit claims")
    ends = [(row.minus_68, row.plus_68, ":")]
    if row.scale:
        curves += ax.plot(x, ratio / row.scale, color=colour, label="divided by lambda")
        ends.append((row.corrected_minus_68, row.corrected_plus_68, "-"))
    for low, high, style in ends:
        for end in (low and -low, high):
            if end is not None:
                ax.vlines(end, 0.0, 1.0, color=colour, linestyle=style, linewidth=1.2)
    ax.set_xlim(x[0], x[-1])
    ax.set_ylim(0.0, _HIGHEST)
    ax.set_xlabel(axis_label(f"{label} - estimate".replace("-", "\N{MINUS SIGN}"), unit))
    ax.set_ylabel("2 log likelihood ratio")
    inner_legend(ax, "")
    return curves
