"""The page that explains a result: what stands on it, and how it becomes HTML.

A kind of result has one function that makes a `Page` of what is in its folder, section by section;
the template knows pages only. A new kind supplies such a function and its line in `_PAGES`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pullfactory.report.page.audit import audit_page
from pullfactory.report.page.content import Page
from pullfactory.report.page.rendering import render
from pullfactory.report.page.study import study_page
from pullfactory.report.page.toys import toys_page

__all__ = ["make_page", "render"]


_PAGES: Mapping[str, Callable[[Path, Mapping[str, Any]], Page]] = MappingProxyType(
    {"study": study_page, "toys": toys_page, "audit": audit_page}
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
    return _PAGES[kind](folder, content)
