"""Output folders that appear whole or not at all."""

import os
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pullfactory.errors import OutputError
from pullfactory.files import short_name
from pullfactory.results.contents import find_foreign, look_into, remove_contents
from pullfactory.results.mounts import is_mount
from pullfactory.results.swap import OLD, remove_old, swap
from pullfactory.results.workplace import alone, leftovers, new_workplace, sweep
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
        target = folder.resolve()
        with alone(target.parent):
            _sweep(target)
            complaint = _complaint(target)
    except RuntimeError:
        complaint = _NOWHERE
    except OSError as error:
        complaint = f"cannot be written ({error.strerror})"
    except ValueError:
        complaint = "holds a null character"
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

    The new folder has the permissions and the owner of the old one.

    Args:
        folder: Where the result belongs.

    Yields:
        A folder to write to. If the body raises, it is removed and nothing has changed.

    Raises:
        OutputError: As `check_folder`. If something else came into the folder meanwhile, or the
            new folder cannot take its place, the old one stays as it is, and the new one beside it
            is named.
    """
    target = check_folder(folder).resolve()
    made = [parent for parent in target.parents if not parent.exists()]
    place = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        place = new_workplace(target.parent, _prefix(target))
        _be_like(target, place.path)
        yield place.path
        place.finish()
        with alone(target.parent):
            swap(place.path, target)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"output folder '{folder}' cannot be written ({error.strerror or error}); "
            "choose another --output"
        ) from None
    finally:
        if place is not None:
            place.close()
            remove_old(place.path)  # which is there after an interruption
        for parent in made:
            with suppress(OSError):  # it holds the result, unless that failed
                parent.rmdir()


def _prefix(target: Path) -> str:
    """What the names of new folders beside an output folder begin with."""
    return f".{short_name(target.name)}-"


def _be_like(old: Path, new: Path) -> None:
    """Give a new folder owner, permissions and access lists of the old one, if there is one."""
    with suppress(FileNotFoundError):
        found = old.stat()
        with suppress(PermissionError):
            os.chown(new, found.st_uid, found.st_gid)
        shutil.copystat(old, new)


def _sweep(target: Path) -> None:
    """Remove what killed runs have left beside an output folder; what was in its place comes back.

    Args:
        target: The output folder.
    """
    prefix, parent = _prefix(target), _nearest(target)
    sweep(parent, prefix)
    for folder in leftovers(parent, prefix, OLD):
        with suppress(OSError):
            found = look_into(folder)
            if found.foreign:
                continue
            if found.files and folder.name.endswith(OLD) and not target.exists():
                folder.rename(target)
            else:
                remove_contents(folder, found.files)


def _complaint(folder: Path) -> str | None:
    """What is wrong with an output folder, followed to its end; None if nothing is."""
    if folder.is_symlink():
        return _NOWHERE
    with suppress(FileNotFoundError, NotADirectoryError):
        if not stat.S_ISDIR(folder.stat().st_mode):  # one look, others may replace it
            return "is a file"
    if folder.is_dir() and (found := _foreign_in(folder)):
        return f"holds something else than a result of pullfactory: {found}"
    for what, there in (
        ("where you are", Path.cwd().is_relative_to(folder)),
        ("a mount point", is_mount(folder)),
    ):
        if there:
            return f"is {what}, and cannot be replaced"
    if folder.is_dir() and not _is_writable(folder) and folder.is_dir():
        return "cannot be written (no permission)"
    _try_writing(folder)
    return None


def _try_writing(folder: Path) -> None:
    """Make something where a new folder will be made, and remove it."""
    nearest = _nearest(folder)
    if not nearest.is_dir():
        raise NotADirectoryError(0, f"'{nearest.name}' is a file")
    new_workplace(nearest, _prefix(folder)).close()


def _nearest(folder: Path) -> Path:
    """The nearest place above a folder that exists; above the root there is none but itself."""
    return next((place for place in folder.parents if place.exists()), folder)


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
