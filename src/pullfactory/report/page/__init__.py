"""The page that explains a result: what stands on it, and how it becomes HTML.

A kind of result has one function that makes a `Page` of what is in its folder; the template knows
pages only. A new kind supplies such a function and its line in `make_page`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pullfactory.report.page.audit import audit_page
from pullfactory.report.page.content import Page
from pullfactory.report.page.rendering import render
from pullfactory.report.page.study import study_page
from pullfactory.report.page.toys import toys_page

__all__ = ["make_page", "render"]


def make_page(folder: Path, summary: Mapping[str, Any]) -> Page:
    """The page of the result in a folder.

    Args:
        folder: Holds `study.toml` if there is a study, and `figures`; figures that are missing are
            left out.
        summary: Content of its `summary.json` or `audit.json`.

    Raises:
        KeyError: If the summary lacks something.
        OSError: If the study cannot be read.
    """
    if summary["schema"].startswith("pullfactory-audit/"):
        return audit_page(folder, summary)
    return toys_page(folder, summary) if summary["study"] is None else study_page(folder, summary)
