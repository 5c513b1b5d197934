"""Sets of observables: which to look at, and which to take."""

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

from pullfactory.inference.judgement import PAYS

_MAX_SUBSETS = 6  # observables of which all subsets are looked at: 63

Row = TypeVar("Row")


def search_sets(names: Sequence[str], error: Callable[[tuple[str, ...]], float | None]) -> None:
    """Look at sets of observables: all of up to six, growing ones of more.

    The smallest usable set that is best grows by one observable at a time: every other one is
    added in turn, and that with the lowest error stays.

    Args:
        names: Observables, in their order.
        error: Looks at one set, and gives its error; None if it cannot be used.
    """
    n = len(names)
    if n <= _MAX_SUBSETS:
        for size in range(1, n + 1):
            for some in itertools.combinations(names, size):
                error(some)
        return
    best: tuple[str, ...] | None = None
    for size in range(1, n + 1):
        if best is None:
            tried = list(itertools.combinations(names, size))
        else:
            tried = [(*best, name) for name in names if name not in best]
        found = [(value, i) for i, some in enumerate(tried) if (value := error(some)) is not None]
        best = tried[min(found)[1]] if found else best


def count_sets(n: int) -> int:
    """How many sets of n observables `search_sets` looks at, at most."""
    return n * (n + 1) // 2 if n > _MAX_SUBSETS else 2**n - 1


def worth_most(
    rows: Sequence[Row], error: Callable[[Row], float], size: Callable[[Row], int]
) -> Row:
    """The set to take: the fewest observables within 0.1 % of the lowest error.

    Args:
        rows: Sets, at least one.
        error: Of a set.
        size: Number of its observables.
    """
    lowest = min(map(error, rows))
    near = (row for row in rows if error(row) <= (1 + PAYS) * lowest)
    return min(near, key=lambda row: (size(row), error(row)))
