"""What a calibration file must hold, whoever wrote it."""

from collections.abc import Iterator
from contextlib import contextmanager

from pullfactory.errors import CalibrationError, PullfactoryError

# what numbers of other types, lengths and sizes than ours lead to
_FOREIGN = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)
_SHOWN = 160  # letters of what went wrong


@contextmanager
def whole() -> Iterator[None]:
    """Within it, what content that is not ours leads to is a `CalibrationError`.

    Raises:
        CalibrationError: If anything of that kind is raised.
    """
    try:
        yield
    except PullfactoryError:
        raise
    except _FOREIGN as error:
        said = " ".join(str(error).split())[:_SHOWN]
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        raise CalibrationError(
            f"the calibration is not as pullfactory writes it ({kind}{said}); "
            "write it again with 'pullfactory calibrate'"
        ) from None
