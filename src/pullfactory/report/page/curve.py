"""The calibration curve, on the page of an audit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullfactory.report.calibration_curve import curve_sentence, curve_table
from pullfactory.report.figures import AUDIT
from pullfactory.report.page.content import Section, Text
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.tables import paged


def curve_section(folder: Path, summary: Mapping[str, Any], units: Mapping[str, str]) -> Section:
    """Estimate against generated value; nothing in earlier results.

    Args:
        folder: Holds `figures`.
        summary: Content of its `audit.json`.
        units: Of the parameters, by name.
    """
    heading, calibration = "The calibration curve", summary.get("calibration")
    poi = summary["config"]["poi"]
    said = curve_sentence(calibration, poi, units.get(poi, ""))
    if not (calibration and said):
        return Section(name="calibration", heading=heading, blocks=())
    if not calibration["lines"]:
        return Section(name="calibration", heading=heading, blocks=(Text(text=said),))
    table = paged(
        curve_table(calibration, units),
        name="calibration_lines",
        caption="Lines through the estimates of the binned fit at the points that samples are of, "
        "in the unit of the parameter. Templates and pseudo-data are of different halves of the "
        "simulated events, so that the slope is that of half the events. The points are in "
        "tables/calibration.csv.",
        tags=("parameter",),
    )
    drawn = pictures(folder, AUDIT, "calibration")
    return Section(name="calibration", heading=heading, blocks=(Text(text=said), *drawn, table))
