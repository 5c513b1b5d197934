"""Sets of observables: which to look at, and which to take."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pullfactory.inference.judgement import DISCERNED, MAY_PAY, PAYS, SURE
from pullfactory.inference.rows import SetRow

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


def compared_sets(rows: Sequence[SetRow], replicas: NDArray[np.float64]) -> tuple[SetRow, ...]:
    """Sets with errors on their actual errors and on how far these are above the lowest.

    Args:
        rows: The best set first.
        replicas: Actual errors of each set in the same replicas, shape (sets, replicas); a set may
            have NaN in some, which are left out.
    """
    if not rows:
        return ()
    lowest = rows[0].pull.actual_error
    ratios = replicas / replicas[0]
    return tuple(
        replace(
            row,
            actual_error_error=_scatter(own),
            difference=row.pull.actual_error / lowest - 1.0,
            difference_error=_scatter(ratio),
        )
        for row, own, ratio in zip(rows, replicas, ratios, strict=True)
    )


def _scatter(values: NDArray[np.float64]) -> float | None:
    """Standard deviation over replicas; None where fewer than half of them have a value."""
    known = values[np.isfinite(values)]
    return None if 2 * len(known) < len(values) else float(known.std(ddof=1))


def idle_observables(
    rows: Sequence[SetRow], names: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Observables that do not lower the actual error, and those of which that cannot be told.

    The set to take is that of the fewest observables which is not worse than the best by more
    than 0.1 %, and by more than chance makes. What it leaves out is not worth its work, unless
    the best set has it and may, for all that is known, be better by more than 1 %.

    Args:
        rows: Sets of observables, at least one, with actual errors.
        names: All observables.

    Returns:
        Names, each in their order.
    """
    lowest = min(rows, key=lambda row: row.pull.actual_error)
    near = [row for row in rows if _is_near(row, lowest)]
    taken = min(near, key=lambda row: (len(row.observables), row.pull.actual_error))
    left = [name for name in names if name not in taken.observables]
    unsure = _behind(taken, lowest) + SURE * _error(taken) > MAY_PAY
    may = [name for name in left if unsure and name in lowest.observables]
    return tuple(name for name in left if name not in may), tuple(may)


def _is_near(row: SetRow, best: SetRow) -> bool:
    """Whether an error is not discerned from the lowest, or not much above it.

    On the scale of its logarithm: an error ten times as large has a scatter that large itself.
    """
    ratio = 1.0 + _behind(row, best)
    return math.log(ratio) <= max(PAYS, DISCERNED * _error(row) / ratio)


def _behind(row: SetRow, best: SetRow) -> float:
    """By how much an error is above that of the best set, relative to it."""
    return row.pull.actual_error / best.pull.actual_error - 1.0


def _error(row: SetRow) -> float:
    """Of the difference; 0 for sets of an earlier version, which tells none."""
    if row.difference is not None and row.difference_error is None:
        return math.inf
    return row.difference_error or 0.0
