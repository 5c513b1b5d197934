"""Every fit of every toy, written block by block: memory stays bounded."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pullfactory.fitting import FitBatch
from pullfactory.results.toy_fits import STATUS_NAMES, ToyFits, read_fits
from pullfactory.results.workplace import new_workplace, sweep

__all__ = ["STATUS_NAMES", "ToyLedger", "ToyTable"]

_ROW_GROUP_BATCHES = 64
_PREFIX = "pullfactory-"  # of names of temporary folders
_PIECE = 2**20  # bytes that are copied at once


class _Scratch:
    """A temporary folder that goes when its owner does; if that is killed, when the next comes."""

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        sweep(parent, _PREFIX)
        place = new_workplace(parent, _PREFIX, mode=0o700)
        self.path = place.path
        self._file: int | None = None
        weakref.finalize(self, place.close)

    def hold(self, file: Path) -> None:
        """Keep a file, even if somebody cleans up the folder.

        Args:
            file: In the folder.
        """
        self._file = os.open(file, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)

    def copy_to(self, path: Path) -> None:
        """Copy the file that is kept.

        Args:
            path: The copy.
        """
        at = 0
        with path.open("wb") as copy:
            while self._file is not None and (piece := os.pread(self._file, _PIECE, at)):
                at += copy.write(piece)


class ToyLedger:
    """Writes the fits of a run to a file, block by block.

    Args:
        methods: Names of the methods.
        parameters: Names of the parameters.
        metadata: Texts kept in the file's metadata, under "pullfactory." and the key.
    """

    def __init__(
        self, *, methods: Sequence[str], parameters: Sequence[str], metadata: Mapping[str, str]
    ) -> None:
        self._scratch = _Scratch()
        self._path = self._scratch.path / "toys.parquet"
        names = pa.dictionary(pa.int16(), pa.string())
        fields = [
            ("toy", pa.int64()),
            ("rho", pa.float64()),
            ("method", names),
            ("parameter", names),
            ("truth", pa.float64()),
            ("estimate", pa.float64()),
            ("error", pa.float64()),
            ("error_corrected", pa.float64()),
            ("nll", pa.float64()),
            ("status", names),
        ]
        self._fields = [pa.field(*field) for field in fields]
        self._metadata = dict(metadata)
        self._methods = list(methods)
        self._parameters = list(parameters)
        self._block = 0  # toys
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []

    def append(
        self, first: int, rho: float | None, method: str, truth: NDArray[np.float64], fits: FitBatch
    ) -> None:
        """Add the fits of some toys: as many each time, or fewer the last time.

        Args:
            first: Number of the first toy.
            rho: Correlation; None where there is no scan.
            method: Name of the method.
            truth: True parameters, shape (toys, parameters).
            fits: Fits of the same shape.
        """
        toys, pars = fits.estimate.shape
        rows = toys * pars
        columns = [
            _column(pa.int64(), np.repeat(np.arange(first, first + toys), pars)),
            _floats(np.full(rows, np.nan if rho is None else rho)),
            _names(np.full(rows, self._methods.index(method)), self._methods),
            _names(np.tile(np.arange(pars), toys), self._parameters),
            _column(pa.float64(), truth.ravel()),
            _floats(fits.estimate.ravel()),
            _floats(fits.error.ravel()),
            _floats(fits.corrected_error.ravel()),
            _floats(np.repeat(fits.nll, pars)),
            _names(np.repeat(fits.status, pars), STATUS_NAMES),
        ]
        self._block = self._block or toys
        schema = pa.schema(self._fields)
        self._waiting.append(pa.RecordBatch.from_arrays(columns, schema=schema))
        if len(self._waiting) >= _ROW_GROUP_BATCHES:
            self._flush()

    def close(self) -> "ToyTable":
        """Finish the file."""
        self._flush()
        self._open().close()
        return ToyTable(path=self._path, _owner=self._scratch)

    def _open(self) -> pq.ParquetWriter:
        """The file, which says how many toys are added at once."""
        if self._writer is None:
            told = {**self._metadata, "block": str(self._block)}
            described = {f"pullfactory.{key}": value for key, value in told.items()}
            schema = pa.schema(self._fields, metadata=described)
            self._writer = pq.ParquetWriter(self._path, schema, compression="zstd")
            self._scratch.hold(self._path)
        return self._writer

    def _flush(self) -> None:
        if self._waiting:
            self._open().write_table(pa.Table.from_batches(self._waiting))
            self._waiting.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyTable:
    """Every fit of every toy: one row per toy, rho, method and parameter.

    Attributes:
        path: A Parquet file.
    """

    path: Path
    _owner: _Scratch | None = None  # removes the file when the last table on it is gone

    def read(self) -> pa.Table:
        """The whole table."""
        return pq.read_table(self.path)

    def fits(self, block: int | None = None) -> Iterator[ToyFits]:
        """The fits of each block of toys, method and rho, in the order they were made.

        Args:
            block: Toys of a block where the file does not say it; None: all are one.

        Raises:
            OSError, ValueError, LookupError: If the file cannot be read, or is no table of toys.
        """
        return read_fits(self.path, block)

    def copy_to(self, path: Path) -> None:
        """Copy the file.

        Args:
            path: The copy.
        """
        if self._owner is not None:
            self._owner.copy_to(path)
        else:
            shutil.copyfile(self.path, path)


def _names(codes: NDArray[Any], names: list[str]) -> pa.DictionaryArray:
    indices = _column(pa.int16(), codes.astype(np.int16))
    return pa.DictionaryArray.from_arrays(indices, _strings(names))


def _floats(values: NDArray[np.float64]) -> pa.Array:
    """A column in which what is not finite is null."""
    finite = np.isfinite(values)
    known = None if finite.all() else pa.py_buffer(np.packbits(finite, bitorder="little"))
    return _column(pa.float64(), values, known)


# Arrow imports pandas to look at what `pa.array` is given, and that takes longer than the rest.


def _column(kind: pa.DataType, values: NDArray[Any], known: pa.Buffer | None = None) -> pa.Array:
    """An array of these values; `known` has a bit for each, 0 for null."""
    content = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(kind, len(values), [known, content])


def _strings(texts: list[str]) -> pa.Array:
    coded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, coded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(coded))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)
