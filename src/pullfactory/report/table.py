"""Tables for the terminal."""

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite

from rich import box
from rich.markup import escape
from rich.table import Table

from pullfactory.calibration import Calibration
from pullfactory.errors import printable
from pullfactory.inference import ClosureVerdict, PredictedPull
from pullfactory.inference.remarks import Remark
from pullfactory.inference.rows import PullRow
from pullfactory.numbers import ABSENT, EXACT_SLOPE, plain, roughly, rounded, significant
from pullfactory.settings.study import Parameter

__all__ = [
    "calibration_table",
    "closure_line",
    "decimals",
    "new_table",
    "percent",
    "prediction_table",
    "pull_table",
    "remark_lines",
    "shown",
    "with_unit",
]

_REMARKS = 4  # lines on pulls, at most
_FEWEST = 10.0  # events; a bias that is above 10 % from here on always is


def pull_table(rows: Iterable[PullRow], parameters: Sequence[Parameter] = ()) -> Table:
    """Summaries of pulls, one row per method, rho and parameter.

    Args:
        rows: Summaries, in the order of the table.
        parameters: Give the units of claimed and actual error.
    """
    units = {parameter.name: parameter.unit for parameter in parameters}
    numbers = ("pull mean", "pull width", "predicted\nwidth", "corrected\nwidth")
    errors = ("coverage\n68 % [%]", "claimed\nerror", "actual\nerror")
    table = new_table(("method",), ("rho",), ("parameter",), (*numbers, *errors, "failed"))
    method, rho = "", None
    for row in rows:
        if row.method != method:
            table.add_section()
        repeated = (row.method, row.rho) == (method, rho)
        method, rho = row.method, row.rho
        pulls = row.pulls
        table.add_row(
            "" if repeated else method,
            "" if repeated or row.rho is None else plain(row.rho),
            with_unit(pulls.parameter, units.get(pulls.parameter, "")),
            rounded(pulls.mean, pulls.mean_error),
            rounded(pulls.width, pulls.width_error),
            ABSENT if pulls.predicted_width is None else f"{pulls.predicted_width:.3f}",
            rounded(pulls.corrected_width, pulls.corrected_width_error),
            percent(pulls.coverage_68, pulls.coverage_68_low, pulls.coverage_68_high),
            significant(pulls.claimed_error),
            significant(pulls.actual_error),
            str(pulls.n_failed),
        )
    return table


def prediction_table(
    rows: "Iterable[PredictedPull]", parameters: Sequence[Parameter] = ()
) -> Table:
    """Predicted errors and pull widths, one row per method, rho and parameter.

    Args:
        rows: The prediction, in the order of the table.
        parameters: Give the units of the errors.
    """
    units = {parameter.name: parameter.unit for parameter in parameters}
    errors = ("claimed\nerror", "actual\nerror", "joint\nerror")
    numbers = (*errors, "pull width", "coverage\n68 % [%]")
    table = new_table(("method",), ("rho",), ("parameter",), numbers)
    method, rho = "", None
    for row in rows:
        if row.method != method:
            table.add_section()
        repeated = (row.method, row.rho) == (method, rho)
        method, rho = row.method, row.rho
        table.add_row(
            "" if repeated else method,
            "" if repeated else plain(row.rho),
            with_unit(row.parameter, units.get(row.parameter, "")),
            significant(row.claimed_error),
            significant(row.actual_error),
            significant(row.joint_error),
            decimals(row.predicted_width, 3),
            decimals(100 * row.coverage_68, 1),
        )
    return table


def calibration_table(calibration: Calibration) -> Table:
    """Truth and result of every number of the response.

    Args:
        calibration: What was learnt.
    """
    units = {observable.name: observable.unit for observable in calibration.study.observable}
    table = new_table(("observable", "quantity"), ("truth", "result", "(result - truth)\n/ error"))
    name = ""
    for row in calibration.comparison():
        if row.observable != name:
            table.add_section()
        is_slope = row.quantity.startswith("s_")
        floor = EXACT_SLOPE if is_slope else 0.0
        table.add_row(
            "" if row.observable == name else row.observable,
            with_unit(row.quantity, "" if is_slope else units[row.observable]),
            plain(row.truth),
            rounded(row.result, row.error, floor=floor),
            f"{(row.result - row.truth) / row.error:z.1f}" if row.error > floor else ABSENT,
        )
        name = row.observable
    return table


