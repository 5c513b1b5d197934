"""Pulls, constraints and impacts of nuisance parameters, claimed beside corrected."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from pullfactory.report.palette import REFERENCE, method_style

if TYPE_CHECKING:
    from pullfactory.auditing import ImpactRow

_GREY = "#D9D9D9"
_GAP = 0.17  # of points claimed and corrected from the middle of a row
_BAR = 0.62  # height, in rows
_KINDS = (("claimed", -_GAP, "white"), ("corrected", _GAP, None))


def plot_pulls(ax: Axes, rows: "Sequence[ImpactRow]") -> None:
    """Pulls with bands of one and two standard deviations.

    Args:
        ax: Panel.
        rows: From top to bottom.
    """
    for reach, colour in ((2.0, "#F0E9B5"), (1.0, "#CDE5C1")):
        ax.axvspan(-reach, reach, color=colour, linewidth=0, zorder=0)
    ax.axvline(0.0, color=REFERENCE, linestyle="--", linewidth=1.2, zorder=1)
    _points(ax, rows, "pull")
    far = max(2.5, 1.1 * max(map(abs, ax.get_xlim())))
    ax.set_xlim(-far, far)
    ax.set_xlabel("pull")


def plot_constraints(ax: Axes, rows: "Sequence[ImpactRow]") -> None:
    """Errors after the fit over the widths of the constraints.

    Args:
        ax: Panel.
        rows: From top to bottom.
    """
    ax.axvline(1.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    _points(ax, rows, "constraint")
    ax.set_xlim(0.0, max(1.15, 1.05 * ax.get_xlim()[1]))
    ax.set_xlabel("error / constraint")


def plot_impacts(ax: Axes, rows: "Sequence[ImpactRow]", label: str) -> None:
    """Impacts on the parameter of interest, and what each nuisance adds to its error as bars.

    Args:
        ax: Panel.
        rows: From top to bottom.
        label: Of the parameter of interest, with its unit.
    """
    for i, row in enumerate(rows):
        if row.part is not None and row.leakage is not None:
            size = (row.part**2 + row.leakage**2) ** 0.5
            ax.barh(
                i,
                2.0 * size,
                left=-size,
                height=_BAR,
                color="#BFD7EA",
                label="adds in quadrature" if i == 0 else None,
                zorder=1,
            )
    ax.axvline(0.0, color=REFERENCE, linestyle="--", linewidth=1.2, zorder=1)
    _points(ax, rows, "impact", labels=True)
    far = 1.1 * max(map(abs, ax.get_xlim()))
    ax.set_xlim(-far, far)
    ax.set_xlabel(f"impact on {label}")


def name_rows(ax: Axes, rows: "Sequence[ImpactRow]", labels: Mapping[str, str]) -> None:
    """Names of the nuisances beside a panel, from top to bottom.

    Args:
        ax: Panel.
        rows: In order.
        labels: By name.
    """
    ax.set_yticks(range(len(rows)), [labels.get(row.parameter, row.parameter) for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=_GREY, linewidth=0.8)
    ax.set_axisbelow(True)


def _points(ax: Axes, rows: "Sequence[ImpactRow]", key: str, *, labels: bool = False) -> None:
    """Claimed hollow, corrected filled."""
    colour, marker = method_style(rows[0].method)
    for kind, gap, filled in _KINDS:
        values = {i: getattr(row, f"{kind}_{key}") for i, row in enumerate(rows)}
        known = {i: value for i, value in values.items() if value is not None}
        ax.errorbar(
            list(known.values()),
            [i + gap for i in known],
            marker=marker,
            color=colour,
            markerfacecolor=filled or colour,
            linestyle="none",
            label=kind if labels and known else None,
        )
