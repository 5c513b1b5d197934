"""What is said of a folder whose files are not as a result wrote them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pullfactory.errors import OutputError, PullfactoryError

# what numbers of other types, lengths and sizes than ours lead to
_INCOMPLETE = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(RecursionError, TypeError, ValueError),
)
_LENGTH = 160  # letters of what went wrong that are shown


@contextmanager
def complete(folder: Path, file: str) -> Iterator[None]:
    """Turn what goes wrong in the body into a sentence on the folder.

    Args:
        folder: Of a result.
        file: Whose content the body goes through.

    Raises:
        OutputError: If the body raises what damaged files lead to.
    """
    try:
        yield
    except OutputError:
        raise
    except PullfactoryError as error:
        raise OutputError(f"'{folder}' cannot be read: {error}") from None
    except OSError as error:
        place = Path(error.filename or folder).name
        raise OutputError(
            f"'{folder}' has no readable {place} ({error.strerror or error}); run it again"
        ) from None
    except _INCOMPLETE as error:
        raise OutputError(
            f"'{folder / file}' is not complete ({_shown(error)}); run it again"
        ) from None


@contextmanager
def undamaged(part: str) -> Iterator[None]:
    """Name a part of toys that the body cannot read.

    Args:
        part: Where it is.

    Raises:
        OutputError: If the body raises what a damaged file leads to.
    """
    try:
        yield
    except (OSError, *_INCOMPLETE) as error:
        raise OutputError(
            f"'{part}' is damaged ({_shown(error)}); remove it, and run again what made it"
        ) from None


def _shown(error: Exception) -> str:
    """What went wrong, in a part of a line."""
    said = " ".join(str(error).split())
    kind = "" if type(error) in {OSError, ValueError} else f"{type(error).__name__}: "
    return f"{kind}{said[:_LENGTH]}{'...' if len(said) > _LENGTH else ''}"
