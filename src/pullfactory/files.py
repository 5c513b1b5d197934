"""Files that are read as they may be, and appear whole or not at all."""

import json
import stat
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pullfactory.errors import OutputError

_LARGEST = 200_000_000  # bytes of a text that is read back


def check_file(path: str | Path, *, keys: Collection[str] = ()) -> Path:
    """Refuse a file that cannot be written, before the work starts.

    Args:
        path: Need not exist.
        keys: Of the JSON that will be written: a file that is there is replaced if it has them
            too, or is empty. Without any every file is replaced.

    Returns:
        The file.

    Raises:
        OutputError: If it is a folder, holds something else, or cannot be written.
    """
    path = Path(path)
    try:
        target = path.resolve()
        if target.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        if not target.exists() or target.is_file():
            try_writing(target.parent)
    except OSError as error:
        raise OutputError(
            f"file '{path}' cannot be written ({error.strerror}); choose another place"
        ) from None
    if keys and target.is_file() and target.stat().st_size and not _has(target, keys):
        raise OutputError(
            f"file '{path}' is there and holds something else ({', '.join(keys)} are expected in "
            "what may be replaced); choose another place or remove it"
        )
    return path


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


def try_writing(folder: Path) -> None:
    """Make something in a folder, or in the nearest that exists, and remove it.

    Raises:
        OSError: If nothing can be made there.
    """
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(0, f"'{nearest.name}' is a file")
    with tempfile.TemporaryDirectory(prefix=".", dir=nearest):
        pass


def read_json(path: Path) -> dict[str, Any]:
    """Read a file of finite numbers.

    Raises:
        OSError: If it is no file, too large, or cannot be read.
        ValueError: If it is no JSON object, or has a number that is not finite.
    """
    try:
        data = json.loads(read_text(path), parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("brackets are nested too deep") from None
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")  # as for any other JSON
    return data


def read_text(path: Path) -> str:
    """Read a file that may be anything.

    Raises:
        OSError: If it is no file, too large, or cannot be read.
        UnicodeDecodeError: If it is no text in UTF-8.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):  # to read a pipe is to wait
        raise OSError(0, "it is no file", str(path))
    if found.st_size > _LARGEST:
        raise OSError(0, f"it is larger than {_LARGEST // 1_000_000} MB", str(path))
    return path.read_text(encoding="utf-8")


def _has(file: Path, keys: Collection[str]) -> bool:
    """Whether a file is a JSON object with these keys."""
    try:
        return read_json(file).keys() >= set(keys)
    except (OSError, ValueError):
        return False


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number of ours")


def _finite(text: str) -> float:
    value = float(text)
    return value if abs(value) < float("inf") else _refuse(text)
