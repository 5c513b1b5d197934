"""Tables of numbers, and lines that sum them up, for terminal, notebook and page."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pullfactory.calibration import Calibration
from pullfactory.inference import AnyRho, ClosureVerdict, ComparedPull, WeightRow
from pullfactory.inference.coverage import CoverageRow
from pullfactory.inference.remarks import Remark
from pullfactory.inference.rows import PullRow
from pullfactory.numbers import ABSENT, EXACT_SLOPE, plain, roughly, rounded
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
    text,
    value,
)

_REMARKS = 4  # lines on pulls, at most
_ERRORS = (digits("claimed_error", "claimed\nerror"), digits("actual_error", "actual\nerror"))
_FEWEST = 10.0  # events; a bias that is above 10 % from here on always is


def pull_table(rows: Iterable[PullRow], parameters: Sequence[Described] = ()) -> Table[PullRow]:
    """Summaries of pulls, one row per method, rho and parameter.

    Args:
        rows: Summaries, in the order of the table.
        parameters: Give the units of claimed and actual error.
    """
    shown = tuple(rows)
    optimal = digits("optimal_error", "optimal\nerror")
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
        *((optimal,) if any(row.optimal_error for row in shown) else ()),
        count("n_failed", "failed"),
    )
    return Table(columns=columns, rows=shown, sections=("method",))


def coverage_table(rows: Iterable[CoverageRow]) -> Table[CoverageRow]:
    """Coverage of intervals from the likelihood ratio, one row per method, rho and parameter.

    Args:
        rows: In the order of the table.
    """
    columns = (
        text("method", "method", once=True),
        value("rho", "rho", once=True),
        text("parameter", "parameter"),
        fraction("coverage_68", "intervals\n68 % [%]"),
        fraction("corrected_coverage_68", "corrected\n68 % [%]"),
        fraction("coverage_95", "intervals\n95 % [%]"),
        fraction("corrected_coverage_95", "corrected\n95 % [%]"),
        decimals("scale", "lambda", 3),
        text("scale_source", "lambda from"),
        count("n_failed", "failed"),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def prediction_table(
    rows: Iterable[ComparedPull], parameters: Sequence[Described] = ()
) -> Table[ComparedPull]:
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
        digits("optimal_error", "optimal\nerror"),
        digits("joint_error", "joint\nerror"),
        decimals("predicted_width", "pull width", 3),
        decimals("coverage_68", "coverage\n68 % [%]", 1, scale=100.0),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def weight_table(rows: Iterable[WeightRow]) -> Table[WeightRow]:
    """How much each observable counts for each parameter, in percent.

    Args:
        rows: In the order of the table.
    """
    columns = (
        text("method", "method", once=True),
        value("rho", "rho", once=True),
        text("parameter", "parameter", once=True),
        text("observable", "observable"),
        decimals("product", "as independent\n[%]", 1, scale=100.0),
        decimals("optimal", "optimal\n[%]", 1, scale=100.0),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method", "parameter"))


def any_rho_table(rows: Iterable[AnyRho]) -> Table[AnyRho]:
    """For which correlations errors are right, and how wrong they can be.

    Args:
        rows: In the order of the table.
    """

    def right(row: Cells) -> str:
        return ", ".join(f"{low:.2f} to {high:.2f}" for low, high in row["right"]) or "none"

    columns = (
        text("method", "method", once=True),
        text("parameter", "parameter"),
        Column(key="right", heading="right within 5 %\nfor rho", show=right, words=True),
        decimals("largest", "largest\nfactor", 3),
        decimals("largest_at", "at rho", 2),
        decimals("smallest", "smallest\nfactor", 3),
        decimals("smallest_at", "at rho", 2),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def _units(parameters: Sequence[Described]) -> dict[str, str]:
    return {parameter.name: parameter.unit for parameter in parameters}


def calibration_table(calibration: Calibration) -> Table[Mapping[str, Any]]:
    """Truth and result of every number of the response.

    Args:
        calibration: What was learnt.
    """
    units = {observable.name: observable.unit for observable in calibration.study.observable}
    return response_table(map(asdict, calibration.comparison()), units)


def response_table(
    rows: Iterable[Mapping[str, Any]], units: Mapping[str, str]
) -> Table[Mapping[str, Any]]:
    """Truth and result of every number of the response.

    Args:
        rows: Of `Calibration.comparison` or a summary, as plain data.
        units: Of the observables.
    """

    def floor(row: Cells) -> float:
        return EXACT_SLOPE if row["quantity"].startswith("s_") else 0.0

    def quantity(row: Cells) -> str:
        unit = "" if row["quantity"].startswith("s_") else units.get(row["observable"], "")
        return f"{row['quantity']} [{unit}]" if unit else str(row["quantity"])

    def off(row: Cells) -> str:
        return ABSENT if row["off"] is None else f"{row['off']:z.1f}"

    def compared(row: Cells) -> dict[str, Any]:
        known = row["error"] > floor(row)
        return {**row, "off": (row["result"] - row["truth"]) / row["error"] if known else None}

    columns = (
        text("observable", "observable", once=True),
        Column(key="quantity", heading="quantity", show=quantity, words=True),
        value("truth", "truth"),
        Column(
            key="result",
            heading="result",
            show=lambda row: rounded(row["result"], row["error"], floor=floor(row)),
        ),
        Column(key="off", heading="(result - truth)\n/ error", show=off),
    )
    return Table(columns=columns, rows=tuple(map(compared, rows)), sections=("observable",))


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
