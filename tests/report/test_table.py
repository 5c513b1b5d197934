"""Tables for the terminal hold the rounded numbers."""

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

from pullfactory import FitBatch, FitStatus, PullSummary, Study, calibrate
from pullfactory.inference import ClosureVerdict, CorrelationSums, PullSums
from pullfactory.inference.rows import PullRow
from pullfactory.report.table import calibration_table, closure_line, pull_table
from pullfactory.report.tabular import Table
from pullfactory.results.ledger import PartScratch
from pullfactory.results.part import Fitted, Layout, Span
from pullfactory.results.tables import failure_table
from pullfactory.results.toys import ToysResult


def cells(table: Table[Any] | RichTable) -> list[list[str]]:
    """Rows as they are printed, without the markup."""
    table = table.__rich__() if isinstance(table, Table) else table
    console = Console(width=140)
    columns = [[console.render_str(str(cell)).plain for cell in c.cells] for c in table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def summary(parameter: str, width: float | None = 1.2345) -> PullSummary:
    values = {
        "mean": -0.0123,
        "mean_error": 0.0158,
        "width": width,
        "width_error": 0.0138,
        "coverage_68": 0.6543,
        "coverage_68_low": 0.6467,
        "coverage_68_high": 0.6618,
        "coverage_95": 0.95,
        "coverage_95_low": 0.94,
        "coverage_95_high": 0.96,
        "bias": 0.0,
        "claimed_error": 0.25312,
        "actual_error": 0.3,
        "predicted_width": 1.23,
        "corrected_width": 1.0041,
        "corrected_width_error": 0.0112,
    }
    numbers: dict[str, Any] = {key: value if width else None for key, value in values.items()}
    return PullSummary(parameter=parameter, n_toys=4000, n_failed=3, n_at_bound=0, **numbers)


def test_pull_table_rounds_and_names_units() -> None:
    rows = [
        PullRow(method="unbinned", rho=-0.6, pulls=summary("m_t")),
        PullRow(method="unbinned", rho=-0.6, pulls=summary("JSF", width=None)),
        PullRow(method="binned", rho=-0.6, pulls=summary("m_t")),
    ]
    first, absent, other = cells(pull_table(rows, Study.preset("poster").parameter))
    assert first == [
        "unbinned",
        "-0.6",
        "m_t [GeV]",
        "-0.012 ± 0.016",
        "1.234 ± 0.014",
        "1.230",
        "1.004 ± 0.011",
        "65.4 ± 0.8",
        "0.253",
        "0.300",
        "3",
    ]
    assert absent == ["", "", "JSF", *["-"] * 7, "3"]
    assert other[:2] == ["binned", "-0.6"]


def test_pull_table_fits_on_a_terminal_and_may_be_empty() -> None:
    console = Console(width=100)
    row = PullRow(method="unbinned", rho=-0.6, pulls=summary("m_t"))
    with console.capture() as capture:
        console.print(pull_table([row], Study.preset("poster").parameter))
    assert len([line for line in capture.get().splitlines() if "±" in line]) == 1
    assert cells(pull_table([])) == []


def test_calibration_table_compares_with_the_truth(tiny_study: Study) -> None:
    settings = {"calibration.source": "simulated", "calibration.events_per_point": 2000}
    calibration = calibrate(tiny_study.with_settings(settings))
    rows = cells(calibration_table(calibration))
    expected = calibration.comparison()
    assert len(rows) == len(expected)
    assert rows[0][:3] == ["m_t", "mu [GeV]", "171.8"]
    assert "±" in rows[0][3]
    pull = (expected[0].result - expected[0].truth) / expected[0].error
    assert float(rows[0][4]) == round(pull, 1)


def test_exact_calibration_has_no_errors(tiny_study: Study) -> None:
    for _, _, truth, result, pull in cells(calibration_table(calibrate(tiny_study))):
        assert result == truth
        assert pull == "-"


def toys_result() -> ToysResult:
    """Four toys of two parameters: the first at its bound in two, one fit failed."""
    estimate = np.array([[0.5, 1.2], [0.0, 0.8], [0.0, 1.0], [np.nan, np.nan]])
    covariance = np.tile(np.diag([0.25, 0.01]), (4, 1, 1))
    covariance[1:3, 0] = covariance[1:3, :, 0] = covariance[3] = np.nan
    fits = FitBatch(
        parameters=("mu", "stat[b]"),
        estimate=estimate,
        covariance=covariance,
        nll=np.zeros(4),
        status=np.array([0, 2, 2, FitStatus.NON_FINITE], dtype=np.int8),
    )
    truth = np.tile([0.0, 1.0], (4, 1))
    layout = Layout(methods=("binned",), parameters=fits.parameters, identity="{}")
    toys = PartScratch()
    toys.store(Span(0, 4), layout.write(0, [Fitted(None, "binned", truth, fits)], {}))
    return ToysResult(
        parameters=fits.parameters,
        seed=1,
        truth={"held": 2.0, "mu": 0.0, "stat[b]": 1.0},
        ensemble="fixed",
        sums=PullSums.of(fits, truth),
        correlation=CorrelationSums.of(fits, truth).found,
        toys=toys,
    )


def test_toys_table_tells_bounds_from_failures() -> None:
    signal, statistical = cells(toys_result().table)
    assert signal[:4] == ["mu", "0", "1", "-"]
    assert signal[-4:] == ["0.500", "-", "2", "1"]
    assert statistical == [
        "stat[b]",
        "1",
        "0.0 ± 1.2",
        "2.0 ± 0.5",
        "33 ± 24",
        "0.100",
        "0.200",
        "0",
        "1",
    ]


def test_toys_table_keeps_long_names_whole() -> None:
    console = Console(width=60)
    with console.capture() as capture:
        console.print(toys_result().table)
    assert "…" not in "".join(line.split()[0] for line in capture.get().splitlines() if "±" in line)


def test_failure_table_names_parameters_at_bound() -> None:
    assert cells(failure_table(toys_result().status, toys_result().pulls)) == [
        ["converged", "1", "25.0"],
        ["recovered", "0", "0.00"],
        ["at bound", "2", "50.0"],
        ["  mu", "2", "50.0"],
        ["not positive definite", "0", "0.00"],
        ["iteration limit", "0", "0.00"],
        ["non finite", "1", "25.0"],
    ]


def verdict(
    parameter: str, bias: float | None, width: float, closes: bool, *, correctable: bool = True
) -> ClosureVerdict:
    return ClosureVerdict(
        parameter=parameter,
        bias=bias,
        typical_bias=bias,
        pull_mean=bias,
        pull_width=width,
        closing_width=1.0,
        biased_from=None if closes else 713.6,
        closes=closes,
        correctable=correctable,
    )


def test_closure_line_names_the_worst() -> None:
    good, bad = verdict("m_t", 0.02, 1.01, True), verdict("JSF", 0.2, 1.05, False)
    worst = verdict("JRF", 0.1, 1.22, False, correctable=False)
    assert closure_line([good]) == "closes: bias up to 0.02 of an error at rho = 0"
    assert closure_line([good, bad]) == (
        "does not close: JSF has bias 0.20 of its error, pull width 1.05 expected at rho = 0, "
        "10 % from 710 events on"
    )
    assert closure_line([good, bad, worst]).startswith("does not close: JRF has bias 0.10")
    assert closure_line([good, bad, worst]).endswith("on (and JSF); no corrected error of JRF")
    assert closure_line([verdict("m_t", None, 1.0, False)]).startswith("unknown")
