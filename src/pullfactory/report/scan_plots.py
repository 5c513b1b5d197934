"""Pull mean and width against a key of the study."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from pullfactory.inference.rows import ScanRow
from pullfactory.report.palette import (
    REFERENCE,
    method_label,
    series_style,
)

_DECADE = 10.0
_FEW_DECADES = 100.0  # a smaller range has numbers between the powers of ten
_OFFSET = 0.012  # between the points of two series, as part of the axis
_MARGIN = 0.06  # on both sides of the scan, as part of it
_REFERENCE = {"mean": 0.0, "width": 1.0}

Series = tuple[str, str]
"""Variant and method."""


def plot_scan(
    ax: Axes,
    rows: Sequence[ScanRow],
    values: Sequence[Any],
    *,
    rho: float | None,
    parameter: str,
    quantity: str,
) -> dict[Series, ErrorbarContainer]:
    """One quantity of the pulls of one parameter against the scanned key.

    Args:
        ax: Panel.
        rows: Of a scan.
        values: Of the scanned key, in their order.
        rho: The correlation.
        parameter: Name.
        quantity: "width" or "mean".

    Returns:
        The points of each variant and method.
    """
    ax.axhline(_REFERENCE[quantity], color=REFERENCE, linestyle="--", linewidth=1.2)
    positions = _scale(ax, values)
    span = np.ptp(positions) or 1.0
    wanted = (rho, parameter)
    chosen = [row for row in rows if (row.rho, row.pulls.parameter) == wanted]
    series = list(dict.fromkeys((row.variant, row.method) for row in chosen))
    points = {}
    for i, (variant, method) in enumerate(series):
        own = [row for row in chosen if (row.variant, row.method) == (variant, method)]
        numbers, errors = (
            np.array([getattr(row.pulls, key) for row in own], dtype=np.float64)
            for key in (quantity, f"{quantity}_error")
        )
        at = positions[[values.index(row.value) for row in own]]
        shifted = at + _OFFSET * span * (i - 0.5 * (len(series) - 1))
        style = series_style(i)
        points[variant, method] = ax.errorbar(
            _DECADE**shifted if ax.get_xscale() == "log" else shifted,
            numbers,
            np.nan_to_num(errors),
            marker=style.marker,
            color=style.colour,
            linestyle="-",
            linewidth=0.8,
            elinewidth=1.8,
            capsize=2.5,
            label=series_label(series, variant, method),
        )
    margin = _MARGIN * span
    limits = np.array([positions.min() - margin, positions.max() + margin])
    ax.set_xlim(*(_DECADE**limits if ax.get_xscale() == "log" else limits))
    ax.set_ylabel(f"pull {quantity}")
    return points


def series_label(series: Sequence[Series], variant: str, method: str) -> str:
    """Variant, method or both: what tells the series apart.

    Args:
        series: All of them.
        variant: Of the one to name.
        method: Of the one to name.
    """
    labels = [label for label, _ in series]
    if not variant:
        return method_label(method)
    return variant if len(set(labels)) == len(labels) else f"{method_label(method)}, {variant}"


def _scale(ax: Axes, values: Sequence[Any]) -> NDArray[np.float64]:
    """Choose the horizontal axis; positions of the values on it, logarithms on a logarithmic one.

    What are no numbers is evenly spaced in its order.
    """
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        ax.set_xticks(range(len(values)), [str(value).replace("_", " ") for value in values])
        return np.arange(len(values), dtype=np.float64)
    numbers = np.array(values, dtype=np.float64)
    if numbers.min() <= 0 or numbers.max() <= _DECADE * numbers.min():
        return numbers
    ax.set_xscale("log")
    if numbers.max() < _FEW_DECADES * numbers.min():
        ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.tick_params(axis="x", labelsize="x-small")
    ax.xaxis.set_minor_formatter(NullFormatter())
    return np.asarray(np.log10(numbers))
