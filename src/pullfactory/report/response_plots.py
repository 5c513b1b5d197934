"""The response of every sample of an audit, drawn."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from pullfactory.report.palette import REFERENCE, axis_label, variation_style

if TYPE_CHECKING:
    from pullfactory.auditing.response import ResponseRow

_GREY = "#D9D9D9"
_OFFSETS = {"rate": 0.0, "mean": -0.18, "width": 0.18}  # in rows
_SIDES = {1: "up", -1: "down"}


def plot_response(
    ax: Axes,
    rows: "Sequence[ResponseRow]",
    labels: Mapping[tuple[str, str], str],
    label: str,
    unit: str,
) -> dict[str, ErrorbarContainer]:
    """Changes of one observable, or of the rate, with each parameter.

    What goes up and down as it should has its two points on either side of zero.

    Args:
        ax: Panel.
        rows: Of this observable, of all samples that vary a parameter; a rate in percent.
        labels: Of processes and parameters, from top to bottom.
        label: Of the observable.
        unit: Of the changes.

    Returns:
        The points by what they are called in the legend.
    """
    places = {key: k for k, key in enumerate(labels)}
    ax.axvline(0.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    drawn = {}
    for quantity, offset in _OFFSETS.items():
        for step, side in _SIDES.items():
            mine = [row for row in rows if row.quantity == quantity and row.step == step]
            if not mine:
                continue
            style, scale = variation_style(step), 100.0 if quantity == "rate" else 1.0
            name = f"{quantity}, {side}" if quantity != "rate" else side
            drawn[name] = ax.errorbar(
                [scale * row.difference for row in mine],
                [places[row.process, row.parameter] + offset for row in mine],
                xerr=[scale * row.error for row in mine],
                fmt=style.marker,
                color=style.colour,
                markerfacecolor="white" if quantity == "width" else style.colour,
                markersize=7,
                label=name,
            )
    ax.grid(axis="y", color=_GREY, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_yticks(range(len(labels)), list(labels.values()))
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.tick_params(axis="y", which="both", length=0)
    ax.set_xlabel(axis_label(f"change of {label}", unit))
    return drawn
