"""Hashes of events by their identifiers, the same on every machine."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError

from ._columns import from_list

_MASK = 2**64 - 1
_STEP = 0x9E3779B97F4A7C15
_NEGATIVE = 0xA0761D6478BD642F  # keeps -1 apart from 2**64 - 1


def hash_events(
    columns: Sequence[NDArray[Any]], *, salt: int = 0, place: str = "identifier"
) -> NDArray[np.uint64]:
    """A well-mixed hash of each event's identifiers.

    It depends on the values and the order of the columns, not on how the values are stored: an
    integer gives the same hash from any integer type and from a float that is exactly it. One
    column of non-negative integers has no collisions.

    Integers are mixed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014,
    doi:10.1145/2660193.2660195, figure 16), strings by BLAKE2b (RFC 7693).

    Args:
        columns: Whole numbers, booleans or strings, shape (events,) each.
        salt: Another salt gives other, independent hashes.
        place: What the columns are called in messages.

    Returns:
        Uniform on 0 to 2^64 - 1, shape (events,).

    Raises:
        EventsError: If there is no column, their lengths differ, or a value is missing, no whole
            number, or too large for its floating-point type to be exact.
    """
    if not columns:
        raise EventsError(f"{place}: no column; give at least one identifier")
    shapes = {np.shape(column) for column in columns}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise EventsError(f"{place}: shapes {sorted(shapes)} differ; give one value per event")
    hashes = np.full(next(iter(shapes)), _mixed_number(salt * _STEP & _MASK), dtype=np.uint64)
    for column in columns:
        hashes += np.uint64(_STEP)
        hashes ^= _keys(np.asarray(column), place)
        hashes = _mixed(hashes)
    return hashes


def hash_rows(first: int, rows: int, *, salt: int = 0) -> NDArray[np.uint64]:
    """A well-mixed hash of row numbers, as `hash_events` gives for a column of them.

    Args:
        first: Number of the first row, from 0.
        rows: How many rows.
        salt: Another salt gives other, independent hashes.

    Returns:
        Uniform on 0 to 2^64 - 1, shape (rows,).
    """
    return hash_events([np.arange(first, first + rows, dtype=np.int64)], salt=salt, place="rows")


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser, one to one; the array is overwritten."""
    keys ^= keys >> np.uint64(30)
    keys *= np.uint64(0xBF58476D1CE4E5B9)
    keys ^= keys >> np.uint64(27)
    keys *= np.uint64(0x94D049BB133111EB)
    keys ^= keys >> np.uint64(31)
    return keys


def _mixed_number(key: int) -> np.uint64:
    return np.uint64(_mixed(np.array([key], dtype=np.uint64))[0])


def _keys(column: NDArray[Any], place: str) -> NDArray[np.uint64]:
    """64 bits for each value, different for different values of one kind."""
    if column.dtype.kind == "O":
        return _object_keys(column, place)
    if column.dtype.kind in "US":
        return _string_keys(column.tolist())
    if column.dtype.kind == "f":
        column = _whole(column, place)
    if column.dtype.kind == "i":
        keys = column.astype(np.int64).view(np.uint64)
        negative = column < 0
        if negative.any():
            keys[negative] = _mixed(keys[negative]) ^ np.uint64(_NEGATIVE)
        return keys
    if column.dtype.kind not in "bu":
        raise EventsError(f"{place}: {column.dtype} cannot identify events; use integers or texts")
    return column.astype(np.uint64)


def _whole(column: NDArray[np.floating[Any]], place: str) -> NDArray[np.int64]:
    limit = 2.0 ** min(np.finfo(column.dtype).nmant + 1, 62)
    remedy = "identify events by integers or texts"
    for problem, bad in (
        ("is missing or infinite", ~np.isfinite(column)),
        ("is no whole number", np.trunc(column) != column),
        (f"is too large to be exact as {column.dtype}", np.abs(column) >= limit),
    ):
        if bad.any():
            row = int(np.argmax(bad))
            raise EventsError(f"{place}: {column[row]:.17g} in row {row} {problem}; {remedy}")
    return column.astype(np.int64)


def _object_keys(column: NDArray[Any], place: str) -> NDArray[np.uint64]:
    values = column.tolist()
    if values and all(isinstance(value, str | bytes) for value in values):
        return _string_keys(values)
    numbers = from_list(values) if all(isinstance(v, int | float) for v in values) else column
    if numbers.dtype.kind == "O":
        row, odd = next(
            ((i, v) for i, v in enumerate(values) if not isinstance(v, str | bytes)), (0, None)
        )
        raise EventsError(
            f"{place}: {odd!r} in row {row} cannot identify an event; use integers or texts only"
        )
    return _keys(numbers, place)


def _string_keys(values: Sequence[str | bytes]) -> NDArray[np.uint64]:
    texts = (v.encode("utf-8", "surrogatepass") if isinstance(v, str) else v for v in values)
    digests = b"".join(blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
