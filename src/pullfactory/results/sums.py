"""Sums over toys as bytes, and as numbers again, to the last bit."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from pullfactory.inference import CorrelationSums, PullSums
from pullfactory.inference.coverage import CoverageSums

Key = tuple[float | None, str]
"""Correlation, or None where there is no scan, and method."""

Series = dict[str, Any]
"""Sums by their names in `KINDS`."""

KINDS: Mapping[str, type[Any]] = MappingProxyType(
    {"pulls": PullSums, "correlation": CorrelationSums, "coverage": CoverageSums}
)

_HEAD = 8  # bytes that say how long something is
_MOST = 2**28  # bytes of sums
_LEVEL = 1  # of compression: bins are mostly empty


def _codec() -> Any:
    return pa.Codec("zstd", compression_level=_LEVEL)


def pack_sums(found: Mapping[Key, Mapping[str, Any]]) -> bytes:
    """Sums as bytes.

    Args:
        found: By correlation and method, each by the names of `KINDS`.
    """
    described: list[Any] = []
    pieces: list[bytes] = []
    for (rho, method), sums in found.items():
        for name, one in sums.items():
            arrays = []
            for entry in fields(one):
                value = np.asarray(getattr(one, entry.name))
                value = value.astype(value.dtype.newbyteorder("<"), copy=False)
                arrays.append((entry.name, value.dtype.str, value.shape))
                pieces.append(np.ascontiguousarray(value).tobytes())
            described.append((rho, method, name, arrays))
    head = json.dumps(described, allow_nan=False).encode()
    raw = len(head).to_bytes(_HEAD, "little") + head + b"".join(pieces)
    packed: bytes = _codec().compress(raw, asbytes=True)
    return len(raw).to_bytes(_HEAD, "little") + packed


def unpack_sums(content: bytes) -> dict[Key, Series]:
    """Sums that `pack_sums` packed.

    Args:
        content: What it gave.

    Raises:
        ValueError, LookupError, TypeError: If it is none.
    """
    size = int.from_bytes(content[:_HEAD], "little")
    if size > _MOST:
        raise ValueError(f"sums of {size} bytes are too many")
    try:
        raw = _codec().decompress(content[_HEAD:], size, asbytes=True)
    except (OSError, MemoryError, OverflowError) as error:
        raise ValueError(str(error)) from None
    at = _HEAD + int.from_bytes(raw[:_HEAD], "little")
    found: dict[Key, Series] = {}
    for rho, method, name, arrays in json.loads(raw[_HEAD:at]):
        values = {}
        for entry, dtype, shape in arrays:
            size = math.prod(shape)
            value = np.frombuffer(raw, np.dtype(dtype), size, at).reshape(shape)
            at += value.nbytes
            values[entry] = value if shape else value.item()
        found.setdefault((rho, method), {})[name] = KINDS[name](**values)
    return found


def added(one: dict[Key, Series], other: dict[Key, Series]) -> dict[Key, Series]:
    """Sums of the toys of both.

    Args:
        one: Those of the first toys; may be empty.
        other: Those of the next.

    Raises:
        ValueError: If they are of other methods or correlations.
    """
    if not one:
        return other
    if one.keys() != other.keys():
        raise ValueError("parts have other methods or correlations")
    return {
        key: {name: some + other[key][name] for name, some in series.items()}
        for key, series in one.items()
    }
