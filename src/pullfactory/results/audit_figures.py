"""Every figure of an audit."""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from pullfactory.auditing import CalibrationCurve
from pullfactory.auditing.optimal_rows import OptimalFit
from pullfactory.methods import BINNED, method_kind
from pullfactory.report.audit_plots import (
    plot_bin_pairs,
    plot_dependence,
    plot_inflation,
    plot_postfit,
    plot_variation,
)
from pullfactory.report.curve_plots import plot_curve
from pullfactory.report.density import flow_shifts, flow_transforms
from pullfactory.report.failure_plots import failure_figure
from pullfactory.report.figures import AUDIT, DrawnFigure, Figures, by_name
from pullfactory.report.goodness_plots import goodness_figure
from pullfactory.report.impact_plots import (
    name_rows,
    plot_constraints,
    plot_impacts,
    plot_pulls,
)
from pullfactory.report.optimal_plots import (
    name_parameters,
    plot_optimal_errors,
    plot_optimal_weights,
)
from pullfactory.report.palette import axis_label, label_of, method_label
from pullfactory.report.ratio_plots import plot_ratio
from pullfactory.report.response_plots import plot_response
from pullfactory.report.selection_plots import plot_differences, plot_selection, selection_size
from pullfactory.report.shape_plots import plot_toy_shapes
from pullfactory.report.style import (
    label_width,
    legend_above,
    new_panels,
)
from pullfactory.report.toys import plot_correlation
from pullfactory.results.audit_numbers import AuditNumbers

_STACK = (2.0, 1.0)  # heights of a histogram and its ratio
_LETTERS = 13.0  # points, of names beside a matrix
_MOST = 20  # nuisances in a figure


def make_audit_figures(result: AuditNumbers) -> Figures:
    """Every figure of an audit.

    Args:
        result: The audit.
    """
    figures = []
    if result.goodness and result.goodness.rows:
        figures.append(AUDIT["goodness"].drawn(partial(goodness_figure, result.goodness.rows)))
    if result.response:
        figures.append(AUDIT["response"].drawn(partial(_response, result)))
    if result.curve and result.curve.lines:
        figures.append(AUDIT["calibration"].drawn(partial(_curve, result, result.curve)))
    figures += [
        AUDIT["errors"].drawn(partial(_errors, result)),
        AUDIT["sets"].drawn(partial(_sets, result)),
    ]
    if any(row.method == BINNED.name for row in result.impacts):
        figures.append(AUDIT["impacts"].drawn(partial(_impacts, result)))
    figures += _of_joint_fits(result)
    if result.dependence:
        figures += [
            AUDIT["correlations"].drawn(partial(_dependence, result)),
            AUDIT["bin_pairs"].drawn(partial(_bin_pairs, result)),
        ]
    for name in result.config.parameter_names:
        figures.append(AUDIT["templates"].drawn(partial(_templates, result, name), name))
    figures.append(AUDIT["covariance"].drawn(partial(_covariance, result)))
    for name in result.toys.sums:
        figures.append(AUDIT["pull_ecdf"].drawn(partial(_shapes, result, name), name))
    for one in result.failed.methods if result.failed else ():
        figures.append(
            AUDIT["failures"].drawn(partial(failure_figure, one, _labels(result)), one.method)
        )
    if result.intervals:
        figures.append(AUDIT["likelihood_ratio"].drawn(partial(_ratio, result)))
    if any(fit.channels for fit in result.data):
        figures.append(AUDIT["postfit"].drawn(partial(_postfit, result)))
    return by_name(figures)


def _of_joint_fits(result: AuditNumbers) -> Iterator[DrawnFigure]:
    """Of what does not take the observables as independent."""
    for fit in result.optimal:
        if fit.weights:
            yield AUDIT["optimal"].drawn(partial(_optimal, result, fit), fit.method)
    if result.flow and result.flow.shifts:
        for stem, draw in (("flow_shifts", flow_shifts), ("flow_transforms", flow_transforms)):
            yield AUDIT[stem].drawn(partial(draw, result.config, result.flow))


def _postfit(result: AuditNumbers) -> Figure:
    channels = [channel for fit in result.data for channel in fit.channels]
    figure, stacks = new_panels(len(channels), heights=_STACK)
    for channel, (upper, lower), axis, observable in zip(
        channels, stacks, result.axes, result.config.observable, strict=True
    ):
        plot_postfit(
            (upper, lower),
            channel,
            axis.edges,
            label_of(observable),
            observable.unit,
            open_ends=axis.open_ends,
            p_value=_p_value(result, channel.name),
        )
    legend_above(figure, stacks[0][0])
    return figure


