"""Where the bulk of the events is, whatever their tails."""

import numpy as np
from numpy.typing import NDArray

_QUANTILES = (0.1587, 0.5, 0.8413)  # of a Gaussian: one standard deviation to either side
_HEAVY = 1.5  # standard deviations over half of the central 68 %: of a Gaussian 1, of t_3 1.4

Array = NDArray[np.float64]


def core(events: Array) -> tuple[Array, Array]:
    """Centre and spread of each observable: mean and standard deviation, unless tails make these.

    Of an observable with tails so heavy that its standard deviation is more than 1.5 times half the
    width of its central 68 %, the median and that: the standard deviation of a Cauchy
    distribution is that of its few largest events.

    Args:
        events: Shape (events, observables).

    Returns:
        Both of shape (observables,).
    """
    centre, spread = events.mean(axis=0), events.std(axis=0)
    low, middle, high = np.quantile(events, _QUANTILES, axis=0)
    half = 0.5 * (high - low)
    heavy = (half > 0.0) & (spread > _HEAVY * half)
    return np.where(heavy, middle, centre), np.where(heavy, _HEAVY * half, spread)
