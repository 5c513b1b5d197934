"""Figures of a closure: rates beside the exact ones, and the bias of the fits."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from pullfactory.inference.closing import Closure
from pullfactory.inference.judgement import TOLERATED_BIAS
from pullfactory.methods import BINNED
from pullfactory.report.figures import CLOSURE, Figures, by_name
from pullfactory.report.palette import (
    REFERENCE,
    axis_label,
    label_of,
    observable_style,
    with_minus,
)
from pullfactory.report.style import legend_above, new_panels
from pullfactory.settings.sections import Parameter
from pullfactory.settings.study import Study

_COLOURS = (0, 1, 2, 5)  # of the points of the grid whose rates are drawn; clear on the band
_BAND = "#D9D9D9"
_WITHIN = f"{TOLERATED_BIAS:.0%} of the error".replace("%", " %")
_EVENTS = (1e2, 1e7)  # drawn
_FLOOR = 1e-3  # of a logarithmic axis


def make_closure_figures(*, study: Study, closure: Closure) -> Figures:
    """Every figure of a closure.

    Args:
        study: Gives names, labels and units.
        closure: What was measured.
    """
    names = study.parameter_names
    figures = {
        "rates": partial(_rates, study, closure),
        "axes": partial(_bias, names, partial(plot_axis_bias, study=study, closure=closure)),
        "events": partial(_bias, names, partial(plot_scan_bias, study=study, closure=closure)),
    }
    return by_name(CLOSURE[stem].drawn(draw) for stem, draw in figures.items())


def _rates(study: Study, closure: Closure) -> Figure:
    figure, stacks = new_panels(len(closure.channels), size=(6.4, 5.4), share_y=True)
    for (ax,), (channel, _) in zip(stacks, closure.channels, strict=True):
        plot_rate_ratio(ax, study, closure, channel)
    named = stacks[0][0].get_legend_handles_labels()
    figure.legend(*named, loc="outside upper center", ncols=min(len(stacks), 2))
    return figure


def _bias(parameters: Sequence[str], plot: Callable[..., object]) -> Figure:
    figure, stacks = new_panels(len(parameters), share_y=True)
    for (ax,), parameter in zip(stacks, parameters, strict=True):
        plot(ax, parameter=parameter)
    legend_above(figure, stacks[0][0])
    return figure


def plot_rate_ratio(ax: Axes, study: Study, closure: Closure, channel: str) -> list[StepPatch]:
    """Predicted over exact rates of one channel where the morphing is worst.

    Of each kind of point on the grid the worst one is drawn, of the axes that of each parameter.
    The band is the statistical error of the study's number of events.

    Args:
        ax: Panel.
        study: Gives labels and units.
        closure: Rates on the grid.
        channel: Name.

    Returns:
        The ratio - 1 at each point, in percent.
    """
    grid = closure.grid
    names = [name for name, _ in closure.channels]
    position = names.index(channel)
    first = sum(bins for _, bins in closure.channels[:position])
    bins = slice(first, first + closure.channels[position][1])
    edges = closure.edges[position]
    centre = grid.exact[grid.kinds.index("centre")] if "centre" in grid.kinds else grid.exact[0]
    error = 100.0 / np.sqrt(centre[bins])
    ax.stairs(
        error,
        edges,
        baseline=-error,
        fill=True,
        color=_BAND,
        label=f"statistical error of {study.ensemble.n_events} events",
        zorder=0.5,
    )
    ax.axhline(0.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    drawn = []
    for colour, point in zip(_COLOURS, _worst_points(closure), strict=False):
        ratio = 100.0 * (grid.predicted[point, bins] / grid.exact[point, bins] - 1.0)
        drawn.append(
            ax.stairs(
                ratio,
                edges,
                baseline=None,
                color=observable_style(colour).colour,
                linewidth=2.0,
                label=_point_label(study.parameter, grid.theta[point]),
            )
        )
    described = study.observable[study.observable_names.index(channel)]
    ax.set_xlabel(axis_label(label_of(described), described.unit))
    ax.set_ylabel("predicted / exact \N{MINUS SIGN} 1 [%]")
    ax.set_xlim(edges[0], edges[-1])
    return drawn


def plot_axis_bias(ax: Axes, study: Study, closure: Closure, parameter: str) -> list[Line2D]:
    """Bias of all fitted parameters along the axis of one of them.

    Args:
        ax: Panel.
        study: Gives labels and units.
        closure: Fits on the grid.
        parameter: Name of the one whose true value changes.

    Returns:
        Fitted - true in units of the error, one line per parameter.
    """
    grid = closure.grid
    k = study.parameter_names.index(parameter)
    others = np.delete(np.arange(len(study.parameter)), k)
    mean = np.array([p.truth_mean for p in study.parameter])
    on_axis = np.isin(grid.kinds, ("centre", "axis"))
    on_axis &= np.all(grid.theta[:, others] == mean[others], axis=1)
    points = np.flatnonzero(on_axis)
    points = points[np.argsort(grid.theta[points, k])]
    ax.axhspan(-TOLERATED_BIAS, TOLERATED_BIAS, color=_BAND, label=_WITHIN, zorder=0.5)
    lines = []
    for j, described in enumerate(study.parameter):
        style = observable_style(j)
        lines += ax.plot(
            grid.theta[points, k],
            grid.pull[points, j],
            color=style.colour,
            marker=style.marker,
            label=label_of(described),
        )
    ax.set_xlabel(axis_label(f"true {label_of(study.parameter[k])}", study.parameter[k].unit))
    ax.set_ylabel("(fitted \N{MINUS SIGN} true) / error")
    return lines


def plot_scan_bias(ax: Axes, study: Study, closure: Closure, parameter: str) -> list[Line2D]:
    """Bias of one parameter against the number of events per toy.

    Args:
        ax: Panel.
        study: Gives labels, and its own number of events.
        closure: The scan.
        parameter: Name.

    Returns:
        Root mean square bias over the ensemble, and the largest bias on the grid.
    """
    scan = closure.scan
    k = study.parameter_names.index(parameter)
    curves = {"root mean square of the toys": scan.bias[:, k]}
    if scan.worst is not None:
        curves["largest bias on the grid"] = scan.worst[:, k]
    ax.axhspan(_FLOOR, TOLERATED_BIAS, color=_BAND, label=_WITHIN, zorder=0.5)
    ax.axvline(study.ensemble.n_events, color=REFERENCE, linestyle=":", label="events of the study")
    lines = []
    colour = BINNED.colour
    shown = (scan.events >= _EVENTS[0]) & (scan.events <= _EVENTS[1])
    for (label, size), look in zip(curves.items(), ("-", "--")[: len(curves)], strict=True):
        lines += ax.plot(scan.events[shown], size[shown], color=colour, linestyle=look, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(*_EVENTS)
    ax.set_ylim(bottom=_FLOOR, auto=True)  # panels share it, and the others may reach higher
    ax.set_xlabel("events per toy")
    ax.set_ylabel("|bias| / error")
    ax.set_title(label_of(study.parameter[k]), loc="left")
    return lines


def _worst_points(closure: Closure) -> list[int]:
    """The worst point of each parameter's axis and of each other kind, the worst of all first."""
    grid = closure.grid
    size = np.abs(grid.deviation).max(axis=1)
    centre = grid.theta[grid.kinds.index("centre")] if "centre" in grid.kinds else grid.theta[0]
    groups: dict[object, list[int]] = {}
    for point, kind in enumerate(grid.kinds):
        moved = np.flatnonzero(grid.theta[point] != centre).tolist()
        groups.setdefault((kind, *(moved if kind == "axis" else ())), []).append(point)
    worst = [max(points, key=lambda point: size[point]) for points in groups.values()]
    return sorted(worst, key=lambda point: -size[point])


def _point_label(parameters: Sequence[Parameter], theta: NDArray[np.float64]) -> str:
    """True values that are not 0, with their units."""
    parts = [
        f"{label_of(described)} = {value:.3g} {described.unit}".rstrip()
        for described, value in zip(parameters, theta, strict=True)
        if value
    ]
    return with_minus(", ".join(parts)) or "all 0"
