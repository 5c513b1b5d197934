"""Tables of a page: what the rows of a summary say."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pullfactory.numbers import ABSENT, EXACT_SLOPE, plain, roughly, rounded, significant
from pullfactory.report.page.content import Cell, Row, Table, Tags
from pullfactory.report.page.verdict import PullNumbers, Verdict, rho_name
from pullfactory.report.palette import method_label, with_minus

__all__ = [
    "calibration_rows",
    "closure_rows",
    "measured",
    "noise_rows",
    "pull_rows",
    "significant_cell",
    "status_rows",
    "verdict_rows",
]

Status = Mapping[str, Mapping[str, int]]


def verdict_rows(rows: Sequence[PullNumbers], units: Mapping[str, str]) -> Table:
    """Claimed and actual error, and by how much they differ.

    Args:
        rows: Of a summary.
        units: Of the parameters; "" is none.
    """
    keys = _keys(rows)
    with_rho = "ρ" in keys
    found = []
    for row in rows:
        verdict = Verdict.of(row, units.get(row["parameter"], ""))
        corrected = row["corrected_error"]
        numbers = (
            significant_cell(verdict.claimed),
            Cell(_minus(rounded(verdict.actual, verdict.actual_error)), verdict.actual),
            Cell(_minus(rounded(verdict.factor, verdict.factor_error)), verdict.factor),
            *((_decimals(verdict.predicted), significant_cell(corrected)) if with_rho else ()),
            Cell(str(row["n_toys"]), row["n_toys"]),
            *(() if with_rho else (Cell(str(row["n_at_bound"]), row["n_at_bound"]),)),
            Cell(str(row["n_failed"]), row["n_failed"]),
        )
        found.append(_row(row, units, numbers, keys))
    only = ("predicted", "corrected error") if with_rho else ()
    counted = ("toys", "without pull") if with_rho else ("toys", "at its bound", "without pull")
    return Table(
        name="verdict",
        caption="“Inflate by” is actual / claimed: multiply the claimed error by it."
        + (" “Predicted” is that factor without toys." if with_rho else ""),
        columns=(
            *keys,
            "parameter",
            *("claimed error", "actual error", "inflate by"),
            *only,
            *counted,
        ),
        rows=tuple(found),
        headings=len(keys) + 1,
    )


def pull_rows(rows: Sequence[PullNumbers]) -> Table:
    """Mean, width and coverage of the pulls.

    Args:
        rows: Of a summary.
    """
    keys = _keys(rows)
    with_rho = "ρ" in keys
    found = []
    for row in rows:
        corrected = (
            _decimals(row["predicted_width"]),
            measured(row["corrected_width"], row["corrected_width_error"]),
        )
        numbers = (
            measured(row["mean"], row["mean_error"]),
            measured(row["width"], row["width_error"]),
            *(corrected if with_rho else ()),
            _fraction(row, "coverage_68"),
            _fraction(row, "coverage_95"),
        )
        found.append(_row(row, {}, numbers, keys))
    return Table(
        name="pulls",
        caption="Pulls, (estimate − truth) / claimed error: for right errors their mean is 0, "
        "their width 1, and 68.27 % and 95.45 % of them are within ± 1 and ± 2.",
        columns=(
            *(*keys, "parameter", "mean", "width"),
            *(("predicted width", "width with corrected errors") if with_rho else ()),
            *("within ± 1 [%]", "within ± 2 [%]"),
        ),
        rows=tuple(found),
        headings=len(keys) + 1,
    )


def status_rows(status: Status) -> Table:
    """How the fits of each method ended.

    Args:
        status: Number of fits by method and status.
    """
    methods = list(status)
    names = list(dict.fromkeys(name for counts in status.values() for name in counts))
    return Table(
        name="status",
        caption="Fits by how they ended.",
        columns=("status", *map(method_label, methods)),
        rows=tuple(
            Row(
                cells=(
                    Cell(name.replace("_", " ")),
                    *(Cell(str(status[m].get(name, 0)), status[m].get(name, 0)) for m in methods),
                )
            )
            for name in names
        ),
    )


def calibration_rows(rows: Iterable[Mapping[str, Any]]) -> Table:
    """Truth and result of every number of the response.

    Args:
        rows: Of `calibration` of a summary.
    """
    found = []
    for row in rows:
        floor = EXACT_SLOPE if row["quantity"].startswith("s_") else 0.0
        result = rounded(row["result"], row["error"], floor=floor)
        off = (row["result"] - row["truth"]) / row["error"] if row["error"] > floor else None
        found.append(
            Row(
                cells=(
                    Cell(row["observable"]),
                    Cell(row["quantity"]),
                    Cell(_minus(plain(row["truth"])), row["truth"]),
                    Cell(_minus(result), row["result"]),
                    Cell(ABSENT if off is None else with_minus(f"{off:z.1f}"), off),
                )
            )
        )
    return Table(
        name="response",
        caption="The response as the calibration found it.",
        columns=("observable", "quantity", "truth", "result", "(result − truth) / error"),
        rows=tuple(found),
        headings=2,
    )


def noise_rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What the noise of the calibration is expected to do to the pulls.

    Args:
        rows: Of `calibration_noise` of a summary; earlier ones have no `rho`.
    """
    return Table(
        name="noise",
        caption="Shift of the mean pull over calibrations, and pull width within one.",
        columns=("fit", "ρ", "parameter", "shift", "pull width", "events a point for 10 %"),
        rows=tuple(
            Row(
                cells=(
                    Cell(method_label(row["method"])),
                    Cell(rho_name(row.get("rho", 0.0)), row.get("rho", 0.0)),
                    Cell(row["parameter"]),
                    _decimals(row["shift"]),
                    _decimals(row["width"]),
                    Cell(
                        ABSENT if row["events_per_point"] is None else str(row["events_per_point"]),
                        row["events_per_point"],
                    ),
                )
            )
            for row in rows
        ),
        headings=3,
    )


