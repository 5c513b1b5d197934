"""What the calibration has learnt: samples, densities, templates, response."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import StepPatch
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.calibration import Calibration
from pullfactory.numbers import EXACT_SLOPE, rounded
from pullfactory.report.palette import (
    REFERENCE,
    axis_label,
    label_of,
    observable_style,
    variation_style,
    with_minus,
)
from pullfactory.report.style import inner_legend

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
        Points of the samples at -1, 0 and +1 in the upper panel, in 1 / unit of the observable.
    """
    upper, lower = panels
    o = calibration.study.observable_names.index(observable)
    spectrum = calibration.spectra[o]
    edges = np.asarray(spectrum.axes[1].edges)
    centres, x = 0.5 * (edges[1:] + edges[:-1]), np.linspace(edges[0], edges[-1], 301)
    norm = calibration.study.calibration.events_per_point * np.diff(edges)
    reference = _density(calibration, o, _point(calibration, parameter, 0))
    points = []
    for step in _STEPS:
        where, (colour, marker) = _point(calibration, parameter, step), variation_style(step)
        counts = np.asarray(spectrum.values())[where]
        density, error = counts / norm, _errors(calibration, counts) / norm
        fitted = _density(calibration, o, where)(x)
        for ax, at_points, at_lines in (
            (lower, reference(centres), reference(x)),
            (upper, np.ones_like(centres), np.ones_like(x)),
        ):
            drawn = ax.errorbar(
                centres,
                density / at_points,
                error / at_points,
                fmt=marker,
                color=colour,
                markersize=2.5,
                elinewidth=0.8,
                alpha=0.7,
            )
            ax.plot(x, fitted / at_lines, color=colour)
        drawn.set_label(_step_label(step))
        points.append(drawn)
    unit = calibration.study.observable[o].unit
    upper.set_ylabel(axis_label("density", f"1/{unit}" if unit else ""))
    lower.set_ylabel("ratio to fit")
    _finish(panels, calibration, o, parameter)
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
    edges = calibration.edges[o]
    centres, widths = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    nominal = calibration.counts[o][_point(calibration, parameter, 0)]
    templates = []
    for step in _STEPS:
        colour = variation_style(step).colour
        counts = calibration.counts[o][_point(calibration, parameter, step)]
        error = _errors(calibration, counts)
        for ax, scale in ((lower, nominal), (upper, widths)):
            ax.errorbar(centres, counts / scale, error / scale, fmt="none", color=colour)
            drawn = ax.stairs(counts / scale, edges, color=colour, baseline=None, linewidth=1.6)
        drawn.set_label(_step_label(step))
        templates.append(drawn)
    upper.set_ylabel(f"events / {calibration.study.observable[o].unit or 'bin width'}")
    lower.set_ylabel("ratio")
    _finish(panels, calibration, o, parameter)
    return templates


def plot_response(
    panels: tuple[Axes, Axes], calibration: Calibration, parameter: str
) -> list[ErrorbarContainer]:
    """Location and scale of all observables against one parameter, relative to nominal.

    Points are the estimates at the samples that vary this parameter alone; where these have the
    same events, they share most of their errors. Lines are the response fitted to all
    samples; the legends give its slopes.

    Args:
        panels: For the location and for the scale.
        calibration: Estimates and response.
        parameter: Name of the parameter that is varied.

    Returns:
        Points of each observable, location first, in percent.
    """
    study, response = calibration.study, calibration.response
    k = study.parameter_names.index(parameter)
    unit = study.parameter[k].unit
    steps = study.calibration_steps(parameter)
    ends = np.array([steps[0], steps[-1]])
    where = [_point(calibration, parameter, step) for step in steps]
    points = []
    for i, (ax, symbol) in enumerate(zip(panels, (r"\mu", r"\sigma"), strict=True)):
        nominal = (response.mu, response.sigma)[i]
        slopes = 100.0 * np.asarray((response.mu_slopes, response.sigma_slopes)[i])[:, k]
        errors = 100.0 * _slope_errors(calibration, i)[:, k]
        ax.axhline(0.0, color=REFERENCE, linewidth=1.0, linestyle=":")
        drawn = []
        for o, observable in enumerate(study.observable):
            colour, marker = observable_style(o)
            ax.plot(ends, slopes[o] * ends, color=colour)
            drawn.append(
                ax.errorbar(
                    steps,
                    100.0 * (calibration.moments[where, o, i] / nominal[o] - 1.0),
                    100.0 * np.abs(calibration.moment_errors[where, o, i] / nominal[o]),
                    fmt=marker,
                    color=colour,
                    capsize=3.0,
                    label=label_of(observable),
                )
            )
        ax.set_xlim(1.25 * steps[0], 1.25 * steps[-1])
        ax.set_xticks(steps)
        ax.set_ylabel(rf"${symbol}/{symbol}_0 - 1$ [%]")
        ax.set_xlabel(axis_label(label_of(study.parameter[k]), unit))
        numbers = [
            with_minus(rounded(slope, error, floor=100.0 * EXACT_SLOPE))
            for slope, error in zip(slopes, errors, strict=True)
        ]
        inner_legend(ax, axis_label("slope", f"%/{unit}" if unit else "%"), drawn, numbers)
        points += drawn
    return points


def _point(calibration: Calibration, parameter: str, step: float) -> int:
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


def _slope_errors(calibration: Calibration, part: int) -> NDArray[np.float64]:
    """Errors of the slopes of location (0) or scale (1), shape (observables, parameters)."""
    variance = np.diagonal(calibration.response_covariance, axis1=1, axis2=2)
    both = np.sqrt(np.maximum(variance, 0.0)).reshape(len(variance), 2, -1)
    return np.asarray(both[:, part, 1:])


def _step_label(step: int) -> str:
    return with_minus(f"{step:+d}") if step else "nominal"


def _finish(
    panels: tuple[Axes, Axes], calibration: Calibration, observable: int, parameter: str
) -> None:
    """Axes of two panels over one observable, and the parameter above them."""
    upper, lower = panels
    study = calibration.study
    described = study.observable[observable]
    varied = study.parameter[study.parameter_names.index(parameter)]
    lower.set_xlabel(axis_label(label_of(described), described.unit))
    lower.set_xlim(calibration.edges[observable][0], calibration.edges[observable][-1])
    upper.set_ylim(bottom=0.0)
    upper.set_title(f"{label_of(varied)} = ±1 {varied.unit}".rstrip(), loc="left")
