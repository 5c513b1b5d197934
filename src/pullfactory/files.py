"""Files that are read as they may be, and appear whole or not at all."""

import errno
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Collection, Mapping
from io import BufferedReader
from pathlib import Path
from secrets import token_hex
from time import sleep
from typing import IO, Any

from pullfactory.errors import OutputError

_LARGEST = 50_000_000  # bytes of a file that is read back
_LARGEST_GIVEN = 200_000_000  # bytes of a file that the user names
_LONGEST = 200  # bytes of the part of a name that is kept; a name has at most 255
_MOST_TRIED = 4096  # bytes of what is only looked at
_TRIES, _PAUSE = 100, 0.05  # how often a pipe is looked at, and seconds between
_TOKEN = 8  # bytes of a name that nobody guesses


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
    except ValueError:
        raise OutputError(f"file '{path}' holds a null character; choose another place") from None
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
        replace_text(target, text)
    except OSError as error:
        raise OutputError(
            f"file '{path}' cannot be written ({error.strerror}); choose another place"
        ) from None
    return path


def replace_text(file: Path, text: str) -> None:
    """Write a file whole or not at all, in the place of a file or a link of its name.

    Args:
        file: In a folder that others may have filled: nothing there is written through.
        text: Its content.

    Raises:
        OSError: If it cannot be written.
    """
    partial = file.with_name(f".{short_name(file.name)}.{token_hex(_TOKEN)}.partial")
    try:
        partial.touch(exist_ok=False)
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def is_partial(name: str, *of: str) -> bool:
    """Whether a file has the name of one while it is written.

    Args:
        name: Of the file.
        of: Names that it may get.
    """
    files = "|".join(re.escape(short_name(one)) for one in of)
    token = rf"(\.[0-9a-f]{{{2 * _TOKEN}}})?"  # none in earlier versions
    return re.fullmatch(rf"\.({files}){token}\.partial", name) is not None


def short_name(name: str) -> str:
    """The beginning of a name that leaves room for more.

    Args:
        name: Of a file or a folder.
    """
    while len(os.fsencode(name)) > _LONGEST:
        name = name[:-1]
    return name


def try_reading(file: Path) -> bytes | None:
    """Content of a small plain file, or its beginning; None if there is none.

    Args:
        file: May be missing, a link, or a pipe.
    """
    try:
        with open_plain(file) as opened:
            return opened.read(_MOST_TRIED)
    except OSError:
        return None


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
        OSError: As `read_text`.
        ValueError: If it is no JSON object, or has a number that is not finite.
    """
    try:
        data = json.loads(read_text(path), parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("brackets are nested too deep") from None
    if not isinstance(data, dict):
        raise ValueError("it is no JSON object")  # as for any other JSON
    return data


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Plain data with the digest of their JSON text, as `sha256`.

    Args:
        content: Without one.
    """
    return {**content, "sha256": digest_of(content)}


def is_sealed(data: Mapping[str, Any]) -> bool:
    """Whether data are as they were when they were `sealed`.

    Args:
        data: With the digest.
    """
    content = {key: value for key, value in data.items() if key != "sha256"}
    return digest_of(content) == data.get("sha256")


def digest_of(content: Any) -> str:
    """SHA-256 of plain data as JSON text, in hexadecimal digits.

    Args:
        content: What JSON can hold.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_text(path: Path) -> str:
    """Read a file that may be anything.

    Raises:
        OSError: If it is no file, a link, too large, no text in UTF-8, or cannot be read.
    """
    try:
        return read_plain(path).decode()
    except UnicodeDecodeError:
        raise OSError(0, "it is no text in UTF-8", str(path)) from None


def read_given(path: str | Path) -> bytes:
    """Content of a file that the user names: a pipe is waited for, and a link followed.

    Raises:
        OSError: If it cannot be read, is too large, or is a pipe that nobody opens to write.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except ValueError:  # such as a null byte
        raise OSError(0, "it is no path", str(path)) from None
    with os.fdopen(descriptor, "rb") as opened:
        piped = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        first = _first_of_pipe(descriptor) if piped else b""
        os.set_blocking(descriptor, True)
        return first + read_stream(opened)


def _first_of_pipe(descriptor: int) -> bytes:
    """What is in a pipe that does not block, as soon as somebody has it open to write."""
    for _ in range(_TRIES):
        try:
            if first := os.read(descriptor, 1):
                return first
        except BlockingIOError:
            return b""
        sleep(_PAUSE)
    raise OSError(0, "it is a pipe that nobody writes to")


def read_stream(stream: IO[bytes]) -> bytes:
    """Content of what may never end.

    Args:
        stream: Such as standard input.

    Raises:
        OSError: If it is too large.
    """
    content = stream.read(_LARGEST_GIVEN + 1)
    if len(content) > _LARGEST_GIVEN:
        raise OSError(0, f"it is larger than {_LARGEST_GIVEN // 1_000_000} MB")
    return content


def read_plain(path: Path) -> bytes:
    """Content of a file that may be anything.

    Raises:
        OSError: If it is no file, a link, too large, or cannot be read.
    """
    with open_plain(path) as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(0, f"it is larger than {_LARGEST // 1_000_000} MB", str(path))
    return content


def open_plain(path: Path) -> BufferedReader:
    """Open a file that others may have put there: no link is followed, no pipe waited for.

    Args:
        path: May be anything.

    Raises:
        OSError: If it is no file, a link, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(0, "it is a link, which is not followed", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is no file", str(path))
    return os.fdopen(descriptor, "rb")


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
