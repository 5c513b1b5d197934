"""What an audit shows: errors, dependence, templates, the fit of the data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.image import AxesImage
from matplotlib.patches import StepPatch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from pullfactory.inference.judgement import TOLERATED
from pullfactory.numbers import rounded
from pullfactory.report.palette import (
    MOODS,
    REFERENCE,
    area_colours,
    axis_label,
    label_of,
    method_label,
    method_style,
    variation_style,
    with_minus,
)
from pullfactory.report.style import inner_legend

if TYPE_CHECKING:
    from pullfactory.auditing import ChannelFit, PairDependence
    from pullfactory.auditing.rows import AuditRow
    from pullfactory.inference.rows import PullRow
    from pullfactory.settings.audit import AuditConfig

_GREY = "#D9D9D9"
_GAP = 0.16  # between the points of one parameter, in rows
_NUMBER = 13.0  # points
_OPEN = 2.0  # width of an open bin over that beside it, at most


def plot_inflation(
    ax: Axes,
    rows: "Sequence[AuditRow]",
    pulls: "Sequence[PullRow]",
    labels: dict[str, str],
) -> dict[str, ErrorbarContainer]:
    """By what each claimed error is to be multiplied: whole, by correlation alone, and in toys.

    Where a claimed error is too large or too small the panel has the colour of that answer.

    Args:
        ax: Panel.
        rows: Expected errors, by method and parameter.
        pulls: Of toys; may be empty.
        labels: Of the parameters, by name, from top to bottom.

    Returns:
        The points by what they are called in the legend.
    """
    places = {name: k for k, name in enumerate(labels)}
    methods = list(dict.fromkeys(row.method for row in rows))
    drawn = {}
    for i, method in enumerate(methods):
        shift = (2 * i - len(methods) + 1) * 1.5 * _GAP
        colour, marker = method_style(method)
        for k, (name, points) in enumerate(_series(method, rows, pulls).items()):
            at = [places[parameter] + shift + (k - 1) * _GAP for parameter, _, _ in points]
            alone = name.endswith(_ALONE)
            drawn[name] = ax.errorbar(
                [value for _, value, _ in points],
                at,
                xerr=[error for *_, error in points],
                marker="x" if alone else marker,
                linestyle="none",
                color=colour,
                markerfacecolor=colour if k == 0 else "white",
                label=name,
            )
    ax.axvline(1.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    ax.grid(axis="y", color=_GREY, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_yticks(range(len(labels)), list(labels.values()))
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("error / claimed error")
    _shade_answers(ax)
    return drawn


_ALONE = "correlation alone"

_Points = list[tuple[str, float, float]]


def _series(
    method: str, rows: "Sequence[AuditRow]", pulls: "Sequence[PullRow]"
) -> dict[str, _Points]:
    """Parameter, factor and its error by name: what is answered by first."""
    mine = [row for row in rows if row.method == method and not row.reason]
    name = method_label(method)
    found: dict[str, _Points] = {}
    if any(row.answer for row in mine):
        found[f"{name}, whole"] = [
            (row.parameter, row.factor, row.factor_error or 0.0)
            for row in mine
            if row.factor and row.answer != "cannot"
        ]
        found[f"{name}, {_ALONE}"] = [
            (row.parameter, row.factor_infinite, row.factor_infinite_error or 0.0)
            for row in mine
            if row.factor_infinite
        ]
    else:
        found[f"{name}, predicted"] = [
            (row.parameter, row.inflate_by, row.inflate_by_error) for row in mine
        ]
    thrown = [row.pulls for row in pulls if row.method == method and row.pulls.width]
    if thrown:
        found[f"{name}, toys"] = [
            (pull.parameter, pull.width or np.nan, pull.width_error or 0.0) for pull in thrown
        ]
    return found


def _shade_answers(ax: Axes) -> None:
    """Colours of a claimed error that is too large, on the left, and too small, on the right."""
    low, high = ax.get_xlim()
    low, high = min(low, 1 - 2 * TOLERATED), max(high, 1 + 2 * TOLERATED)
    ax.axvspan(low, 1 - TOLERATED, color=MOODS["large"], alpha=0.09, linewidth=0, zorder=0)
    ax.axvspan(1 + TOLERATED, high, color=MOODS["bad"], alpha=0.09, linewidth=0, zorder=0)
    ax.set_title("claimed error too large", loc="left", color=MOODS["large"], fontsize="small")
    ax.set_title("claimed error too small", loc="right", color=MOODS["bad"], fontsize="small")
    ax.set_xlim(low, high)


def plot_dependence(
    ax: Axes, pairs: "Sequence[PairDependence]", labels: Sequence[str], kind: str
) -> AxesImage:
    """Correlation coefficients of all pairs of observables, with their errors.

    Args:
        ax: Panel.
        pairs: Measured.
        labels: Of the observables.
        kind: "pearson" or "spearman".

    Returns:
        The coloured cells.
    """
    n = len(labels)
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
    matrix = np.full((n, n), np.nan)
    for pair in pairs:
        i, j = names.index(pair.first), names.index(pair.second)
        value, error = getattr(pair, kind), getattr(pair, f"{kind}_error")
        if value is None:
            continue
        matrix[i, j] = matrix[j, i] = value
        text = with_minus(rounded(value, error)).replace(" ± ", "\n± ")
        for a, b in ((i, j), (j, i)):
            ax.text(
                b,
                a,
                text,
                color="white" if abs(value) > 0.6 else "black",
                fontsize=_NUMBER,
                horizontalalignment="center",
                verticalalignment="center",
            )
    image = ax.imshow(
        np.ma.masked_invalid(matrix),
        cmap=mpl.colormaps["RdBu_r"].with_extremes(bad=_GREY),
        vmin=-1.0,
        vmax=1.0,
        interpolation="nearest",
    )
    ax.set_xticks(range(n), labels, fontsize=_NUMBER)
    ax.set_yticks(range(n), labels, fontsize=_NUMBER)
    ax.tick_params(length=0)
    ax.set_title(f"{kind.capitalize()}'s correlation", loc="left", fontsize="small")
    return image


def plot_bin_pairs(
    ax: Axes, pair: "PairDependence", config: "AuditConfig", reach: float = 1.0
) -> AxesImage:
    """Events in pairs of bins beside those of independent observables.

    Args:
        ax: Panel.
        pair: Measured.
        config: Gives labels.
        reach: Excess at the ends of the colours.

    Returns:
        The coloured cells.
    """
    image = ax.imshow(
        np.ma.masked_invalid(pair.excess.T),
        cmap=mpl.colormaps["RdBu_r"].with_extremes(bad=_GREY),
        vmin=-reach,
        vmax=reach,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    labels = {o.name: label_of(o) for o in config.observable}
    ax.set_xlabel(f"bin of {labels[pair.first]}")
    ax.set_ylabel(f"bin of {labels[pair.second]}")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if pair.overlap < 1:
        ax.set_title(f"{100 * pair.overlap:.0f} % have both", loc="right", fontsize="small")
    return image


def plot_variation(
    panels: tuple[Axes, Axes],
    edges: NDArray[np.float64],
    templates: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]],
    label: str,
    unit: str,
    parameter: str,
) -> list[StepPatch]:
    """Templates of one observable one step down, nominal and up, and their ratio to nominal.

    Args:
        panels: Upper and lower panel.
        edges: Bin edges, shape (bins + 1,).
        templates: Expected events and their statistical errors by step, each of shape (bins,).
        label: Of the observable.
        unit: Of the observable.
        parameter: Label of the parameter.

    Returns:
        The templates in the upper panel.
    """
    upper, lower = panels
    centres, widths = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    drawn = []
    for step, (counts, error) in sorted(templates.items()):
        colour = variation_style(step).colour
        for ax, scale in ((lower, templates[0][0]), (upper, widths)):
            ax.errorbar(centres, counts / scale, error / scale, fmt="none", color=colour)
            steps = ax.stairs(counts / scale, edges, color=colour, baseline=None, linewidth=1.6)
        name = {0: "nominal", 1: "up", -1: "down"}[step]
        steps.set_label(name)
        drawn.append(steps)
    lower.set_xlabel(axis_label(label, unit))
    upper.set_ylabel(f"events / {unit or 'bin width'}")
    lower.set_ylabel("ratio")
    inner_legend(upper, parameter)
    return drawn


def plot_postfit(
    panels: tuple[Axes, Axes],
    channel: "ChannelFit",
    edges: NDArray[np.float64],
    label: str,
    unit: str,
    *,
    open_ends: bool = False,
    p_value: float | None = None,
) -> ErrorbarContainer:
    """Data on the fitted rates of the processes, and their ratio to the sum of these.

    An open outermost bin is drawn no wider than twice the one beside it. The caller draws the
    legend.

    Args:
        panels: Upper and lower panel.
        channel: Data and rates.
        edges: Bin edges, shape (bins + 1,).
        label: Of the observable.
        unit: Of the observable.
        open_ends: Whether the outermost bins take what is beyond.
        p_value: Of the fit in this observable, if it is known.

    Returns:
        The data in the upper panel.
    """
    upper, lower = panels
    edges = _drawn_edges(edges, open_ends=open_ends)
    centres, widths = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    base = np.zeros(len(widths))
    for name, rates, colour in _areas(channel):
        top = base + rates / widths
        upper.stairs(top, edges, baseline=base, fill=True, color=colour, lw=0, label=name)
        base = top
    fit = np.where(channel.after > 0, channel.after, np.nan)
    for ax, scale in ((lower, fit), (upper, widths)):
        low, high = ((channel.after + sign * channel.after_error) / scale for sign in (-1, 1))
        ax.stairs(high, edges, baseline=low, fill=True, color=REFERENCE, alpha=0.35, lw=0)
        ax.stairs(
            channel.after / scale, edges, color="black", baseline=None, linewidth=1.2, label="fit"
        )
        if channel.before is not None:
            ax.stairs(
                channel.before / scale,
                edges,
                color=REFERENCE,
                baseline=None,
                linestyle="--",
                linewidth=1.4,
                label="before",
            )
        points = ax.errorbar(
            centres,
            channel.observed / scale,
            channel.observed_error / scale,
            fmt="o",
            color="black",
            markersize=4,
            label="data",
        )
        if ax is upper:
            returned = points
    lower.set_xlim(edges[0], edges[-1])
    lower.set_xlabel(axis_label(label, unit))
    upper.set_ylabel(f"events / {unit or 'bin width'}")
    upper.set_ylim(0.0, upper.get_ylim()[1])
    lower.set_ylabel("data / fit")
    if open_ends:
        upper.set_title("outermost bins are open", loc="right", fontsize="x-small")
    if p_value is not None:
        upper.set_title(f"$p$ = {p_value:.2g}", loc="left", fontsize="small")
    return returned


def _areas(channel: "ChannelFit") -> list[tuple[str, NDArray[np.float64], str]]:
    """Name, rates and colour of what is stacked, from bottom to top; the small ones are one."""
    colours = area_colours()
    ordered = list(channel.processes.items())
    if len(ordered) > len(colours):
        size = {name: rates.sum() for name, rates in ordered}
        kept = sorted(size, key=lambda name: -size[name])[: len(colours) - 1]
        rest = sum(rates for name, rates in ordered if name not in kept)
        ordered = [(n, r) for n, r in ordered if n in kept] + [("other", np.asarray(rest))]
    return [(name, r, colour) for (name, r), colour in zip(ordered, colours, strict=False)][::-1]


def _drawn_edges(edges: NDArray[np.float64], *, open_ends: bool) -> NDArray[np.float64]:
    """Edges of the bins, of which open ones are drawn no wider than twice the one beside them."""
    edges = np.array(edges, dtype=np.float64)
    widths = np.diff(edges)
    if open_ends and len(widths) > 1:
        inner = widths[[1, -2]] if len(widths) > 2 else widths[::-1]
        edges[0] = max(edges[0], edges[1] - _OPEN * inner[0])
        edges[-1] = min(edges[-1], edges[-2] + _OPEN * inner[1])
    return edges
