"""How often intervals have the true value, against the correlation."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer

from pullfactory.inference.coverage import CoverageRow
from pullfactory.report.palette import REFERENCE, RHO, method_label, method_style

_NOMINAL: Mapping[str, float] = MappingProxyType({"68": 68.27, "95": 95.45})
_OFFSET = 0.01  # between the points of two series, as part of the scan
_MARGIN = 0.06  # on both sides of the scan, as part of it


def plot_coverage(
    ax: Axes, rows: Sequence[CoverageRow], level: str
) -> dict[tuple[str, str], ErrorbarContainer]:
    """Coverage of plain intervals, filled, and of corrected ones, open.

    Args:
        ax: Panel.
        rows: Of one parameter.
        level: "68" or "95".

    Returns:
        The points by method and quantity.
    """
    ax.axhline(_NOMINAL[level], color=REFERENCE, linestyle="--", linewidth=1.2)
    scan = sorted({row.rho for row in rows})
    span = (scan[-1] - scan[0]) or 1.0
    points: dict[tuple[str, str], ErrorbarContainer] = {}
    series = _series(rows, level)
    aside = 0.5 * _OFFSET * span * (len(series) - 1)
    for (method, key), own in series.items():
        middle, low, high = (
            100.0 * np.array([getattr(row, f"{key}{end}") for row in own])
            for end in ("", "_low", "_high")
        )
        style, corrected = method_style(method), key.startswith("corrected")
        shift = _OFFSET * span * len(points) - aside
        points[method, key] = ax.errorbar(
            np.array([row.rho for row in own]) + shift,
            middle,
            np.maximum([middle - low, high - middle], 0.0),
            marker=style.marker,
            linestyle="none",
            color=style.colour,
            markerfacecolor="white" if corrected else style.colour,
            capsize=2.5,
            label=method_label(method) + (", corrected" if corrected else ""),
        )
    beyond = _MARGIN * span + aside
    ax.set_xlim(scan[0] - beyond, scan[-1] + beyond)
    if len(scan) == 1:
        ax.set_xticks(scan)
    ax.set_xlabel(f"correlation {RHO}")
    ax.set_ylabel(f"coverage {level} % [%]")
    return points


def _series(rows: Sequence[CoverageRow], level: str) -> dict[tuple[str, str], list[CoverageRow]]:
    """Rows by method and quantity, where there are some."""
    found = {}
    for method in dict.fromkeys(row.method for row in rows):
        for key in (f"coverage_{level}", f"corrected_coverage_{level}"):
            own = [r for r in rows if r.method == method and getattr(r, key) is not None]
            if own:
                found[method, key] = own
    return found
