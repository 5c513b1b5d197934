"""What the bootstrap of one toy gives back."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.described import row_of
from pullfactory.inference import BootstrapResult
from pullfactory.numbers import filled_matrix, finite_or_none, plain, plain_matrix
from pullfactory.report.figures import Figures
from pullfactory.report.tabular import Table
from pullfactory.results.of_study import ResultOfStudy
from pullfactory.results.schemas.bootstrap import BootstrapRow
from pullfactory.results.tables import bootstrap_table
from pullfactory.settings.study import Study

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class BootstrapSummary(ResultOfStudy):
    """Errors of one toy of a study: claimed, from the sandwich, and from the bootstrap.

    Attributes:
        study: The study.
        rho: Correlation of the toy.
        toy: Its number, as in `toys.parquet`.
        replicas: How often its events were drawn again.
        status: How many replicas ended how, by method.
        correlation: Pearson's correlation of the observables in the events of the toy, shape
            (observables, observables).
        correlation_error: Its standard error from the replicas, same shape.
        covariance: Of the estimates over replicas by method, each of shape (parameters,
            parameters).
        rows: Estimate and errors, by method and parameter.
    """

    kind = "bootstrap"

    rho: float
    toy: int
    replicas: int
    status: Mapping[str, Mapping[str, int]]
    correlation: Matrix | None
    correlation_error: Matrix | None
    covariance: Mapping[str, Matrix | None]
    rows: tuple[BootstrapRow, ...]

    @classmethod
    def of(
        cls,
        study: Study,
        *,
        rho: float,
        toy: int,
        truth: NDArray[np.float64],
        results: Sequence[BootstrapResult],
    ) -> Self:
        """What the replicas of a toy say.

        Args:
            study: The study.
            rho: Correlation of the toy.
            toy: Its number.
            truth: Its true parameters, shape (parameters,), in their units.
            results: One for each method, with the parameters of the study.
        """
        first = results[0]
        return cls(
            study=study,
            rho=rho,
            toy=toy,
            replicas=len(first.status),
            status={one.method: one.status_counts for one in results},
            correlation=first.correlation,
            correlation_error=first.correlation_error,
            covariance={one.method: one.covariance for one in results},
            rows=tuple(
                _row(one, k, float(truth[k])) for one in results for k in range(len(one.parameters))
            ),
        )

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"toy {self.toy} of study {self.study.name!r} at rho = {plain(self.rho)}"

    @property
    def table(self) -> Table[Mapping[str, Any]]:
        """Estimate and errors, by method and parameter."""
        return bootstrap_table([asdict(row) for row in self.rows], self.study.parameter)

    def _figures(self) -> Figures:
        return {}

    def summary(self) -> dict[str, Any]:
        """Content of `bootstrap.json`: plain data without NaN."""
        return {
            **self._head(),
            "rho": self.rho,
            "toy": self.toy,
            "replicas": self.replicas,
            "status": {method: dict(counts) for method, counts in self.status.items()},
            "observables": list(self.study.observable_names),
            "correlation": plain_matrix(self.correlation),
            "correlation_error": plain_matrix(self.correlation_error),
            "covariance": {method: plain_matrix(one) for method, one in self.covariance.items()},
            "errors": [asdict(row) for row in self.rows],
        }

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        return cls(
            **cls._read_head(folder, numbers),
            rho=numbers["rho"],
            toy=numbers["toy"],
            replicas=numbers["replicas"],
            status=numbers["status"],
            correlation=filled_matrix(numbers["correlation"]),
            correlation_error=filled_matrix(numbers["correlation_error"]),
            covariance={
                method: filled_matrix(one) for method, one in numbers["covariance"].items()
            },
            rows=tuple(row_of(BootstrapRow, row) for row in numbers["errors"]),
        )


def _row(result: BootstrapResult, k: int, truth: float) -> BootstrapRow:
    numbers = {
        "truth": truth,
        "estimate": float(result.fit.estimate[0, k]),
        "claimed_error": float(result.fit.error[0, k]),
        "sandwich_error": float(result.fit.corrected_error[0, k]),
        "bootstrap_error": float(result.error[k]),
        "bootstrap_error_error": float(result.error_of_error[k]),
    }
    return BootstrapRow(
        method=result.method, parameter=result.parameters[k], **finite_or_none(numbers)
    )
