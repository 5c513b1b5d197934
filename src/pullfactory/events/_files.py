"""Files named by paths and patterns, and their formats."""

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path

from pullfactory.errors import EventsError

from ._file import FileSource

Formats = Mapping[str, type[FileSource]]
"""The format of files by the ending of their names, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFile:
    """A file that is there and begins as its ending says.

    Attributes:
        path: Where it is.
        name: The path as the user wrote it, for messages.
        kind: Its format.
    """

    path: Path
    name: str
    kind: type[FileSource]


def find_files(
    texts: Sequence[str | PathLike[str]], formats: Formats, *, place: str, base: Path | None
) -> tuple[EventFile, ...]:
    """The files that paths and patterns name, in their order; those of a pattern sorted.

    Args:
        texts: Paths, or patterns with ``*``, ``?``, ``[...]`` or ``**``.
        formats: Those that can be read.
        place: Where they were written, for messages.
        base: Folder of relative ones; None is the working folder.

    Raises:
        EventsError: If there is no such file, one is there twice, cannot be opened, or is of no
            known format.
    """
    if not texts:
        raise EventsError(f"{place}: no file is given; give one or more")
    found: dict[Path, EventFile] = {}
    for text in texts:
        for name in _expand(fspath(text), place, base or Path()):
            file = _checked(name, formats, place, base or Path())
            real = file.path.resolve()
            if real in found:
                same = found[real].name
                also = "" if same == name else f" (also as {same!r})"
                raise EventsError(f"{place}: file {name!r} is given twice{also}; keep one")
            found[real] = file
    return tuple(found.values())


def named_files(texts: Sequence[str | PathLike[str]], *, base: Path | None) -> frozenset[Path]:
    """The same files, not looked at: where they really are.

    Args:
        texts: As for `find_files`.
        base: Folder of relative ones; None is the working folder.
    """
    folder = base or Path()
    names = (name for text in texts for name in _expand(fspath(text), "", folder))
    return frozenset(_path(name, folder).resolve() for name in names)


def _expand(text: str, place: str, base: Path) -> list[str]:
    if "://" in text:
        raise EventsError(f"{place}: file {text!r} is not on this machine; copy it here")
    if "\0" in text or not text:
        raise EventsError(f"{place}: {text!r} is no path; name a file")
    if glob.has_magic(text) and not _path(text, base).exists():
        pattern = str(_expanded(text))
        root = None if Path(pattern).is_absolute() else base
        matches = sorted(glob.glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207
        if not matches:
            raise EventsError(f"{place}: no file matches {text!r}; mend the pattern")
        return matches
    return [text]


def _path(name: str, base: Path) -> Path:
    return base / _expanded(name)


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError:  # as the shell does, where nobody has that name
        return Path(name)


def _told(base: Path) -> str:
    """Where relative paths are looked for, in words."""
    return f" in '{base}'" if base != Path() else " in the folder where you are"


def _checked(name: str, formats: Formats, place: str, base: Path) -> EventFile:
    path = _path(name, base)
    here = f"{place}: file {name!r}"
    ending = next((e for e in sorted(formats, key=len) if name.lower().endswith(e)), None)
    if ending is None:
        before, colon, after = name.rpartition(":")
        if colon and before.lower().endswith(".root"):
            raise EventsError(f"{here} is no path; name the file {before!r} and the tree {after!r}")
        raise EventsError(f"{here} has an unknown ending; use one of {', '.join(formats)}")
    kind = formats[ending]
    try:
        if path.exists() and not path.is_dir() and not path.is_file():  # to read a pipe is to wait
            raise EventsError(f"{here} is no regular file; name one")
        with path.open("rb") as stream:
            start = stream.read(8)
    except FileNotFoundError:
        where = "" if _expanded(name).is_absolute() else _told(base)
        raise EventsError(f"{here} is missing{where}; mend the path") from None
    except IsADirectoryError:
        raise EventsError(f"{here} is a folder; name the files in it") from None
    except OSError as error:
        raise EventsError(f"{here} cannot be opened ({error.strerror}); make it readable") from None
    if not start:
        raise EventsError(f"{here} is empty; write it again")
    if not start.startswith(kind.endings[ending]):
        raise EventsError(f"{here} is no {kind.format} file; write it again or rename it")
    return EventFile(path=path, name=name, kind=kind)
