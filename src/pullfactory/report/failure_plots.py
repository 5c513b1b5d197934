"""Where in the truth fits of toys fail."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pullfactory.fitting import FitStatus
from pullfactory.inference.failures import MethodFailures, TruthBins
from pullfactory.inference.pulls import wilson_interval
from pullfactory.numbers import plain
from pullfactory.report.palette import RHO, area_colours, method_label, with_minus
from pullfactory.report.style import legend_above, new_panels

_MOST = 6  # parameters
_FAILED = [status for status in FitStatus if status > FitStatus.RECOVERED]


def failure_figure(failures: MethodFailures, labels: dict[str, str]) -> Figure:
    """Failed fits of one method against rho, and against the truth of the parameters.

    Of many parameters those are drawn whose truth matters most.

    Args:
        failures: Of the method.
        labels: Of the parameters with their units, by name; others have their names.
    """
    shown = sorted(failures.bins, key=lambda one: -one.trend)[:_MOST]
    bins = [one for one in failures.bins if one in shown]
    figure, stacks = new_panels(1 + len(bins), size=(5.0, 4.4))
    first, *others = (ax for (ax,) in stacks)
    plot_failed_by_rho(first, failures)
    for ax, one in zip(others, bins, strict=True):
        plot_failed_by_truth(ax, one, labels.get(one.parameter, one.parameter))
    first.set_title(method_label(failures.method), loc="left", fontsize="small")
    if not bins:
        first.set_title("the truth is fixed", loc="right", fontsize="small")
    elif left := len(failures.bins) - len(bins):
        first.set_title(f"{left} parameters not drawn", loc="right", fontsize="small")
    legend_above(figure, first)
    return figure


def plot_failed_by_truth(ax: Axes, bins: TruthBins, label: str) -> ErrorbarContainer:
    """Fraction of failed fits in bins of the truth of one parameter, coloured by status.

    Args:
        ax: Panel.
        bins: Failed fits.
        label: Of the parameter, with its unit.

    Returns:
        The fractions with their intervals of 68 % confidence.
    """
    points = _plot(ax, bins.edges, bins.toys, bins.failed)
    ax.set_xlim(bins.edges[0], bins.edges[-1])
    ax.set_xlabel(f"truth of {label}")
    return points


def plot_failed_by_rho(ax: Axes, failures: MethodFailures) -> ErrorbarContainer:
    """Fraction of failed fits at each rho, coloured by status.

    Args:
        ax: Panel.
        failures: Of one method.

    Returns:
        The fractions with their intervals of 68 % confidence.
    """
    scan = sorted(failures.toys, key=lambda rho: 0.0 if rho is None else rho)
    toys = np.array([failures.toys[rho] for rho in scan])
    points = _plot(
        ax,
        np.linspace(-0.5, len(scan) - 0.5, len(scan) + 1),
        toys,
        np.stack([failures.failed[rho] for rho in scan]),
    )
    names = ["all toys" if rho is None else with_minus(plain(rho)) for rho in scan]
    ax.set_xticks(range(len(scan)), names)
    ax.tick_params(axis="x", which="minor", length=0)
    if scan != [None]:
        ax.set_xlabel(RHO)
    return points


def _plot(
    ax: Axes,
    edges: NDArray[np.float64],
    toys: NDArray[np.int64],
    failed: NDArray[np.int64],
) -> ErrorbarContainer:
    """Statuses on each other, as fractions, and their sum with its interval."""
    some = np.maximum(toys, 1)
    base = np.zeros(len(toys))
    for status, colour in zip(_FAILED, area_colours(), strict=False):
        top = base + failed[:, status] / some
        if failed[:, status].any():
            label = status.label.replace("_", " ")
            ax.stairs(top, edges, baseline=base, fill=True, color=colour, lw=0, label=label)
        base = top
    known = toys > 0
    total = failed.sum(axis=1)
    ends = np.array(
        [wilson_interval(int(k), int(n)) for k, n in zip(total[known], toys[known], strict=True)]
    ).reshape(-1, 2)
    centres = 0.5 * (edges[1:] + edges[:-1])
    value = (total / some)[known]
    points = ax.errorbar(
        centres[known],
        value,
        yerr=np.maximum(np.abs(ends.T - value), 0.0),
        fmt="o",
        color="black",
        markersize=4,
        label="all failed",
    )
    ax.set_ylabel("fraction of fits")
    ax.set_ylim(bottom=0.0)
    return points
