"""The calibration curve of an audit in words and as a table, for terminal and page alike."""

from collections.abc import Mapping
from typing import Any

from pullfactory.numbers import rounded, significant
from pullfactory.report.tabular import Column, Table, digits, named, text

Numbers = Mapping[str, Any]

_SAID = {
    "agrees": "as the formula expects",
    "differs": "which the formula does not expect, but too little to matter",
    "contradicts": "which the formula does not expect: it fails here",
}


def curve_sentence(calibration: Numbers | None, parameter: str, unit: str) -> str | None:
    """Slope and offset of one parameter; None in results that have none.

    Args:
        calibration: `calibration` of an audit, as plain data.
        parameter: Name.
        unit: Of the parameter; "" is none.
    """
    if not calibration:
        return None
    if calibration["reason"]:
        return f"No calibration curve: {calibration['reason']}."
    line = next((one for one in calibration["lines"] if one["parameter"] == parameter), None)
    if line is None:
        return None
    slope = rounded(line["slope"], line["slope_error"])
    offset = rounded(line["offset"], line["offset_error"])
    said = (
        f"Calibration curve of {parameter}, with templates of one half of the simulated events "
        f"and the other half as data: slope {slope}, {_SAID[line['agreement']]} "
        f"({significant(line['expected_slope'])}; with all events "
        f"{significant(line['whole_slope'])}), offset {offset}{f' {unit}' if unit else ''}"
    )
    if line["calibrated_slope"] is None:
        return f"{said}."
    calibrated = rounded(line["calibrated_slope"], line["calibrated_slope_error"])
    return f"{said}; divided by what is expected, slope {calibrated}."


def curve_table(calibration: Numbers, units: Mapping[str, str]) -> Table[Numbers]:
    """Slopes and offsets, one row a parameter.

    Args:
        calibration: `calibration` of an audit, as plain data.
        units: Of the parameters, by name; "" is none.
    """
    columns = (
        named("parameter", "parameter", units),
        _with_error("slope", "slope"),
        digits("expected_slope", "expected"),
        digits("whole_slope", "of all events"),
        _with_error("offset", "offset"),
        _with_error("calibrated_slope", "calibrated slope"),
        _with_error("calibrated_offset", "calibrated offset"),
        text("agreement", ""),
    )
    return Table(columns=columns, rows=tuple(calibration["lines"]))


def _with_error(key: str, heading: str) -> Column:
    """A number with its error, of either sign."""
    return Column(key=key, heading=heading, show=lambda row: rounded(row[key], row[f"{key}_error"]))
