"""Tables of results, with their columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from pullfactory.fitting import FitStatus
from pullfactory.inference.density_rows import DensityVerdict
from pullfactory.inference.rows import PullRow, ScanRow, SelectionRow
from pullfactory.numbers import plain
from pullfactory.report.palette import Described
from pullfactory.report.tabular import (
    Cells,
    Column,
    Table,
    count,
    decimals,
    digits,
    fraction,
    measured,
    named,
    rough,
    text,
    value,
    yes_or_no,
)


def scan_table(
    over: str, variants: Mapping[str, Mapping[str, Any]], rows: Sequence[ScanRow]
) -> Table[ScanRow]:
    """Mean and width of the pulls at every point of a scan, by variant and method.

    Args:
        over: The key.
        variants: Settings of each variant, by label.
        rows: Pulls at each point.
    """

    def changed(row: Cells) -> str:
        return str(row["value"])

    series = list(dict.fromkeys((entry.variant, entry.method) for entry in rows))
    columns = (
        *((text("variant", "variant"),) if set(variants) != {""} else ()),
        text("method", "method"),
        value("rho", "rho"),
        Column(
            key="value",
            heading=over.rpartition(".")[2],
            show=lambda row: str(row["value"]),
        ),
        text("parameter", "parameter"),
        measured("mean", "pull mean"),
        measured("width", "pull width"),
        count("n_failed", "failed"),
    )
    ordered = sorted(rows, key=lambda e: series.index((e.variant, e.method)))
    return Table(columns=columns, rows=tuple(ordered), sections=("variant", "method"))


def selection_table(rows: Sequence[SelectionRow], title: str) -> Table[SelectionRow]:
    """Errors of the parameter of interest, one row per method and set of observables.

    Args:
        rows: Sets, method by method.
        title: Says which parameter.
    """
    columns = (
        text("method", "method", once=True),
        Column(
            key="observables",
            heading="observables",
            show=lambda row: ", ".join(row["observables"]),
            words=True,
        ),
        digits("claimed_error", "claimed\nerror"),
        digits("actual_error", "actual\nerror"),
        digits("optimal_error", "optimal\nerror"),
        digits("joint_error", "joint\nerror"),
        decimals("predicted_width", "pull width", 3),
        decimals("coverage_68", "coverage\n68 % [%]", 1, scale=100.0),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",), title=title)


def bootstrap_table(
    rows: Sequence[Mapping[str, Any]], parameters: Sequence[Described]
) -> Table[Mapping[str, Any]]:
    """Estimate and errors of one toy, one row per method and parameter.

    Args:
        rows: Of `BootstrapSummary`.
        parameters: Give the units.
    """
    columns = (
        text("method", "method", once=True),
        named("parameter", "parameter", {p.name: p.unit for p in parameters}),
        digits("truth", "truth"),
        digits("estimate", "estimate"),
        digits("claimed_error", "claimed\nerror"),
        digits("sandwich_error", "sandwich\nerror"),
        measured("bootstrap_error", "bootstrap\nerror"),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def toys_table(pulls: Sequence[PullRow], truth: Mapping[str, float]) -> Table[PullRow]:
    """Truth and summary of the pulls of every parameter of a model.

    Toys without a pull are either at the bound of that parameter, or failed.

    Args:
        pulls: Of every parameter.
        truth: True values, by parameter.
    """

    def failed(row: Cells) -> str:
        return str(row["n_failed"] - row["n_at_bound"])

    columns = (
        text("parameter", "parameter"),
        Column(key="truth", heading="truth", show=lambda row: plain(truth[row["parameter"]])),
        measured("mean", "pull mean"),
        measured("width", "pull width"),
        fraction("coverage_68", "coverage\n68 % [%]"),
        digits("claimed_error", "claimed\nerror"),
        digits("actual_error", "actual\nerror"),
        count("n_at_bound", "at\nbound"),
        Column(key="n_failed", heading="failed", show=failed),
    )
    return Table(columns=columns, rows=tuple(pulls))


def closure_table(rows: Sequence[Mapping[str, Any]]) -> Table[Mapping[str, Any]]:
    """What the morphing does to each parameter.

    Args:
        rows: Verdicts of a `ClosureResult`.
    """

    def where(row: Cells) -> str:
        at = [f"{name} = {value:.3g}" for name, value in row["grid_theta"].items() if value]
        return ", ".join(at) or "all 0"

    columns = (
        text("parameter", "parameter"),
        decimals("grid_bias", "largest bias\non the grid [error]", 3),
        Column(key="grid_theta", heading="at", show=where, words=True),
        decimals("bias", "bias\n(rms) [error]", 3),
        decimals("pull_mean", "pull mean\nat rho = 0", 3),
        decimals("pull_width", "pull width\nat rho = 0", 3),
        rough("biased_from", "events where bias\nreaches 10 %"),
        yes_or_no("closes", "closes"),
    )
    return Table(columns=columns, rows=tuple(rows))


def density_table(verdicts: Sequence[DensityVerdict]) -> Table[Mapping[str, Any]]:
    """What held-out events say of joint densities, one row for each parameter.

    Args:
        verdicts: Of a closure.
    """
    columns = (
        text("method", "method", once=True),
        value("rho", "rho", once=True),
        text("answer", "answer", once=True),
        text("parameter", "parameter"),
        measured("level", "shift\n[error]"),
        measured("difference", "largest\ndifference [error]"),
        text("point", "at"),
        measured("width", "pull width /\nright"),
        measured("excess", "error /\npossible"),
    )
    rows = tuple(row for one in verdicts for row in one.parameters())
    return Table(columns=columns, rows=rows, sections=("method", "rho"), title="joint densities")


def failure_table(status: Mapping[str, int], pulls: Sequence[PullRow]) -> Table[Mapping[str, Any]]:
    """How the fits ended, and which parameters ended at a bound how often.

    Args:
        status: Number of fits by status.
        pulls: Of every parameter.
    """
    bound = {
        f"  {row.pulls.parameter}": row.pulls.n_at_bound for row in pulls if row.pulls.n_at_bound
    }
    counts: list[tuple[str, int]] = []
    for name, fits in status.items():
        inner = bound.items() if name == FitStatus.AT_BOUND.label else ()
        counts += [(name.replace("_", " "), fits), *inner]
    toys = sum(status.values())
    rows = tuple({"status": s, "fits": n, "percent": 100.0 * n / toys} for s, n in counts)
    columns = (text("status", "status"), count("fits", "fits"), digits("percent", "fraction\n[%]"))
    return Table(columns=columns, rows=rows)
