"""The page that explains a result, made of what is in its folder."""

from pathlib import Path
from typing import Any

from pullfactory.errors import OutputError
from pullfactory.files import write_text
from pullfactory.results._rows import read_numbers

__all__ = ["REPORT", "report_text", "write_report"]

REPORT = "report.html"

# what numbers of other types, lengths and sizes than ours lead to
_INCOMPLETE = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)


def write_report(folder: str | Path) -> Path:
    """Write `report.html` into an output folder, from what the folder holds.

    Args:
        folder: What `StudyResult.write`, `ToysResult.write` or `AuditResult.write` wrote.

    Returns:
        The file; an earlier one is replaced, but no link.

    Raises:
        OutputError: If the folder holds no such result, or files that are damaged or none of
            ours, or cannot be written.
    """
    folder = Path(folder)
    summary = read_numbers(folder, "summary", "audit")
    page = folder / REPORT
    if page.is_symlink():
        raise OutputError(f"'{page}' is a link, and would be written through; remove it")
    audited = summary["schema"].startswith("pullfactory-audit/")
    try:
        text = report_text(folder, summary)
    except UnicodeDecodeError:
        raise OutputError(
            f"'{folder}' has no readable {'audit' if audited else 'study'}.toml; run it again"
        ) from None
    except OSError as error:
        place = Path(error.filename or folder).name
        raise OutputError(
            f"'{folder}' has no readable {place} ({error.strerror or error}); run it again"
        ) from None
    except _INCOMPLETE as error:
        numbers = folder / ("audit.json" if audited else "summary.json")
        raise OutputError(
            f"'{numbers}' is not complete ({type(error).__name__}: {error}); run it again"
        ) from None
    return write_text(page, text)


def report_text(folder: Path, summary: dict[str, Any]) -> str:
    """The page as HTML.

    Args:
        folder: Holds everything but the summary.
        summary: Content of its `summary.json` or `audit.json`.
    """
    from pullfactory.report.page import make_page, render  # drawing is slow to load

    return render(make_page(folder, summary))
