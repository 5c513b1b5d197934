"""What the calibration has learnt: samples, densities, templates, response."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.calibration import Calibration
from pullfactory.report.rounding import EXACT_SLOPE, rounded
from pullfactory.report.style import (
    REFERENCE,
    axis_label,
    inner_legend,
    label_of,
    observable_style,
    variation_style,
    with_minus,
)

__all__ = ["plot_response", "plot_samples", "plot_templates"]

_STEPS = (-1, 0, 1)


def plot_samples(
    panels: tuple[Axes, Axes], calibration: Calibration, observable: str, parameter: str
) -> list[ErrorbarContainer]:
    """Calibration samples of one observable, and the densities fitted to them.

    Above the densities of the samples with this parameter at -1, 0 and +1, below their ratio to
    the density fitted to the nominal sample. Points are samples with statistical errors, lines
    the fitted densities.

    Args:
        panels: Upper and lower panel.
        calibration: Samples and fits.
        observable: Name.
        parameter: Name of the parameter that is varied.

    Returns:
        Points of the samples at -1, 0 and +1, in the upper panel.
    """
    upper, lower = panels
    o = calibration.study.observable_names.index(observable)
    described = calibration.study.observable[o]
    spectrum = calibration.spectra[o]
    edges = np.asarray(spectrum.axes[1].edges)
    centres, width = 0.5 * (edges[1:] + edges[:-1]), edges[1] - edges[0]
    norm = calibration.study.calibration.events_per_point * width
    x = np.linspace(edges[0], edges[-1], 301)
    nominal = _density(calibration, o, _point(calibration, parameter, 0))
    points = []
    for step in _STEPS:
        style, where = variation_style(step), _point(calibration, parameter, step)
        counts = np.asarray(spectrum.values())[where]
        density, error = counts / norm, _errors(calibration, counts) / norm
        fitted = _density(calibration, o, where)
        points.append(
            upper.errorbar(
                centres,
                density,
                error,
                fmt=style.marker,
                color=style.colour,
                markersize=3.0,
                elinewidth=1.0,
                label=_step_label(step),
            )
        )
        upper.plot(x, fitted(x), color=style.colour)
        reference = nominal(centres)
        lower.errorbar(
            centres,
            density / reference,
            error / reference,
            fmt=style.marker,
            color=style.colour,
            markersize=2.0,
            elinewidth=0.8,
            alpha=0.5,
        )
        lower.plot(x, fitted(x) / nominal(x), color=style.colour)
    upper.set_ylim(bottom=0.0)
    upper.set_ylabel(axis_label("density", f"1/{described.unit}" if described.unit else ""))
    lower.set_ylabel("ratio to fit")
    lower.set_xlabel(axis_label(label_of(described), described.unit))
    lower.set_xlim(edges[0], edges[-1])
    _name_parameter(upper, calibration, parameter)
    return points


def plot_templates(
    panels: tuple[Axes, Axes], calibration: Calibration, observable: str, parameter: str
) -> list[StepPatch]:
    """Templates of one observable with one parameter at -1, 0 and +1, and their ratio to nominal.

    Error bars are statistical, from the number of events of the template itself; what templates
    of the same events share does not cancel in them.

    Args:
        panels: Upper and lower panel.
        calibration: Templates.
        observable: Name.
        parameter: Name of the parameter that is varied.

    Returns:
        Templates at -1, 0 and +1 in the upper panel, in events per unit of the observable.
    """
    upper, lower = panels
    o = calibration.study.observable_names.index(observable)
    described = calibration.study.observable[o]
    edges = calibration.edges[o]
    centres, widths = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    nominal = calibration.counts[o][_point(calibration, parameter, 0)]
    steps = []
    for step in _STEPS:
        colour = variation_style(step).colour
        counts = calibration.counts[o][_point(calibration, parameter, step)]
        error = _errors(calibration, counts)
        for ax, scale in ((lower, nominal), (upper, widths)):
            ax.errorbar(centres, counts / scale, error / scale, fmt="none", color=colour)
            line = ax.stairs(counts / scale, edges, color=colour, baseline=None, linewidth=1.6)
        line.set_label(_step_label(step))
        steps.append(line)
    upper.set_ylim(bottom=0.0)
    upper.set_ylabel(f"events / {described.unit or 'bin width'}")
    lower.set_ylabel("ratio")
    lower.set_xlabel(axis_label(label_of(described), described.unit))
    lower.set_xlim(edges[0], edges[-1])
    _name_parameter(upper, calibration, parameter)
    return steps


def plot_response(
    panels: tuple[Axes, Axes], calibration: Calibration, parameter: str
) -> list[ErrorbarContainer]:
    """Location and scale of all observables against one parameter, relative to nominal.

    Points are the estimates at the three samples that vary this parameter alone, lines the
    response fitted to all samples; slopes with their errors are in the legends.

    Args:
        panels: For the location and for the scale.
        calibration: Estimates and response.
        parameter: Name of the parameter that is varied.

    Returns:
        Points of each observable, location first.
    """
    study, response = calibration.study, calibration.response
    k = study.parameter_names.index(parameter)
    described = study.parameter[k]
    where = [_point(calibration, parameter, step) for step in (-1, 0, 1)]
    parts = (
        (r"\mu", response.mu, response.mu_slopes),
        (r"\sigma", response.sigma, response.sigma_slopes),
    )
    points = []
    for i, (ax, (symbol, value, slopes)) in enumerate(zip(panels, parts, strict=True)):
        ax.axhline(0.0, color=REFERENCE, linewidth=1.0, linestyle=":")
        for o, observable in enumerate(study.observable):
            style, slope = observable_style(o), float(slopes[o, k])
            variance = calibration.response_covariance[o].diagonal()
            slope_error = np.sqrt(max(variance[i * (1 + len(slopes[o])) + 1 + k], 0.0))
            points.append(
                ax.errorbar(
                    (-1, 0, 1),
                    100.0 * (calibration.moments[where, o, i] / value[o] - 1.0),
                    100.0 * np.abs(calibration.moment_errors[where, o, i] / value[o]),
                    fmt=style.marker,
                    color=style.colour,
                    capsize=3.0,
                    label=f"{label_of(observable)}: {_percent(slope, slope_error)}",
                )
            )
            ax.plot((-1, 1), (-100.0 * slope, 100.0 * slope), color=style.colour)
        ax.set_xlim(-1.25, 1.25)
        ax.set_xticks((-1, 0, 1))
        ax.set_ylabel(rf"${symbol}/{symbol}_0 - 1$ [%]")
        ax.set_xlabel(axis_label(label_of(described), described.unit))
        inner_legend(ax, axis_label("slope", f"%/{described.unit}" if described.unit else "%"))
    return points


def _point(calibration: Calibration, parameter: str, step: int) -> int:
    """Row of the sample with one parameter off nominal."""
    names = np.array(calibration.study.parameter_names)
    wanted = np.where(names == parameter, step, 0)
    return int(np.flatnonzero((calibration.points == wanted).all(axis=1))[0])


def _density(
    calibration: Calibration, observable: int, point: int
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """The density fitted to one sample, in 1 / unit of the observable."""
    mu, sigma = calibration.moments[point, observable]
    family = calibration.study.families[observable]
    return lambda x: np.exp(np.asarray(family.log_density(jnp.asarray((x - mu) / sigma)))) / sigma


def _errors(calibration: Calibration, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Statistical errors of the counts; none if they are exact."""
    exact = calibration.study.calibration.source == "exact"
    return np.zeros_like(counts) if exact else np.sqrt(counts)


def _percent(value: float, error: float) -> str:
    return with_minus(rounded(100.0 * value, 100.0 * error, floor=100.0 * EXACT_SLOPE))


def _step_label(step: int) -> str:
    return with_minus(f"{step:+d}") if step else "nominal"


def _name_parameter(ax: Axes, calibration: Calibration, parameter: str) -> None:
    described = calibration.study.parameter[calibration.study.parameter_names.index(parameter)]
    unit = f" {described.unit}" if described.unit else ""
    ax.set_title(f"{label_of(described)} = ±1{unit}", loc="left")
