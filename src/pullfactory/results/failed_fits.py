"""Failed fits of toys: found in their table, and written as CSV."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from pullfactory.inference.failures import Failures
from pullfactory.results.ledger import ToyTable

FAILURES = "failures.csv"


def failed_fits(toys: ToyTable, status: Mapping[str, Mapping[str, int]]) -> Failures | None:
    """Every failed fit of some toys; None if there is none, and the table is not looked at.

    Args:
        toys: Every fit of every toy.
        status: Number of fits by method and status.
    """
    lost = (
        n
        for counts in status.values()
        for name, n in counts.items()
        if name not in ("converged", "recovered")
    )
    return Failures.of(toys.fits) if any(lost) else None


def write_failures(path: Path, failures: Failures) -> None:
    """Write the failed fits that are listed, one row each.

    Args:
        path: The file.
        failures: Of toys.
    """
    names = _names(fit.truth for fit in failures.listed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["toy", "rho", "method", "status", *(f"truth_{name}" for name in names)])
        for fit in failures.listed:
            rho = "" if fit.rho is None else fit.rho
            truth = (fit.truth.get(name, "") for name in names)
            writer.writerow([fit.toy, rho, fit.method, fit.status, *truth])


def _names(truths: Iterable[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for truth in truths for name in truth))
