"""The page that explains a result: what stands on it, and how it becomes HTML.

A kind of result has one function that makes a `Page` of what is in its folder, section by section;
the template knows pages only. A new kind supplies such a function and its line in `_PAGES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pullfactory.report.page.audit import audit_page
from pullfactory.report.page.content import Page
from pullfactory.report.page.rendering import render
from pullfactory.report.page.sharing import sharing_page
from pullfactory.report.page.study import study_page
from pullfactory.report.page.toys import toys_page
from pullfactory.settings.fields import FIGURE_FORMATS

__all__ = ["make_page", "render"]


_PAGES: Mapping[str, Callable[[Path, Mapping[str, Any]], Page]] = MappingProxyType(
    {"study": study_page, "toys": toys_page, "audit": audit_page, "workspace_audit": sharing_page}
)


def make_page(folder: Path, content: Mapping[str, Any]) -> Page:
    """The page of the result in a folder.

    Args:
        folder: Holds what the kind of result has beside its numbers; figures that are missing are
            left out.
        content: Its numbers, such as the content of `summary.json`.

    Raises:
        KeyError: If the numbers are of no known kind, or lack something.
        OSError: If a file is missing that is no figure, or cannot be read.
    """
    kind = content["schema"].partition("/")[0].removeprefix("pullfactory-")
    if kind == "summary":
        kind = "toys" if content["study"] is None else "study"
    page = _PAGES[kind](folder, content)
    return replace(page, introduction=f"{page.introduction}{_without_figures(folder)}")


def _without_figures(folder: Path) -> str:
    """Why the page shows no figures, and how to have them; nothing if it shows some."""
    drawn = {file.suffix.removeprefix(".") for file in (folder / "figures").glob("*.*")}
    if "png" in drawn:
        return ""
    some = [ending for ending in FIGURE_FORMATS if ending in drawn]
    said = f"Figures are there as {' and '.join(some)}" if some else "No figures were drawn"
    return f" {said}; pullfactory report FOLDER --figures png shows them here."
