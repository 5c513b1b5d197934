"""The line for the paper, and the impacts of the nuisance parameters, on the page of an audit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullfactory.report.figures import AUDIT
from pullfactory.report.page.content import Block, Section, Text
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.tables import paged
from pullfactory.report.paper import impacts_table, paper_lines, parts_table

Numbers = Mapping[str, Any]


def paper_blocks(summary: Numbers, units: Mapping[str, str]) -> tuple[Block, ...]:
    """The line for the paper and the parts of its error; nothing in earlier audits.

    Args:
        summary: Content of its `audit.json`.
        units: Of the parameters.
    """
    rows, poi = summary.get("paper", ()), summary["config"]["poi"]
    lines = tuple(Text(text=said) for said in paper_lines(rows, units.get(poi, "")))
    told = [row for row in rows if row["parts"]]
    if not told:
        return lines
    table = paged(
        parts_table(told),
        name="paper",
        caption=f"What the error of {poi} is made of: parts that add in quadrature. That of a "
        "nuisance is the impact of its auxiliary measurement.",
        headings=2,
        tags=("method",),
    )
    return (*lines, table)


def impacts_section(folder: Path, summary: Numbers) -> Section:
    """Pulls, constraints and impacts of the nuisances; without blocks where there are none.

    Args:
        folder: Holds `figures`.
        summary: Content of its `audit.json`; earlier ones have no `impacts`.
    """
    rows, poi = summary.get("impacts", ()), summary["config"]["poi"]
    blocks: tuple[Block, ...] = ()
    if rows:
        table = paged(
            impacts_table(rows, poi),
            name="impacts",
            caption=f"Pulls, (estimate − auxiliary value) / its spread; constraints, error / width "
            f"of the constraint; impacts on {poi}, its shift where a nuisance moves by its error. "
            "Impacts do not add up to an error: nuisances whose estimates are correlated share "
            "them. The last two columns do, in quadrature, with the other parts of the error.",
            tags=("method", "parameter"),
        )
        blocks = (*pictures(folder, AUDIT, "impacts"), table)
    return Section(name="impacts", heading="What the nuisance parameters do", blocks=blocks)