def _ratio(result: AuditNumbers) -> Figure:
    labels, several = _labels(result), len({row.method for row in result.intervals}) > 1
    units = {one.name: one.unit for one in result.config.parameter}
    figure, stacks = new_panels(len(result.intervals), size=(6.4, 5.2))
    for (ax,), row in zip(stacks, result.intervals, strict=True):
        plot_ratio(ax, row, labels[row.parameter], units.get(row.parameter, ""))
        if several:
            ax.set_title(method_label(row.method), loc="right")
    return figure


def _p_value(result: AuditNumbers, name: str) -> float | None:
    """Of the fit in one observable, where it is known."""
    rows = getattr(getattr(result, "goodness", None), "rows", ())
    return next((row.p_value for row in rows if row.of == name), None)


def _labels(result: AuditNumbers) -> dict[str, str]:
    known = {p.name: label_of(p) for p in result.config.parameter}
    return {name: known.get(name, name) for name in result.parameters()}


def _errors(result: AuditNumbers) -> Figure:
    labels, poi = _labels(result), result.config.poi
    labels = {poi: labels[poi]} | labels
    for row in result.rows:
        if row.answer == "cannot" and method_kind(row.method).workspace:
            labels[row.parameter] += "\n(cannot tell)"
    figure, [(ax,)] = new_panels(1, size=(8.5, 2.8 + 0.8 * len(labels)))
    plot_inflation(ax, result.rows, result.pulls, labels)
    legend_above(figure, ax)
    return figure


def _impacts(result: AuditNumbers) -> Figure:
    rows = [row for row in result.impacts if row.method == BINNED.name][:_MOST]
    pulled = any(row.claimed_pull is not None for row in rows)
    (poi,) = (one for one in result.config.parameter if one.name == result.config.poi)
    labels = _labels(result)
    names = max(label_width(labels.get(row.parameter, row.parameter), _LETTERS) for row in rows)
    size = (3.4 + names / (2 + pulled), 2.2 + 0.55 * len(rows))
    figure, stacks = new_panels(2 + pulled, size=size)
    axes = [ax for (ax,) in stacks]
    if pulled:
        plot_pulls(axes[0], rows)
    plot_constraints(axes[-2], rows)
    plot_impacts(axes[-1], rows, axis_label(label_of(poi), poi.unit))
    for ax in axes:
        name_rows(ax, rows, labels)
        ax.tick_params(labelleft=ax is axes[0])
    legend_above(figure, axes[-1])
    return figure


def _optimal(result: AuditNumbers, fit: OptimalFit) -> Figure:
    labels = _labels(result)
    product = method_kind(fit.method).improves
    claimed = {row.parameter: row.claimed_error for row in result.rows if row.method == product}
    figure, stacks = new_panels(2, size=(5.2, 2.0 + 0.9 * len(fit.rows)))
    (errors,), (weights,) = stacks
    plot_optimal_errors(errors, fit, claimed)
    plot_optimal_weights(
        weights, fit, {one.name: label_of(one) for one in result.config.observable}
    )
    for ax in (errors, weights):
        name_parameters(ax, [labels[row.parameter] for row in fit.rows])
    weights.tick_params(labelleft=False)
    legend_above(figure, errors, weights)
    return figure


def _curve(result: AuditNumbers, curve: CalibrationCurve) -> Figure:
    figure, stacks = new_panels(len(curve.lines), size=(5.4, 5.4), heights=_STACK)
    for panels, line, one in zip(stacks, curve.lines, result.config.parameter, strict=True):
        points = [point for point in curve.points if point.parameter == line.parameter]
        plot_curve((panels[0], panels[1]), points, line, label_of(one), one.unit)
    legend_above(figure, stacks[0][0])
    return figure


def _response(result: AuditNumbers) -> Figure:
    config = result.config
    rows = [row for row in result.response if row.step]
    labels = _varied(result)
    shown = [
        ("", "number of events", "%"),
        *((o.name, label_of(o), o.unit) for o in config.observable),
    ]
    names = max(label_width(label, _LETTERS) for label in labels.values())
    size = (4.4 + names, 2.0 + 0.75 * len(labels))
    figure, stacks = new_panels(len(shown), size=size)
    for (ax,), (name, label, unit) in zip(stacks, shown, strict=True):
        plot_response(ax, [r for r in rows if r.observable == name], labels, label, unit)
    legend_above(figure, stacks[-1][0])
    return figure


