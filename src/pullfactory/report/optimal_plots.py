"""The optimal combination of an audit's observables: errors, and what each observable counts."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from pullfactory.report.palette import REFERENCE, method_style, observable_style

if TYPE_CHECKING:
    from pullfactory.auditing import OptimalFit

_GREY = "#D9D9D9"
_GAP = 0.2  # of points from the middle of a row


def plot_optimal_errors(ax: Axes, fit: "OptimalFit", claimed: Mapping[str, float | None]) -> None:
    """Errors over those that the product claims.

    Args:
        ax: Panel.
        fit: The combination, parameters from top to bottom.
        claimed: What the product claims, by parameter.
    """
    colour, marker = method_style(fit.method)
    kinds = (
        ("product, corrected", "product_error", REFERENCE, "o", REFERENCE, -_GAP),
        ("optimal", "claimed_error", colour, marker, colour, 0.0),
        ("optimal, whole", "whole_error", colour, marker, "white", _GAP),
    )
    ax.axvline(1.0, color=REFERENCE, linestyle="--", linewidth=1.2, label="product, claimed")
    for label, key, edge, shape, filled, gap in kinds:
        known = {
            i + gap: error / unit
            for i, row in enumerate(fit.rows)
            if (error := getattr(row, key)) is not None and (unit := claimed.get(row.parameter))
        }
        ax.plot(
            list(known.values()),
            list(known),
            linestyle="",
            marker=shape,
            color=edge,
            markerfacecolor=filled,
            label=label,
        )
    ax.set_xlim(0.0, 1.08 * ax.get_xlim()[1])
    ax.set_xlabel("error / claimed by the product")


def plot_optimal_weights(ax: Axes, fit: "OptimalFit", labels: Mapping[str, str]) -> None:
    """Parts of a shift of each parameter that its estimate learns, optimally and as independent.

    Args:
        ax: Panel.
        fit: The combination, parameters from top to bottom.
        labels: Of the observables, by name, in their order.
    """
    place = {row.parameter: i for i, row in enumerate(fit.rows)}
    names = list(dict.fromkeys(row.observable for row in fit.weights))
    known = list(labels)
    ax.axvline(0.0, color=REFERENCE, linewidth=0.8)
    for n, name in enumerate(names):
        gap = _GAP * (2.0 * n / max(len(names) - 1, 1) - 1.0)
        colour = observable_style(known.index(name)).colour if name in labels else REFERENCE
        rows = [row for row in fit.weights if row.observable == name]
        for key, size, filled in (("product", 9.0, "white"), ("optimal", 5.0, colour)):
            ax.plot(
                [100.0 * getattr(row, key) for row in rows],
                [place[row.parameter] + gap for row in rows],
                linestyle="",
                marker="o",
                markersize=size,
                color=colour,
                markerfacecolor=filled,
                label=labels.get(name, name) if key == "optimal" else None,
            )
    ax.set_xlabel("weight [%]")


def name_parameters(ax: Axes, names: Sequence[str]) -> None:
    """Names of the parameters beside a panel, from top to bottom.

    Args:
        ax: Panel.
        names: In order.
    """
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=_GREY, linewidth=0.8)
    ax.set_axisbelow(True)
