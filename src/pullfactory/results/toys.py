"""What toys of a workspace give back."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.described import json_schema_of
from pullfactory.errors import OutputError
from pullfactory.fitting import FitStatus
from pullfactory.fitting.slices import Slices
from pullfactory.inference import PullSummary, PullSums
from pullfactory.inference.correlation import Correlation
from pullfactory.inference.failures import Failures
from pullfactory.inference.remarks import Remark, Shapes, remarks, shape_rows
from pullfactory.inference.rows import PullRow
from pullfactory.inference.shapes import PullShape
from pullfactory.methods import BINNED
from pullfactory.numbers import filled_matrix, plain_matrix
from pullfactory.report.figures import Figures
from pullfactory.report.tabular import Table
from pullfactory.report.verdict import Verdict, answer_of
from pullfactory.results.failed_fits import FAILURES, failed_fits, write_failures
from pullfactory.results.ledger import STATUS_NAMES, Parts, ToyTable, table_at
from pullfactory.results.pull_sums import TOYS, summed_pulls
from pullfactory.results.report import report_text
from pullfactory.results.result import Result
from pullfactory.results.rows import provenance, schema_name
from pullfactory.results.tables import toys_table

_MOST_MINIMA = 100_000


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ToysResult(Result):
    """Toys of one model, fitted.

    Attributes:
        parameters: Parameters that moved in the fits.
        seed: Seed of the toys.
        truth: True value of every parameter, or what the constrained ones were drawn around.
        ensemble: "fixed" or "prior".
        sums: Sums over the pulls of all toys.
        correlation: Of the estimates.
        toys: Every fit of every toy, on disk for as long as this result lives.
        slices: Where the toys are divided in `sums`; None if they are not.
        n_toys: How many were asked for, of which blocks may be left out; None where that is not
            known.
    """

    kind = "summary"

    parameters: tuple[str, ...]
    seed: int
    truth: dict[str, float]
    ensemble: str
    sums: PullSums
    correlation: Correlation
    toys: ToyTable
    slices: Slices | None = None
    n_toys: int | None = None

    @classmethod
    def of(
        cls,
        toys: Parts,
        *,
        parameters: tuple[str, ...],
        seed: int,
        truth: dict[str, float],
        ensemble: str,
        slices: Slices | None,
        n_toys: int | None,
        **more: Any,
    ) -> Self:
        """The result of toys that are made.

        Args:
            toys: Every fit of every toy.
            parameters: As the attributes, and what follows.
            seed: Of the toys.
            truth: True values.
            ensemble: Its name.
            slices: Where toys are divided.
            n_toys: How many were asked for.
            more: Further attributes.
        """
        (sums,) = toys.sums().values()
        return cls(
            parameters=parameters,
            seed=seed,
            truth=truth,
            ensemble=ensemble,
            sums=sums["pulls"],
            correlation=sums["correlation"].found,
            toys=toys,
            slices=slices,
            n_toys=n_toys,
            **more,
        )

    def with_toys(self, toys: Parts) -> Self:
        """The same with other toys.

        Args:
            toys: All blocks that are joined.
        """
        return type(self).of(
            toys,
            parameters=self.parameters,
            seed=self.seed,
            truth=self.truth,
            ensemble=self.ensemble,
            slices=self.slices,
            n_toys=self.n_toys,
            versions=self.versions,
        )

    @cached_property
    def minima(self) -> NDArray[np.float64]:
        """Minima of the negative log-likelihood of toys whose fits have errors, shape (toys,).

        Of very many toys these are some, at equal distances.
        """
        every = -(-self.sums.toys // _MOST_MINIMA)
        found = [
            fits.nll[np.isfinite(fits.error).any(axis=1) & (fits.toy % every == 0)]
            for fits in self.toys.fits()
        ]
        return np.concatenate(found)

    @cached_property
    def pulls(self) -> Table[PullRow]:
        """Pull summaries, one per parameter with errors: all, or the parameter of interest."""
        summaries = PullSummary.from_sums(self.parameters, self.sums)
        rows = tuple(
            PullRow(method=BINNED.name, rho=None, pulls=pulls)
            for pulls, without in zip(summaries, self._without_errors, strict=True)
            if not without
        )
        return toys_table(rows, self.truth)

    @property
    def _without_errors(self) -> NDArray[np.bool_]:
        """Parameters whose errors were not asked for: a fit that converged has all others."""
        converged = self.sums.status[[FitStatus.CONVERGED, FitStatus.RECOVERED]].sum()
        return np.asarray((self.sums.counted[0] == 0) & (converged > 0))

    @cached_property
    def shapes(self) -> Shapes:
        """Whether the pulls are unit normal as whole distributions."""
        shapes = PullShape.of(self.parameters, self.sums.transformed, self.slices)
        return {(BINNED.name, None): shapes}

    @cached_property
    def remarks(self) -> tuple[Remark, ...]:
        """What a verdict says of the pulls beside their width."""
        return remarks(self.pulls, self.shapes)

    @property
    def status(self) -> dict[str, int]:
        """Number of fits by status."""
        return dict(zip(STATUS_NAMES, (int(n) for n in self.sums.status), strict=True))

    @property
    def failures(self) -> dict[str, dict[str, int]]:
        """Number of fits by method and status."""
        return {BINNED.name: self.status}

    @cached_property
    def failed(self) -> Failures | None:
        """Every fit that does not give all errors; None if all do."""
        return failed_fits(self.toys, self.failures)

    @cached_property
    def mixed(self) -> tuple[str, ...]:
        """What other packages or processors have made some of the toys, in words."""
        return self.toys.mixed(self.versions)

    @property
    def failed_fraction(self) -> float:
        """Fraction of toys whose fit neither converged, nor ended at a bound, nor was recovered."""
        return float(self.sums.status[FitStatus.AT_BOUND + 1 :].sum() / self.sums.toys)

    @property
    def title(self) -> str:
        """What it is of, on one line."""
        return f"{self.sums.toys} toys of a model, ensemble {self.ensemble!r}, seed {self.seed}"

    @property
    def answer(self) -> str:
        """Which errors are right, and whose pulls are shifted, in one sentence."""
        said = [remark.to_dict() for remark in self.remarks]
        verdicts = [Verdict.of(row.to_dict(), remarks=said) for row in self.pulls]
        where = f"in {self.sums.toys} toys"
        return answer_of(verdicts, where=where, independent=False).text

    @property
    def table(self) -> Table[PullRow]:
        """Pulls, by parameter."""
        return self.pulls

    def summary(self) -> dict[str, Any]:
        """Content of `summary.json`: plain data without NaN."""
        return {
            "schema": schema_name(self.kind),
            "study": None,
            "provenance": provenance(self.seed, self.versions, mixed=list(self.mixed)),
            "ensemble": self.ensemble,
            "n_toys": self.n_toys,
            "truth": self.truth,
            "status": self.failures,
            "correlation": {
                "parameters": list(self.parameters),
                "toys": self.correlation.toys,
                "over_toys": plain_matrix(self.correlation.over_toys),
                "fitted": plain_matrix(self.correlation.fitted),
            },
            "remarks": [remark.to_dict() for remark in self.remarks],
            "pulls": [row.to_dict() for row in self.pulls],
            "shapes": shape_rows(self.shapes),
            "slices": self.slices
            and {
                "edges": self.slices.edges.tolist(),
                "estimated": self.slices.estimated.tolist(),
            },
        }

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """The JSON Schema (2020-12) of its numbers."""
        from pullfactory.results.schemas.summary import ToysFile

        return json_schema_of(ToysFile)

    @classmethod
    def holds(cls, numbers: Mapping[str, Any]) -> bool:
        """Whether numbers in a folder are of toys of a workspace.

        Args:
            numbers: From a file.
        """
        return super().holds(numbers) and numbers.get("study") is None

    @classmethod
    def _read(cls, folder: Path, numbers: dict[str, Any]) -> Self:
        slices, correlation = numbers.get("slices"), numbers["correlation"]
        if slices:
            slices = Slices(np.array(slices["edges"]), np.array(slices["estimated"], dtype=bool))
        elif numbers["ensemble"] == "prior":
            raise OutputError(
                f"'{folder}' was written by an earlier version, and does not say where its toys "
                "are divided; throw them again"
            )
        ((_, sums),) = summed_pulls(folder, slices).items()
        if unknown := set(correlation["parameters"]) - numbers["truth"].keys():
            raise ValueError(f"truth: {min(unknown)!r} is missing")
        return cls(
            versions=numbers["provenance"]["versions"],
            parameters=tuple(correlation["parameters"]),
            seed=numbers["provenance"]["seed"],
            truth=numbers["truth"],
            ensemble=numbers["ensemble"],
            sums=sums,
            correlation=Correlation(
                toys=correlation["toys"],
                over_toys=filled_matrix(correlation["over_toys"]),
                fitted=filled_matrix(correlation["fitted"]),
            ),
            toys=table_at(folder / TOYS),
            slices=slices,
            n_toys=numbers.get("n_toys"),
        )

    @property
    def _formats(self) -> tuple[str, ...]:
        return ("png",)

    def _fill(self, folder: Path, _summary: dict[str, Any]) -> None:
        self.toys.copy_to(folder / TOYS)
        if self.failed:
            write_failures(folder / FAILURES, self.failed)

    def _page(self, folder: Path, summary: dict[str, Any]) -> str:
        return report_text(folder, summary)

    def _figures(self) -> Figures:
        from pullfactory.report.toys import make_toy_figures  # drawing is slow to load

        return make_toy_figures(
            parameters=self.parameters,
            pulls=[row.pulls for row in self.pulls],
            sums=self.sums,
            correlation=self.correlation,
            minima=self.minima,
            failures=self.failed,
        )
