"""Sums over the pulls of toys, made again from their table."""

from collections.abc import Iterator
from pathlib import Path

from pullfactory.fitting.slices import Slices
from pullfactory.inference import PullSums
from pullfactory.results.damage import complete
from pullfactory.results.ledger import ToyTable
from pullfactory.results.toy_fits import ToyFits

TOYS = "toys.parquet"


def summed_pulls(
    folder: Path, slices: Slices | None = None, block: int | None = None
) -> dict[tuple[float | None, str], PullSums]:
    """Sums by rho and method, in the order of the table.

    Args:
        folder: Has the table.
        slices: Where the toys are divided; None if they are not.
        block: Toys summed at once where the table does not say it; None: all.

    Raises:
        OutputError: If the table is not as it was written.
    """
    sums: dict[tuple[float | None, str], PullSums] = {}
    for fits in fits_of_toys(folder, block):
        key, new = (fits.rho, fits.method), PullSums.of(fits, fits.truth, slices)
        sums[key] = sums[key] + new if key in sums else new
    return sums


def fits_of_toys(folder: Path, block: int | None = None) -> Iterator[ToyFits]:
    """The fits in a folder, block by block.

    Args:
        folder: Has the table.
        block: Toys of a block where the table does not say it; None: all are one.

    Raises:
        OutputError: If the table is not as it was written.
    """
    path = folder / TOYS
    with complete(folder, TOYS):
        path.stat()  # tells better what is wrong than Arrow does
        yield from ToyTable(path=path).fits(block)
