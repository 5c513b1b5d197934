"""The page of toys of a workspace."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullfactory.report.figures import TOYS
from pullfactory.report.page.appendix import appendix
from pullfactory.report.page.content import Lead, Page, Section
from pullfactory.report.page.failures import failure_blocks
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.tables import paged, pull_rows, status_rows, verdict_rows
from pullfactory.report.tabular import Table, text, value
from pullfactory.report.verdict import Verdict, answer_of

_DRAWN = {
    "fixed": "their truth is fixed, and their auxiliary data are drawn",
    "prior": "their constrained parameters are drawn, and their auxiliary data are fixed",
}


def toys_page(folder: Path, summary: Mapping[str, Any]) -> Page:
    """The page of toys of a workspace.

    Args:
        folder: Holds `figures`.
        summary: Content of its `summary.json`.

    Raises:
        KeyError: If the summary lacks something.
    """
    rows = summary["pulls"]
    toys = rows[0]["n_toys"]
    answer = answer_of(
        [Verdict.of(row, remarks=summary.get("remarks", ())) for row in rows],
        where=f"in {toys} toys",
        independent=False,
    )
    truth = paged(
        Table(
            columns=(text("parameter", "parameter"), value("truth", "truth")),
            rows=tuple({"parameter": k, "truth": v} for k, v in summary["truth"].items()),
        ),
        name="truth",
        caption="True value of every parameter before any draw.",
    )
    sections = (
        Section(
            name="errors", heading="Claimed and actual errors", blocks=(verdict_rows(rows, {}),)
        ),
        Section(
            name="distributions",
            heading="Pulls",
            blocks=(*pictures(folder, TOYS, "distributions"), pull_rows(rows)),
        ),
        Section(
            name="correlation",
            heading="Correlation of the parameters",
            blocks=pictures(folder, TOYS, "correlation"),
        ),
        Section(
            name="minima",
            heading="Minimum of the likelihood",
            blocks=pictures(folder, TOYS, "minima"),
        ),
        Section(
            name="fits",
            heading="How every fit ended",
            blocks=(
                status_rows(summary["status"]),
                *failure_blocks(
                    folder,
                    "failures.csv",
                    summary["status"],
                    pictures(folder, TOYS, "failures"),
                ),
            ),
        ),
        Section(name="truth", heading="What was thrown", blocks=(truth,)),
        *appendix(summary["provenance"]),
    )
    return Page(
        title=f"{toys} toys of a workspace",
        question="May I believe the errors of this fit?",
        introduction=(
            f"{toys} toys of a pyhf workspace, fitted with itself; "
            f"{_DRAWN.get(summary['ensemble'], summary['ensemble'])}. Its channels are independent "
            "in these toys."
        ),
        leads=(Lead.of(answer),),
        sections=tuple(section for section in sections if section.blocks),
        choices={"parameter": tuple((row["parameter"], row["parameter"]) for row in rows)},
    )
