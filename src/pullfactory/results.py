"""What a run gives back, what is written of it, and how it is read."""

import json
import math
import shutil
import tempfile
import weakref
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.errors import OutputError
from pullfactory.inference import FitBatch, FitStatus, PullSummary, PullSums
from pullfactory.output import replaced_folder
from pullfactory.report.poster import write_figures
from pullfactory.study import Study
from pullfactory.workspace import build_workspace, write_workspace

__all__ = ["PullRow", "StudyResult", "ToyLedger", "read_summary"]

_SCHEMA = "pullfactory-summary/1"
_VERSIONS = ("pullfactory", "pyhf", "jax", "numpy", "scipy", "iminuit", "boost-histogram")
_ROW_GROUP_BATCHES = 64
_STATUS_NAMES = [status.label for status in FitStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRow:
    """Summary of the pulls of one parameter, with one method, at one rho."""

    method: str
    rho: float
    pulls: PullSummary

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `summary.json`; no NaN."""
        row = {"method": self.method, "rho": self.rho, **asdict(self.pulls)}
        return {key: _finite(value) for key, value in row.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyResult:
    """What a run gives back.

    Attributes:
        study: What was run.
        calibration: What the fits knew.
        sums: Sums over the pulls of all toys, by rho and method.
        toys: Every fit of every toy, on disk for as long as this result lives.
    """

    study: Study
    calibration: Calibration
    sums: dict[tuple[float, str], PullSums]
    toys: "ToyTable"

    @cached_property
    def pulls(self) -> tuple[PullRow, ...]:
        """Pull summaries, by method, rho and parameter."""
        return tuple(
            PullRow(method=method, rho=rho, pulls=summary)
            for method in self.study.methods
            for rho in self.study.ensemble.rho
            for summary in PullSummary.from_sums(self.study.parameter_names, self.sums[rho, method])
        )

    @property
    def failures(self) -> dict[str, dict[str, int]]:
        """Number of fits by method and status, summed over rho."""
        totals: dict[str, NDArray[np.int64]] = {}
        for (_, method), sums in self.sums.items():
            totals[method] = totals.get(method, 0) + sums.status
        return {
            method: dict(zip(_STATUS_NAMES, (int(n) for n in total), strict=True))
            for method, total in totals.items()
        }

    def summary(self) -> dict[str, Any]:
        """Content of `summary.json`: plain data without NaN."""
        return {
            "schema": _SCHEMA,
            "study": self.study.to_dict(),
            "provenance": _provenance(self.study),
            "calibration": [asdict(row) for row in self.calibration.comparison()],
            "status": self.failures,
            "pulls": [row.to_dict() for row in self.pulls],
        }

    def write(self, folder: str | Path) -> Path:
        """Write workspace, toys, summary and figures; the folder appears whole or not at all.

        Args:
            folder: Replaced if it holds an earlier result of ours.

        Returns:
            The folder.

        Raises:
            OutputError: If the folder holds anything else, or cannot be written.
        """
        with replaced_folder(folder) as staging:
            (staging / "workspaces").mkdir()
            write_workspace(
                build_workspace(self.calibration),
                staging / "workspaces" / f"{self.study.name}.json",
            )
            self.toys.copy_to(staging / "toys.parquet")
            (staging / "study.toml").write_text(self.study.to_toml(), encoding="utf-8")
            text = json.dumps(self.summary(), indent=1, allow_nan=False)
            (staging / "summary.json").write_text(text + "\n", encoding="utf-8")
            write_figures(
                staging / "figures",
                calibration=self.calibration,
                study=self.study,
                sums=self.sums,
            )
        return Path(folder)


class _Scratch:
    """A temporary folder that goes when its owner does."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="pullfactory-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


class ToyLedger:
    """Writes the fits of a run to a file, block by block, so that memory stays bounded."""

    def __init__(self, study: Study) -> None:
        self._scratch = _Scratch()
        self._path = self._scratch.path / "toys.parquet"
        names = pa.dictionary(pa.int8(), pa.string())
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
        metadata = {
            "pullfactory.study": study.to_toml(),
            "pullfactory.provenance": json.dumps(_provenance(study)),
        }
        self._schema = pa.schema([pa.field(*f) for f in fields], metadata=metadata)
        self._methods: list[str] = list(study.methods)
        self._parameters = list(study.parameter_names)
        self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []

    def append(
        self, first: int, rho: float, method: str, truth: NDArray[np.float64], fits: FitBatch
    ) -> None:
        """Add the fits of some toys.

        Args:
            first: Number of the first toy.
            rho: Correlation.
            method: Name of the method.
            truth: True parameters, shape (toys, parameters).
            fits: Fits of the same shape.
        """
        toys, pars = fits.estimate.shape
        rows = toys * pars
        columns = [
            pa.array(np.repeat(np.arange(first, first + toys), pars)),
            pa.array(np.full(rows, rho)),
            _names(np.full(rows, self._methods.index(method)), self._methods),
            _names(np.tile(np.arange(pars), toys), self._parameters),
            pa.array(truth.ravel()),
            _floats(fits.estimate.ravel()),
            _floats(fits.error.ravel()),
            pa.nulls(rows, pa.float64()),
            _floats(np.repeat(fits.nll, pars)),
            _names(np.repeat(fits.status, pars), _STATUS_NAMES),
        ]
        self._waiting.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        if len(self._waiting) >= _ROW_GROUP_BATCHES:
            self._flush()

    def close(self) -> "ToyTable":
        """Finish the file."""
        self._flush()
        self._writer.close()
        return ToyTable(path=self._path, _owner=self._scratch)

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting))
            self._waiting.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyTable:
    """Every fit of every toy: one row per toy, rho, method and parameter.

    Attributes:
        path: A Parquet file.
    """

    path: Path
    _owner: _Scratch  # removes the file when the last table on it is gone

    def read(self) -> pa.Table:
        """The whole table."""
        return pq.read_table(self.path)

    def copy_to(self, path: Path) -> None:
        """Copy the file.

        Args:
            path: The copy.
        """
        shutil.copyfile(self.path, path)


def read_summary(folder: str | Path) -> dict[str, Any]:
    """Read the summary in an output folder.

    Args:
        folder: What `StudyResult.write` wrote.

    Raises:
        OutputError: If there is no summary of ours.
    """
    path = Path(folder) / "summary.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"'{path}' is no summary of a run ({error}); give the folder of one"
        ) from None
    if data.get("schema") != _SCHEMA:
        raise OutputError(f"'{path}' has schema {data.get('schema')!r}, not {_SCHEMA!r}")
    return data


def _provenance(study: Study) -> dict[str, Any]:
    return {
        "seed": study.seed,
        "versions": {name: version(name) for name in _VERSIONS},
        "study_sha256": study.sha256,
    }


def _names(codes: NDArray[Any], names: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), pa.array(names))


def _floats(values: NDArray[np.float64]) -> pa.Array:
    """A column in which what is not finite is null."""
    return pa.array(values, mask=~np.isfinite(values))


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
