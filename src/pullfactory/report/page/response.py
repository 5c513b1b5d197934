"""The response of every sample, on a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullfactory.report.figures import AUDIT
from pullfactory.report.page.content import Section
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.tables import paged
from pullfactory.report.response import wide_response_table


def response_section(folder: Path, summary: Mapping[str, Any]) -> Section:
    """By how much every sample changes rate, means and widths; nothing in earlier results.

    Args:
        folder: Holds `figures`.
        summary: Content of its `audit.json`.
    """
    heading, rows = "What the samples do", summary.get("response", ())
    if not rows:
        return Section(name="response", heading=heading, blocks=())
    units = {one["name"]: one.get("unit", "") for one in summary["config"]["observable"]}
    table = paged(
        wide_response_table(rows, units),
        name="samples_response",
        caption="Number of events, mean and standard deviation of the values in the bins; of a "
        "variation by how much they differ from those of the nominal sample. Events that both "
        "samples have cancel in the error. An arrow stands where the difference is more than three "
        "errors. All digits are in tables/response.csv.",
    )
    drawn = pictures(folder, AUDIT, "response")
    return Section(name="response", heading=heading, blocks=(*drawn, table))
