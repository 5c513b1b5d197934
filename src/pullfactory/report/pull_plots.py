"""What the toys say: pull distributions, and pull width and mean against the correlation."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import StepPatch

from pullfactory.inference import PredictedPull, PullSummary, PullSums
from pullfactory.inference.pulls import PULL_EDGES
from pullfactory.methods import method_kind
from pullfactory.numbers import rounded
from pullfactory.report.palette import (
    REFERENCE,
    RHO,
    label_of,
    method_label,
    method_style,
    with_minus,
)
from pullfactory.report.style import inner_legend, scan_colours
from pullfactory.settings.sections import Parameter
from pullfactory.settings.study import Study

_DRAWN = 4.0  # |pull| up to which distributions are drawn
_OFFSET = 0.02  # between the points of two methods, as part of the scan
_DASH = 60.0  # points, of a prediction at a single rho
_MARGIN = 0.06  # on both sides of the scan, as part of it


def plot_pulls(
    ax: Axes, study: Study, sums: Mapping[float, PullSums], parameter: str
) -> list[StepPatch]:
    """Distributions of the pulls of one parameter with one method, and the unit Gaussian.

    Args:
        ax: Panel.
        study: Gives labels and the order of the parameters.
        sums: Sums over the pulls, by rho; each becomes a step line with an error band.
        parameter: Name.

    Returns:
        The step line of each rho, a probability density.
    """
    k = study.parameter_names.index(parameter)
    merged = _merged_bins(max((int(row.counted[0, k]) for row in sums.values()), default=0))
    edges = PULL_EDGES[::merged]
    x = np.linspace(-_DRAWN, _DRAWN, 161)
    ax.plot(
        x,
        np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi),
        color=REFERENCE,
        linestyle="--",
        label="unit Gaussian",
        zorder=3.0,
    )
    steps = []
    for (rho, row), colour in zip(sums.items(), scan_colours(len(sums)), strict=True):
        counts = row.histogram[k].reshape(-1, merged).sum(axis=1)
        norm = max(int(row.counted[0, k]), 1) * np.diff(edges)
        density, error = counts / norm, np.sqrt(counts) / norm
        ax.stairs(
            density + error, edges, baseline=density - error, fill=True, color=colour, alpha=0.2
        )
        pulls = PullSummary.from_sums(study.parameter_names, row)[k]
        mean = rounded(pulls.mean, pulls.mean_error)
        width = rounded(pulls.width, pulls.width_error)
        numbers = f"{mean}, {width}" if row.counted[0, k] else "no pulls"
        label = with_minus(f"{rho:g}: {numbers}")
        steps.append(ax.stairs(density, edges, color=colour, linewidth=1.6, label=label))
    ax.set_xlim(-_DRAWN, _DRAWN)
    ax.set_ylim(bottom=0.0)
    inner_legend(ax, f"{RHO}: mean, width of the pulls")
    ax.set_xlabel(f"pull of {label_of(study.parameter[k])}")
    ax.set_ylabel("density")
    return steps


def _merged_bins(n_pulls: int) -> int:
    """Bins of the histogram to draw as one, by Scott's rule (doi:10.1093/biomet/66.3.605)."""
    width = 3.5 / max(n_pulls, 1) ** (1 / 3)
    return next((m for m in (1, 2) if m * (PULL_EDGES[1] - PULL_EDGES[0]) >= width), 4)


def plot_pull_width(
    ax: Axes,
    study: Study,
    sums: Mapping[tuple[float, str], PullSums],
    parameter: str,
    *,
    predictions: Sequence[PredictedPull] = (),
) -> dict[str, ErrorbarContainer]:
    """Pull width of one parameter against the correlation, for all methods.

    Args:
        ax: Panel.
        study: Gives labels and the order of the parameters.
        sums: Sums over the pulls, by rho and method.
        parameter: Name.
        predictions: What was expected without toys; drawn as lines.

    Returns:
        The points of each method.
    """
    k = study.parameter_names.index(parameter)
    methods = _methods(sums)
    _plot_predictions(ax, predictions, methods, parameter)
    series = [_Series(method, "width") for method in methods]
    points = _plot_scan(ax, study.parameter, sums, k, series, reference=1.0)
    ax.set_ylabel("pull width")
    return dict(zip(methods, points, strict=True))


