"""Mount points, those of the same file system too."""

import os
import re
from pathlib import Path

_TABLE = Path("/proc/self/mountinfo")
_PLACE = 4  # the field of a line that says where


def is_mount(folder: str | Path) -> bool:
    """Whether something is mounted on a folder, or the folder is a part of one that is elsewhere.

    Args:
        folder: Without links.
    """
    return os.path.ismount(folder) or os.fsencode(Path(folder).absolute()) in _mounted()


def _mounted() -> set[bytes]:
    """Where something is mounted, as Linux tells; a part of the same file system is seen so."""
    try:
        lines = _TABLE.read_bytes().splitlines()
    except OSError:
        return set()
    return {_plain(fields[_PLACE]) for line in lines if len(fields := line.split(b" ")) > _PLACE}


def _plain(field: bytes) -> bytes:
    r"""A path in which blanks and the like stand as `\040`."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field)
