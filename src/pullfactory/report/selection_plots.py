"""What sets of observables give: errors of the parameter of interest, set by set."""

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pullfactory.report.figures import SELECTION, Figures, by_name
from pullfactory.report.palette import (
    REFERENCE,
    Described,
    axis_label,
    label_of,
    method_label,
    method_style,
)
from pullfactory.report.style import (
    label_width,
    legend_above,
    new_panels,
)
from pullfactory.settings.study import Study

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pullfactory.inference.rows import SelectionRow, SetRow

    Compared = SelectionRow | SetRow

_ROW, _FRAME, _POINTS = 0.4, 2.3, 6.0  # inches
_SHOWN = 20  # sets, the best ones
_FAR = 2.0  # ratio to the lowest error above which a set is not drawn


def make_selection_figures(study: Study, rows: "Mapping[str, Sequence[Compared]]") -> Figures:
    """The figure of a selection.

    Args:
        study: Gives labels and units.
        rows: For each method its sets, the best one first.
    """
    return by_name([SELECTION["selection"].drawn(partial(_figure, study, rows))])


def _figure(study: Study, rows: "Mapping[str, Sequence[Compared]]") -> Figure:
    figure, stacks = new_panels(len(rows), size=selection_size(study, *rows.values()))
    for (ax,), (method, some) in zip(stacks, rows.items(), strict=True):
        plot_selection(ax, study, some, method)
    legend_above(figure, stacks[0][0])
    return figure


class Labelled(Protocol):
    """What names parameters and observables: a study, or an audit."""

    @property
    def poi(self) -> str:
        """Parameter of interest."""

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of the parameters."""

    @property
    def parameter(self) -> "Sequence[Described]":
        """The parameters."""

    @property
    def observable(self) -> "Sequence[Described]":
        """The observables."""


def plot_selection(
    ax: Axes, study: Labelled, rows: "Sequence[Compared]", method: str
) -> dict[str, Line2D]:
    """Claimed, actual, optimal and joint error of the parameter of interest, one line per set.

    Args:
        ax: Panel.
        study: Gives labels and units.
        rows: Sets, the best one first; those far down are left out.
        method: Gives the colour.

    Returns:
        The points of each kind of error that is known.
    """
    near = _near(rows)
    colour = method_style(method).colour
    kinds: dict[str, dict[str, Any]] = {
        "claimed": {"marker": "o", "color": colour, "markerfacecolor": "white"},
        "actual": {"marker": "o", "color": colour},
        "optimal": {"marker": "D", "color": colour, "markersize": 5.0},
        "joint": {"marker": "|", "color": REFERENCE, "markersize": 14, "markeredgewidth": 2.5},
    }
    places = range(len(near))
    points = {}
    for kind, look in kinds.items():
        key = f"{kind}_error"
        errors: list[Any] = [getattr(row.pull, key, getattr(row, key, None)) for row in near]
        if None not in errors:
            name = {"joint": "joint density", "optimal": "combined optimally"}.get(kind, kind)
            (points[kind],) = ax.plot(errors, places, linestyle="", label=name, **look)
    ends = zip(*((row.pull.claimed_error, row.pull.actual_error) for row in near), strict=True)
    ax.hlines(places, *ends, color=colour, linewidth=1.5, zorder=1)
    _finish(ax, study, near)
    ax.set_title(method_label(method), loc="left", fontsize="small")
    if len(rows) > len(near):
        ax.set_title(f"{len(rows) - len(near)} worse sets not drawn", loc="right", fontsize="small")
    return points


def plot_differences(
    ax: Axes, study: Labelled, rows: "Sequence[SetRow]", method: str
) -> ErrorbarContainer:
    """How far the actual error of each set is above that of the best, with its error.

    Args:
        ax: Panel beside that of `plot_selection`, with the same sets.
        study: Gives labels.
        rows: Sets, the best one first; those far down are left out.
        method: Gives the colour.

    Returns:
        The points, in percent.
    """
    near = rows[: len(_near(rows))]
    known = [(k, row) for k, row in enumerate(near) if row.difference is not None]
    points = ax.errorbar(
        [100.0 * (row.difference or 0.0) for _, row in known],
        [k for k, _ in known],
        xerr=[100.0 * (row.difference_error or 0.0) for _, row in known],
        fmt="o",
        color=method_style(method).colour,
    )
    ax.axvline(0.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    _finish(ax, study, near)
    ax.set_xlabel("actual error above the best [%]")
    return points


def selection_size(study: Labelled, *rows: "Sequence[Compared]") -> tuple[float, float]:
    """Width and height of a panel with room for the sets that are drawn, in inches.

    Args:
        study: Gives labels.
        rows: For each panel its sets, the best one first.
    """
    near = [_near(some) for some in rows]
    names = [
        label_width(name, mpl.rcParams["font.size"])
        for some in near
        for name in _names(study, some)
    ]
    height = _FRAME + _ROW * max(map(len, near), default=1)
    return max(9.5, _POINTS + max(names, default=0.0)), height


def _names(study: Labelled, rows: "Sequence[Compared]") -> list[str]:
    labels = {observable.name: label_of(observable) for observable in study.observable}
    return [", ".join(labels[name] for name in row.observables) for row in rows]


def _near(rows: "Sequence[Compared]") -> "Sequence[Compared]":
    """Those worth drawing."""
    limit = _FAR * rows[0].pull.actual_error
    return [row for row in rows[:_SHOWN] if not row.pull.actual_error > limit]


def _finish(ax: Axes, study: Labelled, rows: "Sequence[Compared]") -> None:
    ax.set_yticks(range(len(rows)), _names(study, rows))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", which="both", length=0)
    ax.grid(axis="y", color="0.92", linestyle="-", linewidth=0.8)
    ax.set_axisbelow(True)
    parameter = study.parameter[study.parameter_names.index(study.poi)]
    ax.set_xlabel(axis_label(f"error of {label_of(parameter)}", parameter.unit))
