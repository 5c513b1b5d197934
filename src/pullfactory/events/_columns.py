"""Columns of any library as NumPy arrays with one value per event."""

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import EventsError

_SHOWN = 12
_MISSING = ("NAType", "NaTType")  # what pandas writes for a missing value


def require(names: Iterable[str], columns: Sequence[str], *, place: str) -> tuple[str, ...]:
    """The wanted columns, each once.

    Args:
        names: Columns there are.
        columns: Columns that are wanted.
        place: Where the columns are, for messages.

    Raises:
        EventsError: If one is missing, is there twice, or none is wanted.
    """
    there = list(names)
    if not columns:
        raise EventsError(f"{place}: no column is asked for; name at least one")
    for column in columns:
        count = there.count(column)
        if count > 1:
            raise EventsError(f"{place}: {count} columns are named {column!r}; rename them")
        if not count:
            near = get_close_matches(column, there, n=3) or there[:_SHOWN]
            hint = f"use for example {', '.join(map(repr, near))}" if near else "there are none"
            raise EventsError(f"{place}: column {column!r} is missing; {hint}")
    return tuple(dict.fromkeys(columns))


def as_column(values: Any, *, name: str, place: str) -> NDArray[Any]:
    """A column of whatever library as an array.

    Args:
        values: NumPy, pandas, awkward or Arrow array, or a sequence, of one value per event.
        name: Name of the column, for messages.
        place: Where it is, for messages.

    Returns:
        Numbers, booleans or strings in native byte order, shape (events,). A missing number is
        NaN and makes integers float64; a missing string is None.

    Raises:
        EventsError: If there are several values per event, or a kind of value without use.
    """
    if _is(values, "pandas", "Series", "Index"):
        return _from_pandas(values, name=name, place=place)
    if _is(values, "awkward", "Array"):
        return from_awkward(values, name=name, place=place)
    if _is(values, "pyarrow", "Array", "ChunkedArray"):
        return from_arrow(values, name=name, place=place)
    if not isinstance(values, np.ndarray):
        try:
            values = from_list(values)
        except ValueError:
            refuse_jagged(name, place)
    return from_numpy(values, name=name, place=place)


def refuse_jagged(name: str, place: str) -> NoReturn:
    """Refuse a column that has not one value for each event.

    Args:
        name: Of the column.
        place: Where it is, for messages.

    Raises:
        EventsError: Always.
    """
    raise EventsError(
        f"{place}: column {name!r} has not one value per event; "
        "write one number per event into a column of its own"
    )


def from_list(values: Any) -> NDArray[Any]:
    """A sequence as an array, integers beyond 2^63 exactly.

    Args:
        values: One for each event.

    Raises:
        ValueError: If there are several values per event, of different number.
    """
    array = np.asarray(values)
    floats = array.dtype.kind == "f" and array.shape not in {(), (0,)}
    if floats and array.ndim == 1 and all(isinstance(v, int) for v in values):
        # NumPy makes such a mixture of int64 and uint64 floats.
        exact = np.array(values, dtype=object)
        return exact.astype(np.uint64) if min(values) >= 0 else exact
    return array


def from_numpy(values: NDArray[Any], *, name: str, place: str) -> NDArray[Any]:
    """A NumPy array, possibly masked; see `as_column`."""
    if values.ndim != 1 or values.dtype.names:
        refuse_jagged(name, place)
    if isinstance(values, np.ma.MaskedArray):
        values = _without_mask(values)
    if values.dtype.kind == "O":
        values = _from_objects(values, name, place)
    return np.asarray(values.astype(values.dtype.newbyteorder("="), copy=False))


def from_arrow(values: Any, *, name: str, place: str) -> NDArray[Any]:
    """An Arrow array, chunked or not; see `as_column`."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if pa.types.is_nested(kind):
        refuse_jagged(name, place)
    if pa.types.is_null(kind) or pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif pa.types.is_boolean(kind) and values.null_count:
        values = values.cast(pa.int8())
    if isinstance(values, pa.ChunkedArray):
        return from_numpy(values.to_numpy(), name=name, place=place)
    return from_numpy(values.to_numpy(zero_copy_only=False), name=name, place=place)


def from_awkward(values: Any, *, name: str, place: str) -> NDArray[Any]:
    """An awkward array; see `as_column`."""
    import awkward as ak

    kind = values.type.content
    while isinstance(kind, ak.types.OptionType):
        kind = kind.content
    if isinstance(kind, ak.types.UnknownType):
        return np.full(len(values), np.nan)
    if isinstance(kind, ak.types.NumpyType):
        return from_numpy(ak.to_numpy(values, allow_missing=True), name=name, place=place)
    if kind.parameters.get("__array__") in {"string", "bytestring"}:
        return np.array(values.to_list(), dtype=object)
    refuse_jagged(name, place)


def _is(values: object, library: str, *names: str) -> bool:
    """Whether it is of one of these classes, without importing the library."""
    module = sys.modules.get(library)
    return module is not None and isinstance(values, tuple(getattr(module, n) for n in names))


def _from_pandas(values: Any, *, name: str, place: str) -> NDArray[Any]:
    nullable = not isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf"
    if nullable and values.hasnans:
        return values.to_numpy(dtype="float64", na_value=np.nan)  # type: ignore[no-any-return]
    return from_numpy(values.to_numpy(), name=name, place=place)


def _without_mask(values: np.ma.MaskedArray[Any, Any]) -> NDArray[Any]:
    missing = np.ma.getmaskarray(values)
    if not missing.any():
        return values.data
    number = values.dtype.kind in "biuf"
    filled = values.data.astype(np.float64 if number else object)
    filled[missing] = np.nan if number else None
    return filled


def _from_objects(values: NDArray[Any], name: str, place: str) -> NDArray[Any]:
    """Python objects as numbers, if they are numbers and missing values only."""
    missing = np.array([v is None or type(v).__name__ in _MISSING for v in values], dtype=bool)
    present = values[~missing]
    if any(isinstance(v, str | bytes) for v in present):
        texts = values.copy()
        texts[missing] = None
        return texts
    if any(hasattr(v, "__len__") for v in present):
        refuse_jagged(name, place)
    numbers = from_list(present.tolist())
    if numbers.dtype.kind not in "biuf":
        return values
    if not missing.any():
        return numbers
    filled = np.full(values.shape, np.nan)
    filled[~missing] = numbers
    return filled
