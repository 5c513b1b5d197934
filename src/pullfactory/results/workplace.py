"""Folders that are ours for as long as we live: marked, locked, and swept after a kill."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from re import escape, fullmatch
from secrets import token_hex
from tempfile import gettempdir

from pullfactory.files import try_reading

MARK = ".pullfactory"
"""A file that says which folder it was made in: one with its own name is ours, and unfinished."""

_TOKEN = 4  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """A folder that is being filled.

    Attributes:
        path: The folder.
        identity: Device and number of the folder, by which it is known wherever it is.
        lock: A descriptor that holds it; None where the file system has no locks.
    """

    path: Path
    identity: tuple[int, int]
    lock: int | None

    def finish(self) -> None:
        """Take the mark away: what lies here is whole."""
        (self.path / MARK).unlink()

    def close(self) -> None:
        """Let go of it, and remove it if it is still where it was made."""
        with suppress(FileNotFoundError):
            if _identity(self.path) == self.identity:
                remove_marked(self.path)
        if self.lock is not None:
            os.close(self.lock)


def new_workplace(parent: Path, prefix: str, *, mode: int = 0o777) -> Workplace:
    """Make a folder that nobody else uses, and that the next one sweeps if this process is killed.

    Args:
        parent: Exists.
        prefix: What its name begins with.
        mode: Its permissions, less those that the system keeps from new folders.

    Raises:
        OSError: If it cannot be made.
    """
    while True:
        path = parent / f"{prefix}{token_hex(_TOKEN)}"
        try:
            path.mkdir(mode=mode)
        except FileExistsError:
            continue
        try:
            lock = lock_folder(path)
            (path / MARK).write_bytes(os.fsencode(path.name))
        except (BlockingIOError, FileNotFoundError):  # swept, before it was locked
            continue
        except BaseException:
            remove_marked(path)
            raise
        return Workplace(path=path, identity=_identity(path), lock=lock)


@contextmanager
def lent_folder(prefix: str) -> Iterator[Path | None]:
    """A temporary folder of this process, which a killed one leaves to the next.

    Args:
        prefix: What its name begins with.

    Yields:
        The folder; None where there is no room for one.
    """
    with ExitStack() as stack:
        path = None
        with suppress(OSError):
            parent = Path(gettempdir())
            sweep(parent, prefix)
            place = new_workplace(parent, prefix, mode=0o700)
            stack.callback(place.close)
            path = place.path
        yield path


def leftovers(parent: Path, prefix: str, ending: str = "") -> Iterator[Path]:
    """Folders with names as `new_workplace` gives them, each locked while it is looked at.

    Args:
        parent: Where.
        prefix: What their names begin with.
        ending: What may come after the name.
    """
    pattern = f"{escape(prefix)}[0-9a-f]{{{2 * _TOKEN}}}({escape(ending)})?"
    try:
        with os.scandir(parent) as found:
            names = sorted(entry.name for entry in found if fullmatch(pattern, entry.name))
    except OSError:
        return
    for name in names:
        with suppress(BlockingIOError, FileNotFoundError), held(parent / name) as lock:
            if lock is not None:
                yield parent / name


def sweep(parent: Path, prefix: str) -> None:
    """Remove what processes that were killed have left unfinished.

    Args:
        parent: Where.
        prefix: What the names begin with.
    """
    for folder in leftovers(parent, prefix):
        if is_marked(folder) or _is_bare(folder):
            remove_marked(folder)


def is_marked(folder: Path) -> bool:
    """Whether a folder is ours and unfinished; a copy or a renamed one is not.

    Args:
        folder: May be missing.
    """
    return not folder.is_symlink() and try_reading(folder / MARK) == os.fsencode(folder.name)


def _is_bare(folder: Path) -> bool:
    """Whether nothing but a mark that is not yet written lies in a folder."""
    return all(path.name == MARK and try_reading(path) == b"" for path in folder.iterdir())


def remove_marked(folder: Path) -> None:
    """Remove an unfinished folder, the mark last.

    Args:
        folder: Marked, or empty.
    """
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != MARK:
                entry.unlink(missing_ok=True)
        (folder / MARK).unlink(missing_ok=True)
        folder.rmdir()


def lock_folder(folder: Path, *, wait: bool = False) -> int | None:
    """Hold a folder until this process ends or closes the descriptor.

    Args:
        folder: Exists.
        wait: For who else holds it.

    Returns:
        A descriptor; None where the file system has no locks, or the folder may not be read.

    Raises:
        BlockingIOError: If somebody else holds it.
        FileNotFoundError: If it is not there.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


@contextmanager
def held(folder: Path, *, wait: bool = False) -> Iterator[int | None]:
    """Hold a folder as long as the context lasts; see `lock_folder`.

    Args:
        folder: Exists.
        wait: For who else holds it.
    """
    lock = lock_folder(folder, wait=wait)
    try:
        yield lock
    finally:
        if lock is not None:
            os.close(lock)


@contextmanager
def alone(parent: Path) -> Iterator[None]:
    """Wait for others that change folders at this place, and let them wait; for moments only.

    Args:
        parent: Of the folders; where it is missing, or has no locks, nobody is waited for.
    """
    with ExitStack() as stack:
        with suppress(FileNotFoundError):
            stack.enter_context(held(parent, wait=True))
        yield


def _identity(folder: Path) -> tuple[int, int]:
    found = folder.lstat()
    return found.st_dev, found.st_ino
