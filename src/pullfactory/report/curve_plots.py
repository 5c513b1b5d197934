"""The calibration curve of an audit, drawn."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from pullfactory.methods import BINNED
from pullfactory.numbers import rounded
from pullfactory.report.palette import REFERENCE, axis_label, method_style, with_minus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pullfactory.auditing import CurveLine, CurvePoint

_BEYOND = 1.35  # of the outermost points, to which lines are drawn


def plot_curve(
    panels: tuple[Axes, Axes],
    points: "Sequence[CurvePoint]",
    line: "CurveLine",
    label: str,
    unit: str,
) -> ErrorbarContainer:
    """Estimate against generated value of one parameter, and what it is off the expected line.

    The caller draws the legend.

    Args:
        panels: Upper and lower panel.
        points: Of the parameter.
        line: Through these.
        label: Of the parameter.
        unit: Of the parameter.

    Returns:
        The points in the upper panel.
    """
    upper, lower = panels
    colour, marker = method_style(BINNED.name)
    x, y, error = np.array([(one.generated, one.estimate, one.error) for one in points]).T
    ends = _BEYOND * np.array([x.min(), x.max()])
    measured, expected = line.offset + line.slope * ends, line.expected_slope * ends
    lines = (
        (ends, "estimate = generated", {"color": REFERENCE, "linestyle": ":", "linewidth": 1.4}),
        (expected, "expected of half the events", {"color": "black", "linestyle": "--"}),
        (measured, "line through the points", {"color": colour, "linewidth": 1.4}),
    )
    for ax, minus in ((upper, 0.0), (lower, line.expected_slope)):
        for values, name, style in lines:
            ax.plot(ends, values - minus * ends, label=name, **style)
        drawn = ax.errorbar(
            x, y - minus * x, error, fmt=marker, color=colour, label="crossed fits of halves"
        )
        if ax is upper:
            returned = drawn
    upper.set_xlim(*ends)
    upper.set_ylabel(axis_label("estimate", unit))
    lower.set_xlabel(axis_label(f"generated {label}", unit))
    lower.set_ylabel(axis_label("residual", unit), fontsize="small")
    reach = 1.3 * np.max(np.abs(y - line.expected_slope * x) + error)
    lower.set_ylim(-reach, reach)
    upper.set_title(
        f"slope {with_minus(rounded(line.slope, line.slope_error))}", loc="left", fontsize="small"
    )
    return returned
