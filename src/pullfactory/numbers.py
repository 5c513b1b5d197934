"""Numbers as people write them."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

ABSENT = "-"
EXACT_SLOPE = 1e-10
"""Relative slopes have errors below this where samples of the same events are only rescaled."""

_EXACT = 1e-6  # an error below this part of the value is of rounding, not of measurement
_PLAIN = (1e-4, 1e7)  # numbers outside are written with a power of ten


def rounded(value: float | None, error: float | None, *, floor: float = 0.0) -> str:
    """A value with its error, both rounded as the Particle Data Group does.

    If the three highest digits of the error lie between 100 and 354, two of them are kept;
    between 355 and 949, one; above that the error is rounded up to 1000 and keeps two
    (Review of Particle Physics, introduction, section 5.3, doi:10.1103/PhysRevD.110.030001).

    Args:
        value: What was measured; None or a number that is not finite where there is none.
        error: Its standard error, in the unit of the value; None or 0 where there is none.
        floor: Errors up to here are none, and values up to here are 0: both come from the
            finite precision of a computation.

    Returns:
        Such as "0.827 ± 0.012"; "-" for an absent value, the value alone for an absent error.
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    if abs(value) <= floor:
        value = 0.0
    if error is None or not math.isfinite(error) or error <= max(floor, _EXACT * abs(value)):
        return plain(value)
    size = max(abs(value), error)
    if not _PLAIN[0] <= size < _PLAIN[1]:
        power = math.floor(math.log10(size))
        return f"({rounded(value / 10.0**power, error / 10.0**power)})e{power}"
    power = math.floor(math.log10(error))
    leading = round(error / 10.0 ** (power - 2))
    if leading > 949:
        power += 1
        error = 10.0**power
    decimals = (0 if 354 < leading <= 949 else 1) - power
    return f"{_fixed(value, decimals)} ± {_fixed(error, decimals)}"


def significant(value: float | None) -> str:
    """A value whose error is not known, with three significant digits.

    Args:
        value: None or a number that is not finite where there is none.
    """
    return ABSENT if value is None or not math.isfinite(value) else f"{value:z#.3g}".rstrip(".")


def roughly(value: float | None) -> str:
    """A large number with two significant digits, written out.

    Args:
        value: None where there is none.
    """
    return ABSENT if value is None else f"{float(f'{value:.2g}'):.0f}"


def plain(value: float) -> str:
    """A value without an error, such as a setting."""
    return f"{value:z.6g}"


def _fixed(value: float, decimals: int) -> str:
    return f"{round(value, decimals):z.{max(decimals, 0)}f}"


def finite_or_none(row: dict[str, Any]) -> dict[str, Any]:
    """The row with null for numbers that are not finite."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def finite_array(values: Any, *shape: int) -> NDArray[np.float64]:
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


def filled_matrix(rows: list[list[float | None]] | None) -> NDArray[np.float64] | None:
    """The matrix that `plain_matrix` made nested lists of; NaN for None."""
    return None if rows is None else np.array(rows, dtype=np.float64)


def plain_matrix(matrix: NDArray[np.float64] | None) -> list[list[float | None]] | None:
    """Nested lists; what is not finite is None."""
    if matrix is None:
        return None
    return [[float(x) if np.isfinite(x) else None for x in row] for row in matrix]
