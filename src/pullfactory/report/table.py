"""Tables for the terminal."""

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table as RichTable

from pullfactory.calibration import Calibration
from pullfactory.errors import printable
from pullfactory.inference import ClosureVerdict, PredictedPull
from pullfactory.inference.remarks import Remark
from pullfactory.inference.rows import PullRow
from pullfactory.numbers import ABSENT, EXACT_SLOPE, plain, roughly, rounded
from pullfactory.report.palette import Described
from pullfactory.report.tabular import (
    Table,
    count,
    decimals,
    digits,
    fraction,
    measured,
    named,
    text,
    value,
)

__all__ = [
    "calibration_table",
    "closure_line",
    "new_table",
    "prediction_table",
    "pull_table",
    "remark_lines",
    "shown",
    "with_unit",
]

_REMARKS = 4  # lines on pulls, at most
_ERRORS = (digits("claimed_error", "claimed\nerror"), digits("actual_error", "actual\nerror"))
_FEWEST = 10.0  # events; a bias that is above 10 % from here on always is


def pull_table(rows: Iterable[PullRow], parameters: Sequence[Described] = ()) -> Table[PullRow]:
    """Summaries of pulls, one row per method, rho and parameter.

    Args:
        rows: Summaries, in the order of the table.
        parameters: Give the units of claimed and actual error.
    """
    columns = (
        text("method", "method", once=True),
        value("rho", "rho", once=True),
        named("parameter", "parameter", _units(parameters)),
        measured("mean", "pull mean"),
        measured("width", "pull width"),
        decimals("predicted_width", "predicted\nwidth", 3),
        measured("corrected_width", "corrected\nwidth"),
        fraction("coverage_68", "coverage\n68 % [%]"),
        *_ERRORS,
        count("n_failed", "failed"),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def prediction_table(
    rows: Iterable[PredictedPull], parameters: Sequence[Described] = ()
) -> Table[PredictedPull]:
    """Predicted errors and pull widths, one row per method, rho and parameter.

    Args:
        rows: The prediction, in the order of the table.
        parameters: Give the units of the errors.
    """
    columns = (
        text("method", "method", once=True),
        value("rho", "rho", once=True),
        named("parameter", "parameter", _units(parameters)),
        *_ERRORS,
        digits("joint_error", "joint\nerror"),
        decimals("predicted_width", "pull width", 3),
        decimals("coverage_68", "coverage\n68 % [%]", 1, scale=100.0),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def _units(parameters: Sequence[Described]) -> dict[str, str]:
    return {parameter.name: parameter.unit for parameter in parameters}


def calibration_table(calibration: Calibration) -> RichTable:
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


def new_table(*columns: Sequence[str]) -> RichTable:
    """An empty table; groups of columns are aligned left and right in turn.

    Args:
        columns: Names, in groups.
    """
    table = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
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
