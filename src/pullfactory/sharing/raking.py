"""Simulated events scaled to other rates, with their correlations kept.

Each sweep goes through the channels, and multiplies the events in a bin by what that bin lacks:
iterative proportional fitting (Deming and Stephan, Ann. Math. Stat. 11 (1940) 427).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pullfactory.sharing.filled import Filled, column_sums

_SWEEPS = 15
_SETTLED = 1e-12


def raked(matrix: Filled, target: NDArray[np.float64], channel: NDArray[np.int_]) -> Filled:
    """The events with weights whose sums are given rates.

    Args:
        matrix: Events.
        target: Rate of each bin, shape (bins,); one without events, or that is not positive, is
            left as it is.
        channel: Of each bin, shape (bins,).
    """
    events, bins = matrix.shape
    factor = np.ones(events)
    rows = np.repeat(np.arange(events), np.diff(matrix.indptr))
    own = channel[matrix.indices]
    parts = [np.flatnonzero(own == c) for c in range(channel.max() + 1)]
    for _ in range(_SWEEPS):
        change = 0.0
        for part in parts:
            column, row = matrix.indices[part], rows[part]
            found = np.bincount(column, weights=matrix.data[part] * factor[row], minlength=bins)
            usable = (found > 0) & (target > 0)
            ratio = np.where(usable, target, 1.0) / np.where(usable, found, 1.0)
            factor[row] *= ratio[column]
            change = max(change, float(np.max(np.abs(ratio - 1.0), initial=0.0)))
        if change < _SETTLED:
            break
    return sparse.csr_array(
        (matrix.data * factor[rows], matrix.indices, matrix.indptr), shape=matrix.shape
    )


def scaled(matrix: Filled, rates: NDArray[np.float64], channel: NDArray[np.int_]) -> Filled:
    """The events of one sample with weights whose sums are its rates, which may be negative or 0.

    Args:
        matrix: Events of the sample, with the weights of its template.
        rates: Of the sample, shape (bins,).
        channel: Of each bin, shape (bins,).
    """
    template = column_sums(matrix)
    factor = float(template @ rates) / (float(template @ template) or 1.0)
    sign = -1.0 if factor < 0 else 1.0
    return sign * raked(matrix * abs(factor), sign * rates, channel)


def shortfall(matrix: Filled, target: NDArray[np.float64]) -> float:
    """How far the sums of weights are from rates, at most, in parts of these.

    Args:
        matrix: Events.
        target: Rate of each bin, shape (bins,).
    """
    found = column_sums(matrix)
    usable = (found > 0) & (target > 0)
    return float(np.max(np.abs(found / np.where(usable, target, 1.0) - 1.0)[usable], initial=0.0))
