"""Tables of results, for the terminal."""

from rich.table import Table

from pullfactory.fitting import FitStatus
from pullfactory.numbers import ABSENT, plain, roughly, rounded, significant
from pullfactory.report.table import decimals, new_table, percent, shown, with_unit
from pullfactory.results._bootstrap import BootstrapSummary
from pullfactory.results._closure import ClosureResult
from pullfactory.results._scan import ScanResult
from pullfactory.results._selection import SelectionResult
from pullfactory.results._toys import ToysResult

__all__ = [
    "bootstrap_table",
    "closure_table",
    "failure_table",
    "scan_table",
    "selection_table",
    "toys_table",
]


def scan_table(result: ScanResult) -> Table:
    """Mean and width of the pulls at every point of a scan, by variant and method.

    Args:
        result: The scan.
    """
    key = result.over.rpartition(".")[2]
    table = new_table(
        ("variant", "method"), ("rho", key), ("parameter",), ("pull mean", "pull width", "failed")
    )
    if set(result.variants) == {""}:
        table.columns.pop(0)
    series = list(dict.fromkeys((entry.variant, entry.row.method) for entry in result.rows))
    last: tuple[str, str] | None = None
    for entry in sorted(result.rows, key=lambda e: series.index((e.variant, e.row.method))):
        row, pulls = entry.row, entry.row.pulls
        if (entry.variant, row.method) != last:
            table.add_section()
        last = entry.variant, row.method
        cells = (
            shown(entry.variant),
            row.method,
            "" if row.rho is None else plain(row.rho),
            shown(str(entry.value)),
            pulls.parameter,
            rounded(pulls.mean, pulls.mean_error),
            rounded(pulls.width, pulls.width_error),
            str(pulls.n_failed),
        )
        table.add_row(*cells[len(cells) - len(table.columns) :])
    return table


def selection_table(result: SelectionResult) -> Table:
    """Errors of the parameter of interest, one row per method and set of observables.

    Args:
        result: The sets.
    """
    poi = next(p for p in result.study.parameter if p.name == result.study.poi)
    errors = tuple(f"{kind}\nerror" for kind in ("claimed", "actual", "joint"))
    table = new_table(("method", "observables"), (*errors, "pull width", "coverage\n68 % [%]"))
    table.title = f"{with_unit(poi.name, poi.unit)} at rho = {plain(result.rho)}"
    for method in result.methods:
        table.add_section()
        for i, row in enumerate(result.of(method)):
            table.add_row(
                "" if i else method,
                ", ".join(row.observables),
                significant(row.pull.claimed_error),
                significant(row.pull.actual_error),
                significant(row.pull.joint_error),
                decimals(row.pull.predicted_width, 3),
                decimals(100 * row.pull.coverage_68, 1),
            )
    return table


def bootstrap_table(result: BootstrapSummary) -> Table:
    """Estimate and errors of one toy, one row per method and parameter.

    Args:
        result: Bootstrap of the toy.
    """
    units = {parameter.name: parameter.unit for parameter in result.study.parameter}
    errors = (f"{kind}\nerror" for kind in ("claimed", "sandwich", "bootstrap"))
    table = new_table(("method", "parameter"), ("truth", "estimate", *errors))
    method = ""
    for row in result.rows():
        if row["method"] != method:
            table.add_section()
        table.add_row(
            "" if row["method"] == method else row["method"],
            with_unit(row["parameter"], units[row["parameter"]]),
            significant(row["truth"]),
            significant(row["estimate"]),
            significant(row["claimed_error"]),
            significant(row["sandwich_error"]),
            rounded(row["bootstrap_error"], row["bootstrap_error_error"]),
        )
        method = row["method"]
    return table


def toys_table(result: ToysResult) -> Table:
    """Truth and summary of the pulls of every parameter of a model.

    Toys without a pull are either at the bound of that parameter, or failed.

    Args:
        result: Toys of the model.
    """
    numbers = ("pull mean", "pull width", "coverage\n68 % [%]", "claimed\nerror", "actual\nerror")
    table = new_table(("parameter",), ("truth", *numbers, "at\nbound", "failed"))
    table.columns[0].overflow = "fold"  # long names often differ in their last letters
    for row in result.pulls:
        pulls = row.pulls
        table.add_row(
            shown(pulls.parameter),
            plain(result.truth[pulls.parameter]),
            rounded(pulls.mean, pulls.mean_error),
            rounded(pulls.width, pulls.width_error),
            percent(pulls.coverage_68, pulls.coverage_68_low, pulls.coverage_68_high),
            significant(pulls.claimed_error),
            significant(pulls.actual_error),
            str(pulls.n_at_bound),
            str(pulls.n_failed - pulls.n_at_bound),
        )
    return table


def failure_table(result: ToysResult) -> Table:
    """How the fits ended, and which parameters ended at a bound how often.

    Args:
        result: Toys of a model.
    """
    table = new_table(("status",), ("fits", "fraction\n[%]"))

    def add(name: str, fits: int) -> None:
        table.add_row(name, str(fits), significant(100.0 * fits / result.sums.toys))

    for status, fits in result.status.items():
        add(status.replace("_", " "), fits)
        if status == FitStatus.AT_BOUND.label:
            for row in result.pulls:
                if row.pulls.n_at_bound:
                    add(f"  {shown(row.pulls.parameter)}", row.pulls.n_at_bound)
    return table


def closure_table(result: ClosureResult) -> Table:
    """What the morphing does to each parameter.

    Args:
        result: Biases on the grid and over the ensemble.
    """
    table = new_table(
        ("parameter",),
        ("largest bias\non the grid [error]",),
        ("at",),
        (
            *("bias\n(rms) [error]", "pull mean\nat rho = 0", "pull width\nat rho = 0"),
            "events where bias\nreaches 10 %",
        ),
        ("closes",),
    )
    for row in result.verdicts:
        at = [f"{name} = {value:.3g}" for name, value in row["grid_theta"].items() if value]
        table.add_row(
            shown(row["parameter"]),
            _fixed(row["grid_bias"]),
            shown(", ".join(at)) or "all 0",
            _fixed(row["bias"]),
            _fixed(row["pull_mean"]),
            _fixed(row["pull_width"]),
            roughly(row["biased_from"]),
            "yes" if row["closes"] else "no",
        )
    return table


def _fixed(value: float | None) -> str:
    return ABSENT if value is None else f"{value:z.3f}"