def _varied(result: AuditNumbers) -> dict[tuple[str, str], str]:
    """What every sample up or down varies, in words, with the mark of the sample."""
    names, found = _labels(result), {}
    processes = {row.process for row in result.response if row.step}
    for row in result.response:
        if row.step:
            of = f"{row.process}: " if len(processes) > 1 else ""
            mark = f" ({row.mark})" if row.mark else ""
            label = f"{of}{names[row.parameter]}{mark}"
            if mark or (row.process, row.parameter) not in found:
                found[row.process, row.parameter] = label
    return found


def _shapes(result: AuditNumbers, method: str) -> Figure:
    names, labels = result.parameters(method), _labels(result)
    figure, [(ax,)] = new_panels(1, size=(7.0, 5.2))
    plot_toy_shapes(ax, tuple(labels[name] for name in names), result.toys.sums[method])
    ax.set_title(method_label(method), loc="right")
    return figure


def _sets(result: AuditNumbers) -> Figure:
    width, height = selection_size(result.config, result.sets)
    known = any(row.difference_error for row in result.sets)
    figure, stacks = new_panels(1 + known, size=(0.75 * width if known else width, height))
    axes = [ax for (ax,) in stacks]
    plot_selection(axes[0], result.config, result.sets, BINNED.name)
    if known:
        plot_differences(axes[1], result.config, result.sets, BINNED.name)
        axes[1].tick_params(labelleft=False)
    legend_above(figure, axes[0])
    return figure


def _dependence(result: AuditNumbers) -> Figure:
    labels = [label_of(o) for o in result.config.observable]
    names = max(label_width(label, _LETTERS) for label in labels)
    size = max(3.2, 1.1 * len(labels))
    long = names > size / len(labels)
    figure, stacks = new_panels(
        2, size=(size + 0.5 * names + 0.9, size + (names if long else 0.3) + 0.6)
    )
    for (ax,), kind in zip(stacks, ("pearson", "spearman"), strict=True):
        image = plot_dependence(ax, result.dependence, labels, kind)
        ax.tick_params(axis="x", labelrotation=90.0 if long else 0.0)
    _share_colours(figure, stacks, image)
    return figure


def _bin_pairs(result: AuditNumbers) -> Figure:
    figure, stacks = new_panels(len(result.dependence))
    for (ax,), pair in zip(stacks, result.dependence, strict=True):
        image = plot_bin_pairs(ax, pair, result.config)
    label = "excess over independence"
    figure.colorbar(image, ax=[ax for (ax,) in stacks], label=label, fraction=0.04, extend="max")
    return figure


def _templates(result: AuditNumbers, parameter: str) -> Figure:
    config = result.config
    figure, stacks = new_panels(len(config.observable), heights=_STACK)
    for o, ((upper, lower), observable) in enumerate(zip(stacks, config.observable, strict=True)):
        plot_variation(
            (upper, lower),
            result.axes[o].edges,
            {step: _template(result, o, parameter, step) for step in (-1, 0, 1)},
            label_of(observable),
            observable.unit,
            _labels(result)[parameter],
        )
    return figure


def _template(
    result: AuditNumbers, o: int, parameter: str, step: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected events of all processes and their errors, each of shape (bins,)."""
    counts = result.templates[o]
    roles, values, variances = list(counts.axes[0]), counts.values(), counts.variances()
    assert variances is not None
    total, square = np.zeros(result.axes[o].size), np.zeros(result.axes[o].size)
    for process in result.config.sample_set.processes:
        sample = (process.at({parameter: step}) if step else None) or process.nominal
        i = roles.index(sample.role)
        total, square = total + values[i], square + variances[i]
    return total, np.sqrt(square)


def _covariance(result: AuditNumbers) -> Figure:
    labels = list(_labels(result).values())
    names = max(label_width(label, _LETTERS) for label in labels)
    size = max(3.0, 0.62 * len(labels))
    figure, stacks = new_panels(2, size=(size + 0.5 * names + 0.9, size + names + 0.6))
    what = "fit of the data" if result.data else "expected"
    for (ax,), (kind, matrix) in zip(stacks, result.covariances[BINNED.name].items(), strict=True):
        spread = np.sqrt(np.diag(matrix))
        image = plot_correlation(ax, matrix / np.outer(spread, spread), labels, labels=True)
        ax.set_title(f"{kind}, {what}", loc="left", fontsize="small")
    _share_colours(figure, stacks, image)
    return figure


def _share_colours(figure: Figure, stacks: Sequence[tuple[Axes, ...]], image: AxesImage) -> None:
    """One colour bar for two matrices beside each other, and names beside the first alone."""
    axes = [ax for (ax,) in stacks]
    axes[1].tick_params(labelleft=False)
    figure.colorbar(image, ax=axes, label="correlation", fraction=0.04, pad=0.02)
