"""Rows that belong to one event."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def first_rows(keys: NDArray[np.uint64]) -> NDArray[np.intp]:
    """For each row the first one of its event.

    Args:
        keys: The same for rows of one event, shape (rows,).

    Returns:
        Positions, shape (rows,).
    """
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return np.asarray(first[inverse])


def row_pairs(
    owners: NDArray[np.integer],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """All pairs of different rows of one event, each once.

    Args:
        owners: The same for rows of one event, shape (rows,); in any order.

    Yields:
        Positions of the one and of the other row of some pairs, each of shape (pairs,).
    """
    order = np.argsort(owners, kind="stable")
    ordered = owners[order]
    at = np.arange(len(order))
    for step in range(1, len(order)):
        at = at[: np.searchsorted(at, len(order) - step)]
        at = at[ordered[at] == ordered[at + step]]
        if not len(at):
            return
        yield order[at], order[at + step]
