"""A new folder takes the place of an old one; whatever interrupts, one of them is there."""

import errno
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from pullfactory.errors import OutputError
from pullfactory.results.contents import find_foreign, look_into, remove_contents
from pullfactory.results.exchange import exchange
from pullfactory.results.workplace import held

OLD = ".old"
"""What the name of an old folder ends with, where two folders cannot change places at once."""

_OTHERS = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)  # somebody was faster


def swap(new: Path, folder: Path) -> None:
    """Put a new folder where an old one is, and remove the old one.

    Args:
        new: Whole, and beside the other.
        folder: An earlier result, or nothing.

    Raises:
        OutputError: If something else came into the old folder, or the new one cannot take its
            place; the new one stays beside it under another name.
    """
    try:
        old = None
        while not _takes(new, folder):
            old = _changed_places(new, folder)
            if old is not None:
                break
        if old is not None:
            remove_old(old)
    except OSError as error:
        if isinstance(error, OutputError) or not new.exists():
            raise
        _keep(new, folder, f"cannot be replaced ({error.strerror or error})")


def _takes(new: Path, folder: Path) -> bool:
    """Move the new folder to its place, if that is free."""
    if folder.exists() or folder.is_symlink():
        return False
    try:
        new.rename(folder)
    except OSError as error:
        if error.errno in _OTHERS:
            return False
        raise
    return True


def _changed_places(new: Path, folder: Path) -> Path | None:
    """Let both change places; where the old one is then, None if something came between."""
    try:
        if exchange(new, folder):
            _check_again(new, folder)
            return new
    except FileNotFoundError:
        return None
    return _moved_aside(new, folder)


def _check_again(old: Path, folder: Path) -> None:
    """Change back if what was at the place is more than a result; keep the new one."""
    if found := _foreign(old, folder):
        exchange(old, folder)
        _refuse(old, folder, found)


def _moved_aside(new: Path, folder: Path) -> Path | None:
    """Move the old one away, then the new one to its place: where nothing else can be done."""
    old = new.with_name(f"{new.name}{OLD}")
    try:
        folder.rename(old)
    except FileNotFoundError:
        return None
    try:
        if found := _foreign(old, folder):
            old.rename(folder)
            _refuse(new, folder, found)
        if _takes(new, folder):
            return old
        remove_old(old)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    return None


def _foreign(old: Path, folder: Path) -> str | None:
    """What is no result of ours in what was moved away; somebody else may have swept that."""
    try:
        return repr(folder.name) if old.is_symlink() else find_foreign(old)
    except FileNotFoundError:
        return None


def _refuse(new: Path, folder: Path, found: str) -> NoReturn:
    _keep(new, folder, f"now holds something else than a result of pullfactory: {found}")


def _keep(new: Path, folder: Path, why: str) -> NoReturn:
    """Leave the new folder beside the old one, where it is seen, and say so."""
    kept = new.rename(new.with_name(new.name.lstrip(".")))
    raise OutputError(f"output folder '{folder.name}' {why}; the new result is in '{kept}'")


def remove_old(old: Path) -> None:
    """Remove a result, and nothing that came to it since it was looked at: that is shown.

    Args:
        old: May be gone.
    """
    with suppress(OSError), held(old, wait=True):
        found = look_into(old)
        if found.foreign is None:
            with suppress(OSError):
                remove_contents(old, found.files)
        if old.exists():
            old.rename(old.with_name(old.name.lstrip(".")))
