"""Output files and folders that appear whole or not at all."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pullfactory.errors import OutputError

__all__ = ["check_file", "check_folder", "replaced_folder", "write_text"]

# of results in folders: names of JSON files
_KINDS = ("summary", "prediction", "selection", "bootstrap", "closure", "scan", "audit")


def check_file(path: str | Path) -> Path:
    """Refuse a file that cannot be written, before the work starts.

    Args:
        path: Need not exist.

    Returns:
        The file.

    Raises:
        OutputError: If it is a folder, or cannot be written.
    """
    path = Path(path)
    try:
        target = path.resolve()
        if target.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if not target.exists() or target.is_file():
            _try_writing(target.parent)
    except OSError as error:
        raise OutputError(
            f"file '{path}' cannot be written ({error.strerror}); choose another place"
        ) from None
    return path


def check_folder(folder: str | Path) -> Path:
    """Refuse a folder that a result may not be written to, before the work starts.

    Args:
        folder: Need not exist. An earlier result of ours, known by its `summary.json` or
            the like, may be replaced; an empty folder may be filled.

    Returns:
        The folder.

    Raises:
        OutputError: If the folder holds anything else, is no folder, is the current one, or
            cannot be written.
    """
    folder = Path(folder)
    try:
        complaint = _complaint(folder.resolve())
    except OSError as error:
        complaint = f"cannot be written ({error.strerror})"
    if complaint:
        raise OutputError(f"output folder '{folder}' {complaint}; choose another --output")
    return folder


@contextmanager
def replaced_folder(folder: str | Path) -> Iterator[Path]:
    """Fill a new folder beside the old one, then put it in its place.

    Args:
        folder: Where the result belongs.

    Yields:
        An empty folder to write to. If the body raises, it is removed and nothing has changed.

    Raises:
        OutputError: As `check_folder`.
    """
    target = check_folder(folder).resolve()
    made = [parent for parent in target.parents if not parent.exists()]
    staging = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        staging.chmod(0o755)
        yield staging
        _swap(staging, target)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"output folder '{folder}' cannot be written ({error.strerror or error}); "
            "choose another --output"
        ) from None
    finally:
        if staging is not None:
            shutil.rmtree(staging, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # it holds the result, unless that failed
                parent.rmdir()


def write_text(path: str | Path, text: str) -> Path:
    """Write a file whole or not at all.

    Args:
        path: The file; an existing one is replaced. A device or a pipe is written to.
        text: Its content.

    Returns:
        The file.

    Raises:
        OutputError: If the file cannot be written.
    """
    path = check_file(path)
    try:
        target = path.resolve()
        if target.exists() and not target.is_file():
            target.write_text(text, encoding="utf-8")
            return path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        try:
            partial.write_text(text, encoding="utf-8")
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(
            f"file '{path}' cannot be written ({error.strerror}); choose another place"
        ) from None
    return path


def _complaint(folder: Path) -> str | None:
    """What is wrong with an output folder; None if nothing is."""
    if folder.exists() and not folder.is_dir():
        return "is a file"
    if folder.is_dir() and any(folder.iterdir()) and not _is_ours(folder):
        return "holds something else than a result of pullfactory"
    if Path.cwd().is_relative_to(folder):
        return "is where you are, and cannot be replaced"
    if folder.is_dir() and not os.access(folder, os.W_OK):
        return "cannot be written (no permission)"
    _try_writing(folder.parent)
    return None


def _try_writing(folder: Path) -> None:
    """Raise an `OSError` if nothing can be made in a folder, or in the nearest that exists."""
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(0, f"'{nearest.name}' is a file")
    with tempfile.TemporaryDirectory(prefix=".", dir=nearest):
        pass


def _swap(staging: Path, folder: Path) -> None:
    """Put the new folder where the old one is; whatever interrupts, one of them is there."""
    old = staging.with_name(f"{staging.name}.old")
    try:
        if folder.exists():
            folder.rename(old)
        staging.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    finally:
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return any(_has(folder, kind) for kind in _KINDS)


def _has(folder: Path, kind: str) -> bool:
    """Whether a folder holds a result of this kind."""
    try:
        data = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and str(data.get("schema", "")).startswith(f"pullfactory-{kind}/")
