"""Two folders change places at once, where the system can do that."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

_HERE = -100  # AT_FDCWD: relative paths are relative to where we are
_SWAP = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
_UNKNOWN = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)


def exchange(one: Path, other: Path) -> bool:
    """Let two entries of one file system change places; at no moment is either missing.

    Args:
        one: Exists.
        other: Exists.

    Returns:
        Whether it is done; False where the system or the file system cannot do it.

    Raises:
        OSError: If it may not be done, or one of them is not there.
    """
    call = _call()
    if call is None:
        return False
    if call(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    number = _errno()
    if number in _UNKNOWN:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _call() -> Any:
    """What exchanges two paths; None where there is nothing."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        function = getattr(library, "renamex_np", None)
        return function and (lambda one, other: function(one, other, ctypes.c_uint(_SWAP)))
    function = getattr(library, "renameat2", None)
    return function and (
        lambda one, other: function(_HERE, one, _HERE, other, ctypes.c_uint(_SWAP))
    )


def _errno() -> int:
    import ctypes

    return ctypes.get_errno()
