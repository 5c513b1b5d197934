"""What matplotlib draws with, which a variable of the environment may spoil."""

import os

from pullfactory.errors import OutputError


def require_backend() -> None:
    """Load matplotlib, which refuses to be loaded if MPLBACKEND names no backend.

    Raises:
        OutputError: If it does.
    """
    try:
        import matplotlib as mpl  # noqa: F401
    except ValueError as error:
        if "backend" not in str(error):
            raise
        raise OutputError(
            f"MPLBACKEND = {os.environ.get('MPLBACKEND', '')!r} is no backend of matplotlib; unset "
            "it, or set it to 'agg'"
        ) from None