def plot_repair(
    ax: Axes,
    study: Study,
    sums: Mapping[tuple[float, str], PullSums],
    parameter: str,
    methods: Sequence[str],
    *,
    predictions: Sequence[PredictedPull] = (),
) -> dict[tuple[str, str], ErrorbarContainer]:
    """Pull widths with claimed errors, filled, and with corrected ones, open.

    Those of a joint method need no correction.

    Args:
        ax: Panel.
        study: Gives labels and the order of the parameters.
        sums: Sums over the pulls, by rho and method.
        parameter: Name.
        methods: Which methods.
        predictions: What was expected without toys; drawn as lines.

    Returns:
        The points by method and quantity, "width" or "corrected_width".
    """
    k = study.parameter_names.index(parameter)
    _plot_predictions(ax, predictions, methods, parameter)
    series = [
        _Series(method, quantity)
        for method in methods
        for quantity in ("width", "corrected_width")
        if method_kind(method).independent or quantity != "corrected_width"
    ]
    points = _plot_scan(ax, study.parameter, sums, k, series, reference=1.0)
    ax.set_ylabel("pull width")
    return dict(zip(((one.method, one.quantity) for one in series), points, strict=True))


def plot_pull_mean(
    ax: Axes, study: Study, sums: Mapping[tuple[float, str], PullSums], parameter: str
) -> dict[str, ErrorbarContainer]:
    """Mean pull of one parameter against the correlation, for all methods.

    Args:
        ax: Panel.
        study: Gives labels and the order of the parameters.
        sums: Sums over the pulls, by rho and method.
        parameter: Name.

    Returns:
        The points of each method.
    """
    k = study.parameter_names.index(parameter)
    methods = _methods(sums)
    series = [_Series(method, "mean") for method in methods]
    points = _plot_scan(ax, study.parameter, sums, k, series, reference=0.0)
    ax.set_ylabel("pull mean")
    return dict(zip(methods, points, strict=True))


class _Series(NamedTuple):
    """Points of one colour: a quantity of the pull summary of one method."""

    method: str
    quantity: str

    @property
    def corrected(self) -> bool:
        return self.quantity.startswith("corrected")


def _methods(sums: Mapping[tuple[float, str], PullSums]) -> list[str]:
    return list(dict.fromkeys(method for _, method in sums))


def _plot_predictions(
    ax: Axes, predictions: Sequence[PredictedPull], methods: Sequence[str], parameter: str
) -> None:
    for method in methods:
        chosen = (row for row in predictions if (row.method, row.parameter) == (method, parameter))
        line = sorted((row.rho, row.predicted_width) for row in chosen)
        if line:
            ax.plot(
                *zip(*line, strict=True),
                color=method_style(method).colour,
                marker="_" if len(line) == 1 else "",
                markersize=_DASH,
                markeredgewidth=1.8,
                zorder=1.5,
            )


def _plot_scan(
    ax: Axes,
    parameters: Sequence[Parameter],
    sums: Mapping[tuple[float, str], PullSums],
    k: int,
    series: Sequence[_Series],
    *,
    reference: float,
) -> list[ErrorbarContainer]:
    """Series of the pull summary of the k-th parameter against rho, slightly apart."""
    ax.axhline(reference, color=REFERENCE, linestyle="--", linewidth=1.2)
    scan = sorted({rho for rho, _ in sums})
    names = tuple(parameter.name for parameter in parameters)
    span = (scan[-1] - scan[0]) or 1.0
    nearest = np.diff(scan).min(initial=span)
    step = min(_OFFSET * span, 0.6 * nearest / len(series))
    points = []
    for i, one in enumerate(series):
        rows = {
            rho: PullSummary.from_sums(names, sums[rho, one.method])[k]
            for rho in scan
            if (rho, one.method) in sums
        }
        values, errors = (
            np.array([getattr(row, name) for row in rows.values()], dtype=np.float64)
            for name in (one.quantity, f"{one.quantity}_error")
        )
        style = method_style(one.method)
        label = method_label(one.method)
        points.append(
            ax.errorbar(
                np.array(list(rows)) + step * (i - 0.5 * (len(series) - 1)),
                values,
                np.nan_to_num(errors),
                marker=style.marker,
                linestyle="none",
                color=style.colour,
                markerfacecolor="white" if one.corrected else style.colour,
                capsize=2.5,
                label=f"{label}, corrected" if one.corrected else label,
            )
        )
    ax.set_xlim(scan[0] - _MARGIN * span, scan[-1] + _MARGIN * span)
    if len(scan) == 1:  # numbers beside it would be no correlations
        ax.set_xticks(scan)
    ax.set_xlabel(f"correlation {RHO}")
    ax.set_title(label_of(parameters[k]), loc="left")
    return points
