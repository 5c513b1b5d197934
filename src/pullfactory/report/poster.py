"""Every figure of a run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.errors import StudyError
from pullfactory.inference import PredictedPull, PullSums
from pullfactory.inference.coverage import CoverageRow
from pullfactory.inference.failures import Failures
from pullfactory.methods import method_kind
from pullfactory.report.calibration_plots import plot_response, plot_samples, plot_templates
from pullfactory.report.coverage_plots import plot_coverage
from pullfactory.report.failure_plots import failure_figure
from pullfactory.report.figures import STUDY, Figures, by_name
from pullfactory.report.joint_plots import plot_joint
from pullfactory.report.palette import axis_label, label_of, method_label
from pullfactory.report.pull_plots import (
    plot_pull_mean,
    plot_pull_width,
    plot_pulls,
    plot_repair,
)
from pullfactory.report.shape_plots import plot_shapes
from pullfactory.report.style import legend_above, new_panels
from pullfactory.settings.study import Study
from pullfactory.simulation.model import EventModel

Sums = Mapping[tuple[float, str], PullSums]

_JOINT_EVENTS = 200_000
_JOINT_VALUES = 2**20  # of all observables, as much as several toys of so many events may take
_JOINT_PAIRS = 6  # at most: all pairs of four observables
_PULL_SCAN = 4  # values of rho whose pull distributions are still told apart


def make_figures(
    *,
    study: Study,
    calibration: Calibration,
    sums: Sums,
    predictions: Sequence[PredictedPull] = (),
    failures: Failures | None = None,
    coverage: Sequence[CoverageRow] = (),
) -> Figures:
    """Every figure of a run.

    Args:
        study: What was run.
        calibration: What the fits knew.
        sums: Sums over the pulls, by rho and method.
        predictions: What was expected of the pulls, drawn as lines.
        failures: Fits that do not give all errors; None if all do.
        coverage: Of intervals from the likelihood ratio, where they were tested.
    """
    pulls = _Pulls(study=study, sums=sums, predictions=predictions)
    figures = []
    if len(study.observable) > 1:
        figures.append(STUDY["joint_distribution"].drawn(partial(_joint, study)))
    for name in study.observable_names:
        figures += [
            STUDY["calibration"].drawn(partial(_samples, plot_samples, calibration, name), name),
            STUDY["templates"].drawn(partial(_samples, plot_templates, calibration, name), name),
        ]
    figures.append(STUDY["response"].drawn(partial(_response, calibration)))
    for name in dict.fromkeys(method for _, method in sums):
        figures += [
            STUDY["pulls"].drawn(partial(pulls.distributions, name), name),
            STUDY["pull_ecdf"].drawn(partial(pulls.shapes, name), name),
        ]
    figures += [
        STUDY["pull_width"].drawn(pulls.widths),
        STUDY["pull_mean"].drawn(pulls.means),
        STUDY["repair"].drawn(pulls.repair),
    ]
    if coverage:
        figures.append(STUDY["interval_coverage"].drawn(partial(_coverage, study, coverage)))
    labels = {p.name: axis_label(label_of(p), p.unit) for p in study.parameter}
    figures += [
        STUDY["failures"].drawn(partial(failure_figure, one, labels), one.method)
        for one in (failures.methods if failures else ())
    ]
    return by_name(figures)


def _joint(study: Study) -> Figure:
    """Pairs of observables without and with correlation."""
    scan = _joint_scan(study.ensemble.rho, study.cholesky)
    n_obs = len(study.observable)
    nominal = np.zeros((max(_JOINT_VALUES // (n_obs * _JOINT_EVENTS), 1), len(study.parameter)))
    drawn = EventModel.of(study).draw(nominal, _JOINT_EVENTS, study.seed)
    events = [drawn.correlate(study.cholesky(rho)) for rho in scan]
    pairs = list(combinations(range(n_obs), 2))[:_JOINT_PAIRS]
    figure, stacks = new_panels(len(pairs) * len(scan), columns=4)
    panels = iter(stacks)
    for pair in pairs:
        described = (study.observable[pair[0]], study.observable[pair[1]])
        for rho, some in zip(scan, events, strict=True):
            plot_joint(next(panels)[0], some[..., pair].reshape(-1, 2), described, rho)
    return figure


def _joint_scan(
    scan: Sequence[float], cholesky: Callable[[float], NDArray[np.float64]]
) -> tuple[float, ...]:
    """No correlation and 0.5, or what the scan has nearest to 0.5 if that is impossible."""
    try:
        cholesky(0.5)
    except StudyError:
        return tuple(dict.fromkeys((0.0, min(scan, key=lambda rho: abs(rho - 0.5)))))
    return (0.0, 0.5)


def _samples(draw: Callable[..., object], calibration: Calibration, observable: str) -> Figure:
    """Samples or templates of one observable, a stack of panels for each parameter."""
    names = calibration.study.parameter_names
    figure, stacks = new_panels(len(names), size=(5.6, 6.0), heights=(2.0, 1.0), share_y=True)
    for panels, name in zip(stacks, names, strict=True):
        draw((panels[0], panels[1]), calibration, observable, name)
    legend_above(figure, stacks[0][0])
    return figure


def _response(calibration: Calibration) -> Figure:
    names = calibration.study.parameter_names
    figure, stacks = new_panels(len(names), size=(5.4, 8.0), heights=(1.0, 1.0), columns=4)
    for panels, name in zip(stacks, names, strict=True):
        plot_response((panels[0], panels[1]), calibration, name)
    legend_above(figure, stacks[0][0])
    return figure


def _coverage(study: Study, coverage: Sequence[CoverageRow]) -> Figure:
    """Intervals of one and two standard deviations, a stack of panels for each parameter."""
    names = list(dict.fromkeys(row.parameter for row in coverage))
    figure, stacks = new_panels(len(names), size=(5.4, 7.4), heights=(1.0, 1.0), columns=4)
    for panels, name in zip(stacks, names, strict=True):
        described = next(one for one in study.parameter if one.name == name)
        for ax, level in zip(panels, ("68", "95"), strict=True):
            plot_coverage(ax, [row for row in coverage if row.parameter == name], level)
        panels[0].set_title(label_of(described), loc="left")
        panels[0].set_xlabel("")
    legend_above(figure, stacks[0][0])
    return figure


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pulls:
    """What the figures of the pulls are drawn from; attributes as in `make_figures`."""

    study: Study
    sums: Sums
    predictions: Sequence[PredictedPull]

    def distributions(self, method: str) -> Figure:
        rows = self._spread_sums(method)
        figure, stacks = new_panels(len(self.study.parameter))
        for (ax,), name in zip(stacks, self.study.parameter_names, strict=True):
            plot_pulls(ax, self.study, rows, name)
            ax.set_title(method_label(method), loc="right")
        return figure

    def shapes(self, method: str) -> Figure:
        rows = self._spread_sums(method)
        figure, stacks = new_panels(len(self.study.parameter), share_y=True)
        for (ax,), described in zip(stacks, self.study.parameter, strict=True):
            plot_shapes(ax, self.study.parameter_names, rows, described.name)
            ax.set_xlabel(f"pull of {label_of(described)}")
            ax.set_title(method_label(method), loc="right")
        legend_above(figure, stacks[0][0])
        return figure

    def widths(self) -> Figure:
        figure, stacks = new_panels(len(self.study.parameter), share_y=True)
        for (ax,), name in zip(stacks, self.study.parameter_names, strict=True):
            plot_pull_width(ax, self.study, self.sums, name, predictions=self.predictions)
        legend_above(figure, stacks[0][0])
        return figure

    def means(self) -> Figure:
        figure, stacks = new_panels(len(self.study.parameter), share_y=True)
        for (ax,), name in zip(stacks, self.study.parameter_names, strict=True):
            plot_pull_mean(ax, self.study, self.sums, name)
        legend_above(figure, stacks[0][0])
        return figure

    def repair(self) -> Figure:
        """Claimed, corrected and joint: unbinned methods above, binned ones below."""
        methods = dict.fromkeys(method for _, method in self.sums)
        rows = [
            chosen
            for binned in (False, True)
            if (chosen := [one for one in methods if method_kind(one).binned is binned])
        ]
        names = self.study.parameter_names
        figure, stacks = new_panels(
            len(names),
            size=(5.4, 4.4 * len(rows)),
            heights=[1.0] * len(rows),
            share_y=True,
            columns=4,
        )
        for stack, name in zip(stacks, names, strict=True):
            for ax, chosen in zip(stack, rows, strict=True):
                plot_repair(ax, self.study, self.sums, name, chosen, predictions=self.predictions)
                if ax is not stack[0]:
                    ax.set_title("", loc="left")
                if ax is not stack[-1]:
                    ax.set_xlabel("")
        legend_above(figure, *stacks[0])
        return figure

    def _spread_sums(self, method: str) -> dict[float, PullSums]:
        """Of one method, at the values of rho that are told apart."""
        scan = _spread([rho for rho, name in self.sums if name == method])
        return {rho: self.sums[rho, method] for rho in scan}


def _spread(scan: list[float]) -> list[float]:
    """The values of a scan nearest to evenly spaced ones, in ascending order."""
    values = np.sort(scan)
    targets = np.linspace(values[0], values[-1], _PULL_SCAN)
    chosen = np.unique(np.abs(values[:, None] - targets).argmin(axis=0))
    return [float(value) for value in values[chosen]]
