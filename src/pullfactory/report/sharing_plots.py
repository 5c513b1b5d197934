"""Channels of a workspace that share events, and what that does to errors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.image import AxesImage

from pullfactory.inference.judgement import TOLERATED
from pullfactory.report.palette import MOODS, REFERENCE, series_style

if TYPE_CHECKING:
    from pullfactory.sharing import SharedRow, SharingRow

_GREY = "#D9D9D9"
_NUMBERED = 12  # channels with numbers in their cells
_NAMED = 40  # channels with names
_GAP = 0.2  # between the points of one parameter, in rows
_HALF = 0.5  # of the scale: beyond, numbers are white


def plot_shared(ax: Axes, channels: Sequence[str], pairs: "Sequence[SharedRow]") -> AxesImage:
    """Part of the events of two channels that is in both, by pair of channels.

    Args:
        ax: Panel.
        channels: Names, in the order of the model.
        pairs: That share events.

    Returns:
        The coloured cells, in per cent.
    """
    place = {name: k for k, name in enumerate(channels)}
    cells = np.zeros((len(channels), len(channels)))
    for pair in pairs:
        i, j = place[pair.channel], place[pair.other]
        cells[i, j] = cells[j, i] = 100.0 * (pair.part or 0.0)
    np.fill_diagonal(cells, np.nan)
    image = ax.imshow(
        np.ma.masked_invalid(cells),
        cmap=mpl.colormaps["Blues"].with_extremes(bad=_GREY),
        vmin=0.0,
        aspect="auto",  # beside a colour bar the layout leaves too little room for other ones
        interpolation="nearest",
    )
    named = channels if len(channels) <= _NAMED else [""] * len(channels)
    ax.set_xticks(range(len(channels)), named, rotation=90, parse_math=False)
    ax.set_yticks(range(len(channels)), named, parse_math=False)
    ax.tick_params(length=0)
    if len(channels) <= _NUMBERED:
        most = float(np.nanmax(cells)) if len(channels) > 1 else 0.0
        for (i, j), value in np.ndenumerate(cells):
            if np.isfinite(value):
                colour = "white" if value > _HALF * most > 0 else "black"
                ax.text(j, i, f"{value:.1f}", ha="center", va="center", color=colour)
    return image


def plot_factors(ax: Axes, rows: "Sequence[SharingRow]") -> dict[str, ErrorbarContainer]:
    """Actual over claimed error of parameters, with what it is at most.

    Args:
        ax: Panel.
        rows: From top to bottom.

    Returns:
        The points by what they are called in the legend.
    """
    ax.axvspan(1.0 - TOLERATED, 1.0 + TOLERATED, color=MOODS["good"], alpha=0.15, linewidth=0)
    ax.axvline(1.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    series: dict[str, list[tuple[float | None, float | None]]] = {
        "actual / claimed": [(row.factor, row.factor_error) for row in rows],
        "of the data alone": [
            (row.factor_data, row.factor_data_error) if row.factor_data != row.factor else (None, 0)
            for row in rows
        ],
        "at most": [(row.largest_factor_simulated, 0.0) for row in rows],
    }
    drawn = {}
    for k, (name, numbers) in enumerate(series.items()):
        known = [
            (i + (k - 1) * _GAP, value, error or 0.0)
            for i, (value, error) in enumerate(numbers)
            if value is not None and np.isfinite(value)
        ]
        if not known:
            continue
        colour, marker = series_style(k)
        at, values, errors = zip(*known, strict=True)
        drawn[name] = ax.errorbar(
            values,
            at,
            xerr=errors,
            fmt=marker,
            color=colour,
            markerfacecolor=colour if k == 0 else "white",
            label=name,
        )
    ax.set_yticks(range(len(rows)), [row.parameter for row in rows], parse_math=False)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", color=_GREY, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel("error / claimed error")
    return drawn
