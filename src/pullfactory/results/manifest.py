"""The list of what a result wrote into its folder, and of what it could not write."""

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path
from typing import Any, NamedTuple

from pullfactory.files import open_plain, read_json, replace_text
from pullfactory.results.command import Command
from pullfactory.results.workplace import MARK

MANIFEST = "manifest.json"

_SCHEMA = "pullfactory-manifest/1"


class Written(NamedTuple):
    """A file as it was written.

    Attributes:
        bytes: Its size.
        sha256: Digest of its content.
    """

    bytes: int
    sha256: str

    @classmethod
    def of(cls, file: Path) -> "Written":
        """What a file is now.

        Args:
            file: A plain one, and no link.

        Raises:
            OSError: If it cannot be read.
        """
        with open_plain(file) as opened:
            size = os.fstat(opened.fileno()).st_size
            return cls(size, file_digest(opened, "sha256").hexdigest())

    def is_still(self, file: Path) -> bool:
        """Whether a file is as it was written.

        Args:
            file: A plain one.
        """
        found = file.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != self.bytes:
            return False
        return Written.of(file) == self


def write_manifest(
    folder: Path, missing: Mapping[str, str], command: Command | None = None
) -> None:
    """List all files in a folder that a result has filled.

    Args:
        folder: Holds nothing else.
        missing: What could not be written, and why.
        command: What made some blocks of toys; None for all.

    Raises:
        OSError: If a file cannot be read, or the list not written.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): Written.of(path) for path in files}
    for name in (MARK, MANIFEST):
        names.pop(name, None)
    (folder / MANIFEST).write_text(_text(names, missing, command), encoding="utf-8")


def read_manifest(folder: Path) -> Mapping[str, Written] | None:
    """Files of a result by their paths in its folder; None if there is no list of ours.

    Args:
        folder: Of a result.
    """
    try:
        return _listed(read_json(folder / MANIFEST))
    except (AttributeError, LookupError, OSError, TypeError, ValueError):
        return None


def read_command(folder: Path) -> Command | None:
    """What made the blocks of toys in a folder; None if that is not known, or it has all.

    Args:
        folder: Of a result.
    """
    with suppress(AttributeError, OSError, TypeError, ValueError):
        return Command.of(read_json(folder / MANIFEST).get("command"))
    return None


def renew_manifest(folder: Path, name: str) -> None:
    """Say that one file of a result was written anew; a folder without a list gets none.

    Args:
        folder: Of the result.
        name: Of the file.

    Raises:
        OSError: If the list cannot be read or written.
    """
    files = read_manifest(folder)
    if files is None:
        return
    missing = read_json(folder / MANIFEST)["missing"]
    files = {**files, name: Written.of(folder / name)}
    missing = {key: why for key, why in missing.items() if key != name}
    text = _text(dict(sorted(files.items())), missing, read_command(folder))
    replace_text(folder / MANIFEST, text)


def _listed(content: Mapping[str, Any]) -> Mapping[str, Written]:
    files = content["files"]
    if content["schema"] != _SCHEMA or not all(
        isinstance(one, dict) for one in (files, content["missing"])
    ):
        raise ValueError(content["schema"])
    return {name: Written(int(one["bytes"]), str(one["sha256"])) for name, one in files.items()}


def _text(files: Mapping[str, Written], missing: Mapping[str, str], command: Command | None) -> str:
    content: dict[str, object] = {
        "schema": _SCHEMA,
        "files": {name: written._asdict() for name, written in files.items()},
        "missing": dict(missing),
    }
    if command is not None:
        content["command"] = command.to_dict()
    return f"{json.dumps(content, indent=1)}\n"
