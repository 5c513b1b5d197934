"""Figures of a scan show its rows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from pullfactory import PullSummary, ScanResult, Study
from pullfactory.inference import PullSums
from pullfactory.inference.rows import ScanRow
from pullfactory.report.drawing import write_figures
from pullfactory.report.scan_plots import plot_scan, series_label
from pullfactory.report.style import figure_style
from pullfactory.results.scan_figures import make_scan_figures

from .test_pull_plots import draw_sums, points_of

STUDY = Study.preset("poster").with_settings({"ensemble.rho": [0.0]})


def make_scan(values: tuple[object, ...], sums: PullSums | None = None) -> ScanResult:
    found = PullSummary.from_sums(STUDY.parameter_names, sums or draw_sums(400))
    return ScanResult(
        study=STUDY,
        over="ensemble.n_events",
        values=values,
        variants={"": {}, "other": {}},
        rows=tuple(
            ScanRow(
                variant=variant,
                value=value,
                method="binned",
                rho=0.0,
                pulls=replace(pulls, width=1.0 + 0.1 * i),
            )
            for variant in ("", "other")
            for i, value in enumerate(values)
            for pulls in found
        ),
    )


@pytest.mark.parametrize("values", [(500, 20_000, 2000), (1, 3), (0, 100), ("a_b", "c", "d")])
def test_points_are_the_rows(values: tuple[object, ...]) -> None:
    result, ax = make_scan(values), Figure().add_subplot()
    drawn = plot_scan(ax, result.rows, result.values, rho=0.0, parameter="JSF", quantity="width")
    assert list(drawn) == [("", "binned"), ("other", "binned")]
    first, second = (points_of(container) for container in drawn.values())
    assert first[1] == pytest.approx(1.0 + 0.1 * np.arange(len(values)))
    assert ax.get_xscale() == ("log" if len(values) == 3 and values[0] == 500 else "linear")
    middle = 0.5 * (first[0] + second[0])
    if isinstance(values[0], str):
        assert middle == pytest.approx(range(len(values)))
        assert [label.get_text() for label in ax.get_xticklabels()] == ["a b", "c", "d"]
    else:
        assert middle == pytest.approx(values, rel=1e-2)
    low, high = ax.get_xlim()
    assert low < min(first[0]) < max(second[0]) < high


def test_absent_numbers_leave_a_gap() -> None:
    result, ax = make_scan((1, 2)), Figure().add_subplot()
    rows = tuple(
        replace(row, pulls=replace(row.pulls, width=None, width_error=None)) for row in result.rows
    )
    drawn = plot_scan(ax, rows, result.values, rho=0.0, parameter="JSF", quantity="width")
    assert all(np.isnan(points_of(container)[1]).all() for container in drawn.values())


def test_series_are_named_by_what_differs() -> None:
    methods = [("", "unbinned"), ("", "binned"), ("new", "binned")]
    assert [series_label(methods, *one) for one in methods] == ["unbinned", "binned", "binned, new"]
    variants = [("old", "binned"), ("new", "binned")]
    assert [series_label(variants, *one) for one in variants] == ["old", "new"]


def test_one_figure_for_one_rho(tmp_path: Path) -> None:
    result = make_scan((1, 2))
    figures = make_scan_figures(result.study, result.over, result.values, result.rows)
    with figure_style():
        assert figures["scan"].draw().axes[1].get_xlabel() == "events per toy"
    write_figures(tmp_path, lambda: figures, ("png", "pdf"))
    assert {file.name for file in tmp_path.iterdir()} == {"scan.pdf", "scan.png"}