def remark_lines(remarks: Sequence[Remark], file: str = "summary.json") -> Iterator[str]:
    """What is to be said of pulls, a line for each method, parameter and kind.

    Args:
        remarks: Of a result; the first of several rho stands for all.
        file: What has all of them.
    """
    groups: dict[tuple[str, str, str], list[Remark]] = {}
    for remark in remarks:
        groups.setdefault((remark.method, remark.parameter, remark.kind), []).append(remark)
    shown = list(groups.values())
    if len(shown) > _REMARKS:
        shown = shown[: _REMARKS - 1]
    for first, *others in shown:
        where = first.method if first.rho is None else f"{first.method}, rho {plain(first.rho)}"
        also = ", ".join(plain(one.rho) for one in others if one.rho is not None)
        yield f"{where}: {first.text}" + (f" (also at rho {also})" if also else "")
    if left := len(groups) - len(shown):
        yield f"{left} more of the kind are in {file}"


def closure_line(verdicts: Sequence[ClosureVerdict]) -> str:
    """What a closure says of a workspace, on one line: the worst parameter, or that it closes.

    Args:
        verdicts: One per parameter.
    """
    biases = {row.parameter: row.bias for row in verdicts if row.bias is not None}
    widths = {row.parameter: row.pull_width for row in verdicts if row.pull_width is not None}
    if not len(verdicts) == len(biases) == len(widths):
        return "unknown: the exact rates cannot be fitted"
    if all(row.closes for row in verdicts):
        first = min((row.biased_from for row in verdicts if row.biased_from), default=None)
        later = _later(first)
        return f"closes: bias up to {max(biases.values()):.2f} of an error at rho = 0{later}"
    worst = max((row for row in verdicts if not row.closes), key=_excess)
    others = [row.parameter for row in verdicts if not row.closes and row is not worst]
    name = worst.parameter
    later = _later(worst.biased_from)
    also = f" (and {', '.join(others)})" if others else ""
    hidden = [row.parameter for row in verdicts if not row.correctable]
    withheld = f"; no corrected error of {', '.join(hidden)}" if hidden else ""
    return (
        f"does not close: {name} has bias {biases[name]:.2f} of its error, pull width "
        f"{widths[name]:.2f} expected at rho = 0{later}{also}{withheld}"
    )


def _later(events: float | None) -> str:
    if events is None:
        return ""
    return f", 10 % from {roughly(events)} events on" if events > _FEWEST else ""


def _excess(row: ClosureVerdict) -> float:
    """How far bias and width of the pulls are from those of a morphing that closes."""
    bias, width, closing = row.bias or 0.0, row.pull_width or 0.0, row.closing_width or 0.0
    return bias + abs(width - closing)


def new_table(*columns: Sequence[str]) -> Table:
    """An empty table; groups of columns are aligned left and right in turn.

    Args:
        columns: Names, in groups.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for i, group in enumerate(columns):
        for name in group:
            table.add_column(name, justify="right" if i % 2 else "left", vertical="bottom")
    return table


def with_unit(name: str, unit: str) -> str:
    """A name with its unit in brackets, if it has one.

    Args:
        name: Such as a parameter's.
        unit: Or nothing.
    """
    return rf"{name} \[{unit}]" if unit else name  # rich reads [...] as markup


def shown(text: str) -> str:
    """Text of others as the content of a cell.

    Args:
        text: May hold what the terminal or rich would obey.
    """
    return escape(printable(text))


def decimals(value: float, digits: int) -> str:
    """A number with so many digits after its point, or that there is none."""
    return f"{value:.{digits}f}" if isfinite(value) else ABSENT


def percent(value: float | None, low: float | None, high: float | None) -> str:
    """A fraction with half its interval as error, in percent."""
    if value is None or low is None or high is None:
        return ABSENT
    return rounded(100.0 * value, 50.0 * (high - low))
