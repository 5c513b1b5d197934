"""Tables for the terminal hold the rounded numbers."""

from typing import Any

from rich.console import Console
from rich.table import Table

from pullfactory import PullSummary, Study, calibrate
from pullfactory.report.table import calibration_table, pull_table
from pullfactory.results import PullRow


def cells(table: Table) -> list[list[str]]:
    """Rows as they are printed, without the markup."""
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
    }
    numbers: dict[str, Any] = {key: value if width else None for key, value in values.items()}
    return PullSummary(parameter=parameter, n_toys=4000, n_failed=3, **numbers)


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
        "65.4 ± 0.8",
        "0.253",
        "0.300",
        "3",
    ]
    assert absent == ["", "", "JSF", *["-"] * 5, "3"]
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
