"""Output folders that appear whole or not at all."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pullfactory.errors import OutputError
from pullfactory.files import try_writing
from pullfactory.results.contents import find_foreign
from pullfactory.settings.fields import figure_formats

_NOWHERE = "is a link that leads nowhere"
_IDENTITY = 3  # first entries of a `stat`: mode, number and device
_TRIES = 5  # to look into a folder that others write to as well


def check_folder(folder: str | Path) -> Path:
    """Refuse a folder that a result may not be written to, before the work starts.

    Args:
        folder: Need not exist. An earlier result of ours, of any kind, may be replaced if
            nothing else lies in it (see `find_foreign`); an empty folder may be filled. A link
            to such a folder stays, and the folder that it leads to is replaced.

    Returns:
        The folder.

    Raises:
        OutputError: If the folder holds anything else, is no folder, a mount point or the
            current one, or cannot be written.
    """
    folder = Path(folder)
    try:
        complaint = _complaint(folder.resolve())
    except RuntimeError:
        complaint = _NOWHERE
    except OSError as error:
        complaint = f"cannot be written ({error.strerror})"
    if complaint:
        raise OutputError(f"output folder '{folder}' {complaint}; choose another --output")
    return folder


def check_formats(given: Collection[str]) -> tuple[str, ...]:
    """Refuse formats of figures that there are not.

    Args:
        given: Names; "none", or nothing: no figures.

    Returns:
        Each once.

    Raises:
        OutputError: If one is no format.
    """
    try:
        return figure_formats(given)
    except ValueError as error:
        raise OutputError(f"figures: {error}") from None


@contextmanager
def replaced_folder(folder: str | Path) -> Iterator[Path]:
    """Fill a new folder beside the old one, then put it in its place.

    Args:
        folder: Where the result belongs.

    Yields:
        An empty folder to write to. If the body raises, it is removed and nothing has changed.

    Raises:
        OutputError: As `check_folder`. If something else came into the folder meanwhile, that
            stays where it is, and the new folder beside it is named.
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
        if staging is not None and staging.exists():
            shutil.rmtree(staging, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # it holds the result, unless that failed
                parent.rmdir()


def _complaint(folder: Path) -> str | None:
    """What is wrong with an output folder, followed to its end; None if nothing is."""
    if folder.is_symlink():
        return _NOWHERE
    with suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISDIR(folder.stat().st_mode):  # one look, others may replace it
            return "is a file"
    if folder.is_dir() and (name := _foreign_in(folder)):
        return f"holds something else than a result of pullfactory: {name!r}"
    for what, there in (
        ("where you are", Path.cwd().is_relative_to(folder)),
        ("a mount point", os.path.ismount(folder)),
    ):
        if there:
            return f"is {what}, and cannot be replaced"
    if folder.is_dir() and not _is_writable(folder) and folder.is_dir():
        return "cannot be written (no permission)"
    try_writing(folder.parent)
    return None


def _is_writable(folder: Path) -> bool:
    """Whether a folder can be written, which another process may replace in this moment."""
    return any(os.access(folder, os.W_OK) for _ in range(_TRIES))


def _foreign_in(folder: Path) -> str | None:
    """As `find_foreign`, of a folder that another process may replace in this moment."""
    name = None
    for _ in range(_TRIES):
        try:
            before = folder.stat()
            name = find_foreign(folder)
            if name is None or folder.stat()[:_IDENTITY] == before[:_IDENTITY]:
                return name
        except FileNotFoundError:
            name = None
    return name


def _swap(staging: Path, folder: Path) -> None:
    """Put the new folder where the old one is; whatever interrupts, one of them is there."""
    old = staging.with_name(f"{staging.name}.old")
    try:
        while not _take(staging, folder, old):  # others write there as well, and were faster
            _remove(old)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    _remove(old)


def _take(staging: Path, folder: Path, old: Path) -> bool:
    """Move the old folder away and the new one to its place; whether that was still free."""
    with suppress(FileNotFoundError):
        folder.rename(old)
        _check_again(old, staging, folder)
    try:
        staging.rename(folder)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True


def _check_again(old: Path, staging: Path, folder: Path) -> None:
    """Refuse to remove what came into a folder since it was looked at; keep the new one."""
    if name := folder.name if old.is_symlink() else find_foreign(old):
        old.rename(folder)
        new = staging.rename(staging.with_name(staging.name.lstrip(".")))
        raise OutputError(
            f"output folder '{folder.name}' now holds something else than a result of "
            f"pullfactory: {name!r}; the new result is in '{new}'"
        )


def _remove(folder: Path) -> None:
    """Remove a result, and nothing that came to it since it was looked at."""
    with suppress(OSError):
        if find_foreign(folder) is None:
            shutil.rmtree(folder)
