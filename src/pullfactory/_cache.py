"""The user's cache folder: what could be made again, and would take long.

Compiled programs are code, so the folder belongs to the user alone, or is not used. Whatever is
wrong with it costs time, never the result.
"""

import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

SWITCH = "PULLFACTORY_CACHE"  # environment variable that turns the cache off
_OFF = ("0", "false", "no", "off")

_PRIVATE = 0o700
_UNUSED = 90 * 86400.0  # seconds after which a folder for other versions is removed
_MOST = 512 * 2**20  # bytes of one folder, the oldest entries go first
_KEPT = 50  # files of numbers; the oldest go first
_LARGEST = 256 * 2**20  # bytes of one of them
_CHECKED = "checked"  # the file whose time is that of the last look at a folder
_ZSTANDARD = b"\x28\xb5\x2f\xfd"  # how JAX compresses where it can; else with zlib


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A part of the cache, or why there is none.

    Attributes:
        folder: A folder that only the user can write to; None if there is none.
        reason: Why not, in words.
    """

    folder: Path | None
    reason: str = ""


def find_cache(part: str, key: str) -> Cache:
    """The folder of one part of the cache, made if it is not there.

    Args:
        part: What is kept, such as "programs".
        key: Of what makes entries useless if it changes; folders of other keys that nobody has
            used for three months are removed.
    """
    if os.environ.get(SWITCH, "").lower() in _OFF:
        return Cache(folder=None, reason="it is turned off")
    try:
        import platformdirs

        home = platformdirs.user_cache_path("pullfactory", appauthor=False)
        folder = home / part / key
        folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE)
        for each in (home, home / part, folder):
            if complaint := _complaint(each):
                return Cache(folder=None, reason=f"'{each}' {complaint}")
        _forget(folder)
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        return Cache(folder=None, reason=f"its folder cannot be used ({error})")
    return Cache(folder=folder)


def _complaint(folder: Path) -> str | None:
    """Why others could write to a folder; one that is ours alone but readable is closed."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if not hasattr(os, "geteuid"):  # where home folders are private anyway
        return None
    if found.st_uid != os.geteuid():
        return "belongs to somebody else"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by others"
    if stat.S_IMODE(found.st_mode) != _PRIVATE:
        folder.chmod(_PRIVATE)
    return None


def heal(folder: Path) -> None:
    """Remove compiled programs that are not the user's, or written by half, and the oldest ones.

    JAX would compile anew at every start what it cannot read, and say so.

    Args:
        folder: Where JAX keeps compiled programs.
    """
    stamp = folder / _CHECKED
    try:
        last = stamp.stat().st_mtime_ns if stamp.exists() else 0
        stamp.touch(_PRIVATE & 0o600)
        for entry in _entries(folder):
            found = entry.stat(follow_symlinks=False)
            if _foreign(found) or (found.st_mtime_ns >= last and _damaged(Path(entry))):
                Path(entry).unlink(missing_ok=True)
        _shrink(folder)
    except OSError:
        return  # the disk is full, or someone else cleans up


def _foreign(found: os.stat_result) -> bool:
    """Whether an entry is no file of the user's, put there while others could."""
    if not stat.S_ISREG(found.st_mode):
        return not stat.S_ISDIR(found.st_mode)
    return hasattr(os, "geteuid") and found.st_uid != os.geteuid()


def _damaged(entry: Path) -> bool:
    content = entry.read_bytes()
    if content.startswith(_ZSTANDARD):
        return False  # not every Python can tell
    try:
        zlib.decompress(content)
    except zlib.error:
        return True
    return False


def _shrink(folder: Path) -> None:
    sizes = [
        (entry.stat().st_mtime, entry.stat().st_size, entry.path) for entry in _entries(folder)
    ]
    excess = sum(size for _, size, _ in sizes) - _MOST
    for _, size, path in sorted(sizes):
        if excess <= 0:
            return
        Path(path).unlink(missing_ok=True)
        excess -= size


def _forget(folder: Path) -> None:
    """Remove the folders of keys that are long unused, and remember that this one is used."""
    os.utime(folder)
    for other in folder.parent.iterdir():
        if time.time() - other.lstat().st_mtime > _UNUSED and not other.is_symlink():
            shutil.rmtree(other, ignore_errors=True)


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(folder) as found:
        yield from (entry for entry in found if entry.name.endswith("-cache"))


@cache
def machine() -> str:
    """A digest of the processor's instructions: a program compiled for others may not run here."""
    described = [platform.system(), platform.machine()]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    described += sorted({line for line in lines if line.startswith(("flags", "Features", "model"))})
    return _short("\n".join(described))


def recall(part: str, digest: str) -> dict[str, Any] | None:
    """Numbers that the same package kept on such a machine, or None.

    Args:
        part: What they are, such as "calibrations".
        digest: Of all that they depend on.
    """
    folder = _numbers(part)
    if folder is None:
        return None
    file = folder / f"{digest}.json"
    try:
        found = file.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            return None
        seal, _, text = file.read_text(encoding="utf-8").partition("\n")
        content = json.loads(text) if seal == _seal(digest, text) else None
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def keep(part: str, digest: str, content: Mapping[str, Any]) -> None:
    """Keep numbers that took long; a disk that is full keeps none.

    Args:
        part: What they are, such as "calibrations".
        digest: Of all that they depend on.
        content: Plain data.
    """
    folder = _numbers(part)
    if folder is None:
        return
    text = json.dumps(content)
    with suppress(OSError):
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(f"{_seal(digest, text)}\n{text}")
            Path(name).replace(folder / f"{digest}.json")
        finally:
            Path(name).unlink(missing_ok=True)
        known = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in known[:-_KEPT]:
            old.unlink(missing_ok=True)


def _seal(digest: str, text: str) -> str:
    """What a file of numbers begins with: it is that of this digest, and whole."""
    return hashlib.sha256(f"{digest}\n{text}".encode()).hexdigest()


def _numbers(part: str) -> Path | None:
    """Where numbers are kept that another processor or package would compute otherwise."""
    versions = "-".join(f"{name}-{version(name)}" for name in ("numpy", "jaxlib"))
    return find_cache(part, f"{versions}-{machine()}-{_sources()}").folder


@cache
def _sources() -> str:
    """A digest of the package as it is installed: its version, and its files while it changes."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return _short(repr((version("pullfactory"), stats)))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
