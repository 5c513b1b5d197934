"""Figures of the verdict on joint densities: shifts at calibration points, and transforms."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from pullfactory.auditing import FlowFit
from pullfactory.inference.density_rows import DensityVerdict
from pullfactory.inference.judgement import TOLERATED_BIAS
from pullfactory.inference.transforms import BINS
from pullfactory.report.figures import CLOSURE, Figures, by_name
from pullfactory.report.palette import REFERENCE, RHO, axis_label, label_of, with_minus
from pullfactory.report.style import legend_above, new_panels, scan_colours
from pullfactory.settings.audit import AuditConfig
from pullfactory.settings.study import Study

Verdict = DensityVerdict | FlowFit

_BAND = "#D9D9D9"
_APART = 0.5  # of the distance of points, over which correlations are spread


def make_density_figures(*, study: Study, densities: Sequence[DensityVerdict]) -> Figures:
    """Two figures for each method whose density was judged.

    Args:
        study: Gives names, labels and units.
        densities: The verdicts.
    """
    figures = []
    for method in dict.fromkeys(one.method for one in densities if one.shifts):
        own = [one for one in densities if one.method == method and one.shifts]
        for stem, draw in (("density_shifts", _shifts), ("density_transforms", _transforms)):
            figures.append(CLOSURE[stem].drawn(partial(draw, study, own), of=method))
    return by_name(figures)


def flow_shifts(config: AuditConfig, fit: FlowFit) -> Figure:
    """Shifts of the fit by a flow at every point of an audit.

    Args:
        config: Gives names, labels and units.
        fit: What is told of the flow; judged.
    """
    return _shifts(config, [fit])


def flow_transforms(config: AuditConfig, fit: FlowFit) -> Figure:
    """Probability integral transforms of the observables of an audit, by its flow.

    Args:
        config: Gives names, labels and units.
        fit: What is told of the flow; judged.
    """
    return _transforms(config, [fit])


def _of_rho(verdict: Verdict) -> str:
    return f"{RHO} = {verdict.rho:g}" if isinstance(verdict, DensityVerdict) else ""


def _shifts(study: Study | AuditConfig, densities: Sequence[Verdict]) -> Figure:
    figure, stacks = new_panels(len(study.parameter), share_y=True)
    for (ax,), parameter in zip(stacks, study.parameter_names, strict=True):
        plot_density_shifts(ax, study, densities, parameter)
    legend_above(figure, stacks[0][0])
    return figure


def _transforms(study: Study | AuditConfig, densities: Sequence[Verdict]) -> Figure:
    figure, stacks = new_panels(len(study.observable), share_y=True)
    for (ax,), observable in zip(stacks, study.observable_names, strict=True):
        plot_transforms(ax, study, densities, observable)
    legend_above(figure, stacks[0][0])
    return figure


def plot_density_shifts(
    ax: Axes, study: Study | AuditConfig, densities: Sequence[Verdict], parameter: str
) -> list[ErrorbarContainer]:
    """Shift of the estimate of one parameter at every calibration point.

    Thin bars are errors of the shifts, thick ones of their differences from the nominal point.

    Args:
        ax: Panel.
        study: Gives labels; a study or an audit.
        densities: Verdicts of one method, or what an audit tells of its flow.
        parameter: Name.

    Returns:
        The points, one series for each rho.
    """
    described = study.parameter[study.parameter_names.index(parameter)]
    labels = list(dict.fromkeys(row.point for row in densities[0].shifts))
    ax.axvspan(-TOLERATED_BIAS, TOLERATED_BIAS, color=_BAND, zorder=0.5)
    ax.axvline(0.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    offsets = _APART * (np.arange(len(densities)) - 0.5 * (len(densities) - 1)) / len(densities)
    drawn = []
    for one, colour, offset in zip(densities, scan_colours(len(densities)), offsets, strict=True):
        rows = [row for row in one.shifts if row.parameter == parameter]
        y = np.arange(len(rows)) + offset
        x = [row.shift for row in rows]
        thin = [row.shift_error for row in rows]
        thick = [row.difference_error for row in rows]
        ax.errorbar(x, y, xerr=thick, fmt="none", ecolor=colour, elinewidth=4.0, alpha=0.5)
        label = with_minus(_of_rho(one) or "fit by the flow")
        drawn.append(
            ax.errorbar(x, y, xerr=thin, fmt="o", color=colour, markersize=4.0, label=label)
        )
    ax.set_yticks(range(len(labels)), [with_minus(label) for label in labels])
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_xlabel(f"shift of {label_of(described)} / error")
    return drawn


def plot_transforms(
    ax: Axes, study: Study | AuditConfig, densities: Sequence[Verdict], observable: str
) -> list[ErrorbarContainer]:
    """Density of the transforms of one observable, at the point with the least uniform ones.

    Args:
        ax: Panel.
        study: Gives labels; a study or an audit.
        densities: Verdicts of one method, or what an audit tells of its flow.
        observable: Name.

    Returns:
        The points, one series for each rho.
    """
    described = study.observable[study.observable_names.index(observable)]
    centres = (np.arange(BINS) + 0.5) / BINS
    ax.axhline(1.0, color=REFERENCE, linestyle="--", linewidth=1.2)
    drawn = []
    for one, colour in zip(densities, scan_colours(len(densities)), strict=True):
        point = max(one.transforms, key=lambda row: row.distance).point
        (worst,) = (
            row for row in one.transforms if (row.point, row.observable) == (point, observable)
        )
        label = with_minus(", ".join(filter(None, (_of_rho(one), worst.point))))
        drawn.append(
            ax.errorbar(
                centres,
                BINS * np.array(worst.counts),
                yerr=BINS * np.array(worst.errors),
                fmt="o",
                color=colour,
                markersize=4.0,
                label=label,
            )
        )
    ax.set_xlim(0.0, 1.0)
    ax.set_xlabel(axis_label(f"P(below {label_of(described)} | others)", ""))
    ax.set_ylabel("density")
    return drawn
