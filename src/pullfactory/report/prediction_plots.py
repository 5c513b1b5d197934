"""What is expected without toys: pull widths and errors against the correlation."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pullfactory.inference import PredictedPull, WeightRow
from pullfactory.inference.judgement import TOLERATED
from pullfactory.report.figures import PREDICTION, Figures, by_name
from pullfactory.report.palette import (
    REFERENCE,
    RHO,
    axis_label,
    label_of,
    method_label,
    method_style,
)
from pullfactory.report.style import legend_above, new_panels
from pullfactory.report.weight_plots import weight_figures
from pullfactory.settings.sections import Parameter
from pullfactory.settings.study import Study


def make_prediction_figures(
    study: Study, rows: Sequence[PredictedPull], weights: Sequence[WeightRow] = ()
) -> Figures:
    """The figures of a prediction.

    Args:
        study: What was predicted for.
        rows: The prediction.
        weights: Of the observables.
    """
    pulls = PREDICTION["prediction"].drawn(partial(_figure, study, rows))
    return by_name([pulls, *weight_figures(study, weights)])


def _figure(study: Study, rows: Sequence[PredictedPull]) -> Figure:
    figure, stacks = new_panels(len(study.parameter), size=(5.4, 8.0), heights=(1.0, 1.0))
    for panels, name in zip(stacks, study.parameter_names, strict=True):
        plot_predicted_width(panels[0], study, rows, name)
        plot_predicted_error(panels[1], study, rows, name)
        panels[0].set_xlabel("")
    legend_above(figure, stacks[0][1])
    return figure


def plot_predicted_width(
    ax: Axes, study: Study, rows: Sequence[PredictedPull], parameter: str
) -> dict[str, Line2D]:
    """Predicted pull width of one parameter against the correlation.

    Args:
        ax: Panel.
        study: Gives labels.
        rows: The prediction.
        parameter: Name.

    Returns:
        The line of each method.
    """
    ax.axhline(1.0, color=REFERENCE, linestyle=":", linewidth=1.2)
    lines = {}
    for method, some in _by_method(rows, parameter).items():
        style = method_style(method)
        (lines[method],) = ax.plot(
            [row.rho for row in some],
            [row.predicted_width for row in some],
            color=style.colour,
            marker=style.marker if len(some) == 1 else "",
            label=method_label(method),
        )
    _finish(ax, study.parameter[study.parameter_names.index(parameter)])
    ax.axhspan(1 - TOLERATED, 1 + TOLERATED, color=REFERENCE, alpha=0.12, linewidth=0)
    ax.set_ylabel("predicted pull width")
    return lines


def plot_predicted_error(
    ax: Axes, study: Study, rows: Sequence[PredictedPull], parameter: str
) -> dict[str, tuple[Line2D, Line2D]]:
    """Actual (solid) and claimed (dashed) error of one parameter against the correlation.

    The error of a joint fit (dash-dotted), where it is known, is the same for every method.

    Args:
        ax: Panel.
        study: Gives labels and units.
        rows: The prediction.
        parameter: Name.

    Returns:
        Both lines of each method.
    """
    lines = {}
    for method, some in _by_method(rows, parameter).items():
        style = method_style(method)
        drawn = [
            ax.plot(
                [row.rho for row in some],
                [getattr(row, f"{kind}_error") for row in some],
                color=style.colour,
                linestyle=dashes,
                markerfacecolor="white" if kind == "claimed" else style.colour,
                marker=style.marker if len(some) == 1 else "",
                label=f"{method_label(method)}, {kind}",
            )[0]
            for kind, dashes in (("actual", "-"), ("claimed", "--"))
        ]
        lines[method] = (drawn[0], drawn[1])
        _plot_optimal_error(ax, some, style.colour)
    _plot_joint_error(ax, rows, parameter)
    described = study.parameter[study.parameter_names.index(parameter)]
    _finish(ax, described)
    ax.set_ylim(0.0, 1.05 * ax.get_ylim()[1])
    ax.set_ylabel(axis_label("error", described.unit))
    return lines


def _plot_optimal_error(ax: Axes, rows: Sequence[PredictedPull], colour: str) -> None:
    """That of the optimal combination (dotted), where it is known."""
    errors: list[float] = [getattr(row, "optimal_error", None) or np.nan for row in rows]
    if np.all(np.isfinite(errors)):
        ax.plot(
            [row.rho for row in rows],
            errors,
            color=colour,
            linestyle=":",
            marker="D" if len(rows) == 1 else "",
            label=f"{method_label(rows[0].method)}, optimal",
        )


def _plot_joint_error(ax: Axes, rows: Sequence[PredictedPull], parameter: str) -> None:
    errors = {row.rho: row.joint_error for row in rows if row.parameter == parameter}
    known = sorted((rho, error) for rho, error in errors.items() if error is not None)
    if known:
        ax.plot(
            *zip(*known, strict=True),
            color=REFERENCE,
            linestyle="-.",
            marker="*" if len(known) == 1 else "",
            label="joint density",
        )


def _by_method(rows: Sequence[PredictedPull], parameter: str) -> dict[str, list[PredictedPull]]:
    """Rows of one parameter by method, in ascending rho."""
    methods = dict.fromkeys(row.method for row in rows)
    return {
        method: sorted(
            (row for row in rows if (row.method, row.parameter) == (method, parameter)),
            key=lambda row: row.rho,
        )
        for method in methods
    }


def _finish(ax: Axes, parameter: Parameter) -> None:
    ax.set_xlabel(f"correlation {RHO}")
    ax.set_title(label_of(parameter), loc="left")