def closure_rows(rows: Iterable[Mapping[str, Any]]) -> Table:
    """What the morphing alone does to the fits.

    Args:
        rows: Of `closure` of a summary.
    """
    return Table(
        name="closure",
        caption="Bias, estimate − that of a fit with exact rates, as a root mean square over the "
        "truth and the fit error in units of the error, and pulls of the binned fit at ρ = 0.",
        columns=(
            *("parameter", "bias", "pull mean", "pull width", "pull width of exact rates"),
            *("events where the bias reaches 10 %", "closes", "corrected errors"),
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(row["parameter"]),
                    *(
                        _decimals(row.get(key))
                        for key in ("bias", "pull_mean", "pull_width", "closing_width")
                    ),
                    Cell(roughly(row["biased_from"]), row["biased_from"]),
                    Cell("yes" if row["closes"] else "no"),
                    Cell("given" if row.get("correctable", True) else "none"),
                )
            )
            for row in rows
        ),
    )


def _row(
    row: PullNumbers, units: Mapping[str, str], numbers: tuple[Cell, ...], keys: tuple[str, ...]
) -> Row:
    unit = units.get(row["parameter"], "")
    name = Cell(f"{row['parameter']} [{unit}]" if unit else row["parameter"])
    rho = rho_name(row["rho"])
    where = {"method": Cell(method_label(row["method"])), "ρ": Cell(rho, row["rho"])}
    tags = Tags(
        method=row["method"] if "method" in keys else None,
        rho=rho if "ρ" in keys else None,
        parameter=row["parameter"],
    )
    return Row(cells=(*(where[key] for key in keys), name, *numbers), tags=tags)


def _keys(rows: Sequence[PullNumbers]) -> tuple[str, ...]:
    """What tells the rows of one parameter apart, as columns."""
    if any(row["rho"] is not None for row in rows):
        return ("method", "ρ")
    return ("method",) if len({row["method"] for row in rows}) > 1 else ()


def significant_cell(value: float | None) -> Cell:
    """A number whose error is not known.

    Args:
        value: None where there is none.
    """
    return Cell(_minus(significant(value)), value)


def _decimals(value: float | None) -> Cell:
    return Cell(ABSENT if value is None else with_minus(f"{value:z.3f}"), value)


def measured(value: float | None, error: float | None) -> Cell:
    """A number with its error.

    Args:
        value: None where there is none.
        error: Its standard error, or None.
    """
    return Cell(_minus(rounded(value, error)), value)


def _fraction(row: PullNumbers, key: str) -> Cell:
    """A fraction with half its interval as error, in percent."""
    value, low, high = row[key], row[f"{key}_low"], row[f"{key}_high"]
    if value is None or low is None or high is None:
        return Cell(ABSENT)
    return Cell(rounded(100.0 * value, 50.0 * (high - low)), value)


def _minus(text: str) -> str:
    """With typographic minus signs, unless the number is absent."""
    return text if text == ABSENT else with_minus(text)
