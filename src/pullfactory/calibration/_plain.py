"""What a calibration file must hold, whoever wrote it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def finite(values: Any, *shape: int) -> NDArray[np.float64]:
    """Numbers of a file as an array.

    Args:
        values: Lists of numbers.
        shape: That they must have; -1 is any length.

    Raises:
        ValueError: If they have another, or one is not finite.
    """
    array = np.array(values, dtype=np.float64)
    same = array.ndim == len(shape) and all(
        wanted in (-1, found) for wanted, found in zip(shape, array.shape, strict=True)
    )
    if not same:
        raise ValueError(f"numbers of shape {array.shape} where {shape} is needed")
    if not np.isfinite(array).all():
        raise ValueError("a number is not finite")
    return array
