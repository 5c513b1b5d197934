"""Folders of results, read and told again."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from pullfactory.errors import OutputError
from pullfactory.files import replace_text
from pullfactory.methods import MethodKind
from pullfactory.progress import Progress, silent
from pullfactory.results.audit import AuditResult
from pullfactory.results.bootstrap import BootstrapSummary
from pullfactory.results.closure import ClosureResult
from pullfactory.results.contents import require_plain
from pullfactory.results.damage import complete
from pullfactory.results.manifest import read_command, renew_manifest
from pullfactory.results.missing import Warn, warn_in_python
from pullfactory.results.prediction import PredictionResult
from pullfactory.results.report import REPORT, report_text
from pullfactory.results.result import Result
from pullfactory.results.rows import read_numbers
from pullfactory.results.scan import ScanResult
from pullfactory.results.selection import SelectionResult
from pullfactory.results.study import StudyResult
from pullfactory.results.toys import ToysResult
from pullfactory.results.workspace_audit import WorkspaceAuditResult

_KINDS: tuple[type[Result], ...] = (
    *(StudyResult, ToysResult, AuditResult, PredictionResult, ScanResult, SelectionResult),
    *(BootstrapSummary, ClosureResult, WorkspaceAuditResult),
)


def read(folder: str | Path, *, methods: Iterable[MethodKind] = ()) -> Result:
    """Read the result in a folder, whatever kind it is of.

    What it gives back is what was written: tables, figures, numbers and the folder itself can be
    made again, without fits.

    Args:
        folder: What the `write` of a result wrote.
        methods: Those that were given to the verb as objects.

    Raises:
        LikelihoodError: If a method has the name of another one.
        OutputError: If the folder holds no result, or one that is damaged or cannot be read back.
    """
    kind, _ = _found(Path(folder))
    return kind.read(folder, methods=methods)


def _found(folder: Path) -> tuple[type[Result], dict[str, Any]]:
    """The kind of the result in a folder, and its numbers."""
    require_plain(folder)
    numbers = read_numbers(folder, *dict.fromkeys(kind.kind for kind in _KINDS))
    return next(kind for kind in _KINDS if kind.holds(numbers)), numbers


def write_report(
    folder: str | Path,
    *,
    figures: Collection[str] | None = None,
    progress: Progress = silent,
    warn: Warn = warn_in_python,
) -> Path:
    """Write `report.html` into an output folder, from what the folder holds.

    Args:
        folder: What `StudyResult.write`, `ToysResult.write`, `AuditResult.write` or
            `WorkspaceAuditResult.write` wrote; with figures, that of any result that `read` reads.
        figures: Formats in which the figures are drawn again, such as ("png", "pdf"): the folder is
            then written anew, whole or not at all. None: they stay as they are.
        progress: How drawing shows that it goes on.
        warn: Is told what is missing, as by `Result.write`.

    Returns:
        The file; an earlier one is replaced, but no link. Where a result has no page, the folder.

    Raises:
        OutputError: If the folder holds no such result, or files that are damaged or none of
            ours, or cannot be written.
    """
    folder = Path(folder)
    page = folder / REPORT
    if figures is not None:
        command = read_command(folder)
        read(folder).write(folder, figures=figures, progress=progress, warn=warn, command=command)
        return page if page.exists() else folder
    made, summary = _found(folder)
    what = summary["schema"].partition("/")[0].removeprefix("pullfactory-")
    if what not in ("summary", "audit", "workspace_audit"):
        raise OutputError(
            f"'{folder}' holds a {what}, which has no page; --figures draws its figures again"
        )
    with complete(folder, f"{what}.json"):
        made.require(summary)
        text = report_text(folder, summary)
    try:
        replace_text(page, text)
        renew_manifest(folder, REPORT)
    except OSError as error:
        raise OutputError(
            f"'{page}' cannot be written ({error.strerror}); make the folder writable"
        ) from None
    return page
