"""The page that explains a result, made of what is in its folder."""

from pathlib import Path
from typing import Any

REPORT = "report.html"


def report_text(folder: Path, summary: dict[str, Any]) -> str:
    """The page as HTML.

    Args:
        folder: Holds everything but the summary.
        summary: Content of its `summary.json` or `audit.json`.
    """
    from pullfactory.report.page import make_page, render  # drawing is slow to load

    return render(make_page(folder, summary))
