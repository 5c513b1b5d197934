"""The page of an audit of a workspace."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullfactory.described import row_of
from pullfactory.inference.error_part import Part
from pullfactory.inference.goodness import read_goodness
from pullfactory.report.figures import SHARING
from pullfactory.report.goodness import goodness_sentences, goodness_table, shown_goodness
from pullfactory.report.optimal import optimal_sentences
from pullfactory.report.page.appendix import appendix
from pullfactory.report.page.content import Block, Lead, Page, Section, Text
from pullfactory.report.page.pictures import pictures
from pullfactory.report.page.tables import paged
from pullfactory.report.sharing import (
    ASKED,
    MOST_SHOWN,
    combined_table,
    hidden_pairs,
    parts_line,
    shared_table,
    sharing_answer,
    sharing_mood,
    sharing_table,
    shown_pairs,
    shown_rows,
)
from pullfactory.sharing import CombinedRow, SharedRow, SharingRow

Numbers = Mapping[str, Any]


def sharing_page(folder: Path, summary: Numbers) -> Page:
    """The page of an audit of a workspace.

    Args:
        folder: Holds `figures`.
        summary: Content of its `workspace_audit.json`.

    Raises:
        KeyError: If the numbers lack something.
    """
    rows = [row_of(SharingRow, row) for row in summary["errors"]]
    goodness = read_goodness(summary.get("goodness"))
    first, *others = sharing_answer(rows, summary["status"], len(summary["channels"]), goodness)
    sections = (
        Section(
            name="shared",
            heading="Events that channels share",
            blocks=(*pictures(folder, SHARING, "shared"), *_pairs(summary)),
        ),
        Section(name="fit", heading="Does the workspace fit?", blocks=_fit(folder, summary)),
        Section(name="errors", heading="Are the errors right?", blocks=_errors(folder, rows)),
        Section(name="parts", heading="What the error is made of", blocks=_parts(summary, rows)),
        Section(name="optimal", heading="Combined optimally", blocks=_optimal(summary)),
        Section(
            name="notes",
            heading="What is not known",
            blocks=tuple(Text(text=f"{note}.".capitalize()) for note in summary.get("notes", ())),
        ),
        *appendix(summary["provenance"]),
    )
    return Page(
        title=f"Workspace {summary['name']}",
        question=ASKED,
        introduction=(
            f"Errors of the workspace {summary['name']!r}, measurement {summary['measurement']!r}, "
            f"with {len(summary['channels'])} channels."
        ),
        leads=(Lead(answer=first, mood=sharing_mood(rows, goodness), details=tuple(others)),),
        sections=tuple(section for section in sections if section.blocks),
    )


def _pairs(summary: Numbers) -> tuple[Block, ...]:
    pairs = [row_of(SharedRow, row) for row in summary.get("shared", ())]
    if not pairs:
        return ()
    caption = "Events that are in both of two channels; pairs that share none are left out."
    table = paged(shared_table(shown_pairs(pairs)), name="shared", caption=caption, headings=2)
    hidden = hidden_pairs(pairs)
    return (table, Text(text=hidden)) if hidden else (table,)


def _fit(folder: Path, summary: Numbers) -> tuple[Block, ...]:
    goodness = summary.get("goodness")
    if not goodness:
        return ()
    caption = "Distance of the observations from the fit, and of toys of whole events thrown there."
    shown = shown_goodness(goodness, MOST_SHOWN)
    if len(shown["rows"]) < len(goodness["rows"]):
        caption = f"{caption} Of {len(goodness['rows']) - 1} channels those that are most off."
    table = paged(goodness_table(shown), name="goodness", caption=caption)
    return (
        *pictures(folder, SHARING, "fit"),
        *((table,) if goodness["rows"] else ()),
        *(Text(text=said) for said in goodness_sentences(goodness)),
    )


def _errors(folder: Path, rows: list[SharingRow]) -> tuple[Block, ...]:
    caption = "The parameter of interest and those whose errors are, or may be, most off."
    table = paged(sharing_table(shown_rows(rows)), name="errors", caption=caption)
    return (*pictures(folder, SHARING, "errors"), table)


def _parts(summary: Numbers, rows: list[SharingRow]) -> tuple[Block, ...]:
    parts = [row_of(Part, row) for row in summary.get("parts", ())]
    return (Text(text=parts_line(parts, rows[0].parameter)),) if parts else ()


def _optimal(summary: Numbers) -> tuple[Block, ...]:
    optimal = summary.get("optimal")
    if not optimal:
        return ()
    rows = [row_of(CombinedRow, row) for row in optimal["rows"]]
    caption = "Weighed by the covariance of counts that share events."
    table = paged(combined_table(rows), name="optimal", caption=caption)
    return (*((table,) if rows else ()), *(Text(text=t) for t in optimal_sentences([optimal])))
