"""Fits of toys as their table has them, read back block by block: memory stays bounded."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pullfactory.fitting import FitStatus

STATUS_NAMES = [status.label for status in FitStatus]

Columns = dict[str, NDArray]  # type: ignore[type-arg]
"""Columns of the table, of numbers or names."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToyFits:
    """Fits of one block of toys with one method at one rho.

    Attributes:
        method: Its name.
        rho: Correlation; None where there is no scan.
        parameters: Names, in the order of every parameter axis.
        toy: Numbers of the toys, shape (toys,).
        truth: True parameters, shape (toys, parameters).
        estimate: Same shape.
        error: Claimed errors, same shape; NaN where there is none.
        corrected_error: Errors from the sandwich, same shape; NaN where there is none.
        nll: Minimum of the negative log-likelihood, shape (toys,).
        status: `FitStatus` values, shape (toys,).
    """

    method: str
    rho: float | None
    parameters: tuple[str, ...]
    toy: NDArray[np.int64]
    truth: NDArray[np.float64]
    estimate: NDArray[np.float64]
    error: NDArray[np.float64]
    corrected_error: NDArray[np.float64]
    nll: NDArray[np.float64]
    status: NDArray[np.int8]


def read_fits(source: IO[bytes], block: int | None = None) -> Iterator[ToyFits]:
    """Read a table in the blocks that it was written in: sums over them are bit for bit the same.

    Args:
        source: Of the table.
        block: Toys of a block where the file does not say it; None: all are one.

    Raises:
        OSError, ValueError, LookupError: If it cannot be read, or is no table of toys.
    """
    with pq.ParquetFile(source, page_checksum_verification=True) as file:
        told = (file.metadata.metadata or {}).get(b"pullfactory.block")
        size = int(told) if told else block
        waiting: list[Columns] = []
        for batch in file.iter_batches():
            waiting.append(_columns(batch))
            parts = list(_divided(_joined(waiting), size))
            waiting = parts[-1:]
            yield from map(_fits, parts[:-1])
        yield from map(_fits, waiting)


def _columns(batch: pa.RecordBatch) -> Columns:
    columns: Columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_dictionary(column.type):
            words = np.asarray(column.dictionary.to_pylist())
            columns[name] = words[column.indices.to_numpy(zero_copy_only=False)]
        else:
            columns[name] = column.to_numpy(zero_copy_only=False)
    return columns


def _joined(parts: list[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _divided(columns: Columns, block: int | None) -> Iterator[Columns]:
    """Rows of one block, rho and method each."""
    toy, rho, method = columns["toy"], columns["rho"], columns["method"]
    number = toy // block if block else np.zeros_like(toy)
    same_rho = (rho[1:] == rho[:-1]) | (np.isnan(rho[1:]) & np.isnan(rho[:-1]))
    same = same_rho & (number[1:] == number[:-1]) & (method[1:] == method[:-1])
    cuts = [0, *(np.flatnonzero(~same) + 1).tolist(), len(toy)]
    for start, stop in itertools.pairwise(cuts):
        yield {name: column[start:stop] for name, column in columns.items()}


def _fits(columns: Columns) -> ToyFits:
    toy, rho = columns["toy"], float(columns["rho"][0])
    pars = int(np.count_nonzero(toy == toy[0]))

    def table(name: str) -> NDArray[np.float64]:
        return np.ascontiguousarray(columns[name].reshape(-1, pars), dtype=np.float64)

    names, which = np.unique(columns["status"][::pars], return_inverse=True)
    return ToyFits(
        method=str(columns["method"][0]),
        rho=None if math.isnan(rho) else rho,
        parameters=tuple(map(str, columns["parameter"][:pars])),
        toy=np.asarray(toy[::pars], dtype=np.int64),
        truth=table("truth"),
        estimate=table("estimate"),
        error=table("error"),
        corrected_error=table("error_corrected"),
        nll=table("nll")[:, 0],
        status=np.array([STATUS_NAMES.index(name) for name in names], dtype=np.int8)[which],
    )
