"""A part of the toys: every fit of some of them, and the sums over these, as one Parquet file.

Parts are the unit of work, of loss and of summation. Their rows are one table, whatever reads them
as a folder; what else they say stands in the metadata of each file.
"""

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from re import fullmatch
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pullfactory.errors import OutputError
from pullfactory.fitting import FitBatch
from pullfactory.results.sums import Key, Series, pack_sums, unpack_sums
from pullfactory.results.toy_fits import STATUS_NAMES

_DIGITS = 12  # of the numbers of toys in the name of a file
_MOST_PARTS = 1_000_000  # files in a folder
_PREFIX = "pullfactory."  # of keys in the metadata
_VERSION = "2.6"  # of the format, whatever the library thinks best later


class Fitted(NamedTuple):
    """Fits of some toys with one method.

    Attributes:
        rho: Correlation of the toys; None where there is no scan.
        method: Name.
        truth: True parameters, shape (toys, parameters).
        fits: Of the same shape.
    """

    rho: float | None
    method: str
    truth: NDArray[np.float64]
    fits: FitBatch


class Span(NamedTuple):
    """Which toys a part has.

    Attributes:
        first: Number of the first.
        stop: Number after that of the last.
    """

    first: int
    stop: int

    @property
    def name(self) -> str:
        """Name of its file, by which the toys are in order."""
        return f"part-{self.first:0{_DIGITS}d}-{self.stop:0{_DIGITS}d}.parquet"

    def is_block(self, n_toys: int, block: int) -> bool:
        """Whether it is one of the parts that toys are divided into.

        Args:
            n_toys: How many.
            block: Toys of a part.
        """
        return self.first % block == 0 and self.stop == min(self.first + block, n_toys)

    @classmethod
    def of(cls, name: str) -> "Span | None":
        """What the name of a file says; None if it is no part.

        Args:
            name: Of a file.
        """
        found = fullmatch(rf"part-(\d{{{_DIGITS}}})-(\d{{{_DIGITS}}})\.parquet", name)
        return cls(int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What all parts of the same toys have in common; it can be pickled.

    Attributes:
        methods: Names.
        parameters: Names, in the order of the fits.
        identity: What decides the numbers, as text.
    """

    methods: tuple[str, ...]
    parameters: tuple[str, ...]
    identity: str

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table."""
        names = pa.dictionary(pa.int16(), pa.string())
        return pa.schema(
            [
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
        )

    def write(self, first: int, fitted: Sequence[Fitted], sums: Mapping[Key, Series]) -> bytes:
        """The file of a part.

        Args:
            first: Number of its first toy.
            fitted: Its fits, by correlation and method.
            sums: Over them.
        """
        schema, buffer = self.schema, io.BytesIO()
        batches = [self._rows(first, one, schema) for one in fitted]
        told = {"identity": self.identity, "sums": b64encode(pack_sums(sums)).decode()}
        with pq.ParquetWriter(
            buffer, schema, version=_VERSION, compression="zstd", write_page_checksum=True
        ) as writer:
            writer.write_table(pa.Table.from_batches(batches))
            writer.add_key_value_metadata({f"{_PREFIX}{key}": text for key, text in told.items()})
        return buffer.getvalue()

    def _rows(self, first: int, fitted: Fitted, schema: pa.Schema) -> pa.RecordBatch:
        fits = fitted.fits
        toys, pars = fits.estimate.shape
        rows = toys * pars
        columns = [
            _column(pa.int64(), np.repeat(np.arange(first, first + toys), pars)),
            _floats(np.full(rows, np.nan if fitted.rho is None else fitted.rho)),
            _names(np.full(rows, self.methods.index(fitted.method)), self.methods),
            _names(np.tile(np.arange(pars), toys), self.parameters),
            _column(pa.float64(), fitted.truth.ravel()),
            _floats(fits.estimate.ravel()),
            _floats(fits.error.ravel()),
            _floats(fits.corrected_error.ravel()),
            _floats(np.repeat(fits.nll, pars)),
            _names(np.repeat(fits.status, pars), STATUS_NAMES),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a part says of itself.

    Attributes:
        identity: What decided its numbers, as text.
        sums: Over its toys, packed, as text.
    """

    identity: str
    sums: bytes

    @classmethod
    def of(cls, file: IO[bytes]) -> "Head":
        """Read it, and no row.

        Args:
            file: Of a part.

        Raises:
            OSError, ValueError, LookupError: If it is no part.
        """
        told = pq.ParquetFile(file).metadata.metadata or {}
        return cls(
            identity=told[f"{_PREFIX}identity".encode()].decode(),
            sums=told[f"{_PREFIX}sums".encode()],
        )

    @property
    def described(self) -> dict[str, Any]:
        """What decided its numbers."""
        return described_by(self.identity)

    def unpacked(self) -> dict[Key, Series]:
        """Sums over its toys."""
        return unpack_sums(b64decode(self.sums))


def described_by(identity: str) -> dict[str, Any]:
    """What decided the numbers of a part.

    Args:
        identity: As text.

    Raises:
        ValueError, LookupError, TypeError: If it is none of ours.
    """
    described = dict(json.loads(identity))
    if not isinstance(described["kind"], str) or int(described["block"]) < 1:
        raise ValueError("it does not say of which toys it is a part")
    return described


def joined(blocks: Sequence[Sequence[Fitted]], kept: int) -> Iterator[Fitted]:
    """The series of several blocks, each as one, with the toys that were asked for.

    Args:
        blocks: Each with the same series.
        kept: Toys.
    """
    for series in zip(*blocks, strict=True):
        first = series[0]
        yield first._replace(
            truth=np.concatenate([one.truth for one in series])[:kept],
            fits=FitBatch.join([one.fits for one in series]).head(kept),
        )


def toys_of(spans: Iterable[Span]) -> int:
    """How many toys parts have.

    Args:
        spans: Of the parts.
    """
    return sum(span.stop - span.first for span in spans)


def wanted_spans(n_toys: int, block: int, blocks: tuple[int, int] | None) -> Sequence[Span]:
    """The parts that toys are divided into.

    Args:
        n_toys: How many.
        block: Toys of a part.
        blocks: First and last part; None for all.

    Raises:
        OutputError: If there are no such blocks, or more than a folder should hold.
    """
    count = -(-n_toys // block)
    first, last = blocks or (0, count - 1)
    if not 0 <= first <= last < count:
        raise OutputError(
            f"blocks {first}-{last} are not among the {count} of {n_toys} toys; give A-B with "
            f"0 <= A <= B <= {count - 1}"
        )
    if last - first >= _MOST_PARTS:
        raise OutputError(
            f"{n_toys} toys are {count} blocks, of which at most {_MOST_PARTS} are made at once; "
            "make fewer, or shards of them (--blocks A-B)"
        )
    return [Span(i * block, min((i + 1) * block, n_toys)) for i in range(first, last + 1)]


def _names(codes: NDArray[Any], names: Sequence[str]) -> pa.DictionaryArray:
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


def _strings(texts: Sequence[str]) -> pa.Array:
    coded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, coded)], dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(coded))]
    return pa.Array.from_buffers(pa.string(), len(texts), buffers)
