"""What draws the panels of every figure: take axes and numbers, save nothing.

A figure of one's own is made within `figure_style`:

    from pullfactory.plots import figure_style, new_panels, plot_pull_width

    with figure_style():
        figure, [(ax,)] = new_panels(1)
        plot_pull_width(ax, study, result.sums, "m_t")
"""

from pullfactory.report.audit_plots import (
    plot_bin_pairs,
    plot_dependence,
    plot_inflation,
    plot_postfit,
    plot_variation,
)
from pullfactory.report.calibration_plots import plot_response, plot_samples, plot_templates
from pullfactory.report.closure import plot_axis_bias, plot_rate_ratio, plot_scan_bias
from pullfactory.report.curve_plots import plot_curve
from pullfactory.report.joint_plots import plot_joint
from pullfactory.report.palette import REFERENCE, axis_label, label_of, method_style
from pullfactory.report.prediction_plots import plot_predicted_error, plot_predicted_width
from pullfactory.report.pull_plots import plot_pull_mean, plot_pull_width, plot_pulls, plot_repair
from pullfactory.report.scan_plots import plot_scan
from pullfactory.report.selection_plots import plot_selection
from pullfactory.report.shape_plots import plot_shapes, plot_toy_shapes
from pullfactory.report.style import figure_style, legend_above, new_panels
from pullfactory.report.toys import plot_correlation, plot_minimum_nll, plot_pull_rows

__all__ = [
    "REFERENCE",
    "axis_label",
    "figure_style",
    "label_of",
    "legend_above",
    "method_style",
    "new_panels",
    "plot_axis_bias",
    "plot_bin_pairs",
    "plot_correlation",
    "plot_curve",
    "plot_dependence",
    "plot_inflation",
    "plot_joint",
    "plot_minimum_nll",
    "plot_postfit",
    "plot_predicted_error",
    "plot_predicted_width",
    "plot_pull_mean",
    "plot_pull_rows",
    "plot_pull_width",
    "plot_pulls",
    "plot_rate_ratio",
    "plot_repair",
    "plot_response",
    "plot_samples",
    "plot_scan",
    "plot_scan_bias",
    "plot_selection",
    "plot_shapes",
    "plot_templates",
    "plot_toy_shapes",
    "plot_variation",
]
