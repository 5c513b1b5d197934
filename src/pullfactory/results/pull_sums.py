"""Sums over the pulls of toys in a folder: those of its parts, or made again from its table."""

from pathlib import Path

from pullfactory.fitting.slices import Slices
from pullfactory.inference import PullSums
from pullfactory.results.damage import complete
from pullfactory.results.ledger import Parts, ToyTable, table_at
from pullfactory.results.sums import Key

TOYS = "toys.parquet"


def summed_pulls(
    folder: Path, slices: Slices | None = None, block: int | None = None
) -> dict[Key, PullSums]:
    """Sums by rho and method, in the order of the table.

    Args:
        folder: Has the table.
        slices: Where the toys of an earlier version are divided; None if they are not.
        block: Toys of them that are summed at once where the table does not say it; None: all.

    Raises:
        OutputError: If the table is not as it was written.
    """
    with complete(folder, TOYS):
        (folder / TOYS).stat()  # tells better what is wrong than Arrow does
        table = table_at(folder / TOYS, block)
        found = pulls_of(table) if isinstance(table, Parts) else _summed(table, slices)
        if not found:
            raise ValueError("it holds no toys")
        return found


def pulls_of(parts: Parts) -> dict[Key, PullSums]:
    """Sums over the pulls by rho and method.

    Args:
        parts: Of the toys.
    """
    return {key: sums["pulls"] for key, sums in parts.sums().items()}


def _summed(table: ToyTable, slices: Slices | None) -> dict[Key, PullSums]:
    sums: dict[Key, PullSums] = {}
    for fits in table.fits():
        key, new = (fits.rho, fits.method), PullSums.of(fits, fits.truth, slices)
        sums[key] = sums[key] + new if key in sums else new
    return sums
