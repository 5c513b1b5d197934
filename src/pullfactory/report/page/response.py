"""The response of every sample, on a page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullfactory.numbers import ABSENT, rounded
from pullfactory.report.figures import AUDIT
from pullfactory.report.page.content import Section
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.tables import paged
from pullfactory.report.response import MARKS
from pullfactory.report.tabular import Column, Table, text

_SIGNS = {"up": "↑", "down": "↓"}


def response_section(folder: Path, summary: Mapping[str, Any]) -> Section:
    """By how much every sample changes rate, means and widths; nothing in earlier results.

    Args:
        folder: Holds `figures`.
        summary: Content of its `audit.json`.
    """
    heading, rows = "What the samples do", summary.get("response", ())
    if not rows:
        return Section(name="response", heading=heading, blocks=())
    columns = (
        *(text("role", "sample", once=True), text("observable", "observable")),
        *(text("quantity", "quantity"), _whole("nominal"), _whole("value")),
        Column(
            key="difference",
            heading="difference",
            show=lambda r: rounded(r["difference"], r["error"]) if r["error"] else ABSENT,
        ),
        Column(
            key="direction",
            heading="way",
            show=lambda r: _SIGNS.get(r["direction"], ""),
            words=True,
        ),
        Column(
            key="mark",
            heading="mark",
            show=lambda r: MARKS.get(r["mark"], "").replace("\n", " "),
            words=True,
        ),
    )
    table = paged(
        Table(columns=columns, rows=tuple(rows)),
        name="samples_response",
        caption="Number of events, mean and standard deviation of the values in the bins, beside "
        "those of the nominal sample; of a number of events the difference is relative. Events "
        "that both samples have cancel in the error. An arrow stands where the difference is "
        "more than three errors.",
        headings=3,
    )
    drawn = pictures(folder, AUDIT, "response")
    return Section(name="response", heading=heading, blocks=(*drawn, table))


def _whole(key: str) -> Column:
    """A number that differences of its last digits matter in."""
    return Column(
        key=key,
        heading=key,
        show=lambda row: ABSENT if row[key] is None else f"{row[key]:.6g}",
    )
