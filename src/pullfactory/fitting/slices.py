"""Where toys are divided into thirds, to see opposite biases that cancel in all of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.settings.sections import Parameter

_THIRD = 0.4307272992954576  # of a normal distribution lies above it


class Slices(NamedTuple):
    """Where toys are divided into thirds.

    Attributes:
        edges: Of each parameter, shape (parameters, 2).
        estimated: Whether they are of its estimate instead of its true value, (parameters,).
    """

    edges: NDArray[np.float64]
    estimated: NDArray[np.bool_]


def normal_slices(
    mean: NDArray[np.float64], sigma: NDArray[np.float64], constrained: NDArray[np.bool_]
) -> Slices:
    """Thirds of normal true values; estimates are divided at the same places.

    Args:
        mean: Of the true values, shape (parameters,).
        sigma: Their widths, same shape; 0 where the true value is fixed.
        constrained: Parameters with a constraint, same shape.
    """
    edges = np.stack([mean - _THIRD * sigma, mean + _THIRD * sigma], axis=-1)
    return Slices(edges, constrained & (sigma > 0))


def truth_slices(truth: str, parameters: Sequence[Parameter]) -> Slices | None:
    """Where the toys of a study are divided; None where true values are fixed.

    Args:
        truth: "prior" or "fixed".
        parameters: Their true values.
    """
    if truth == "fixed":
        return None
    mean, sigma = np.array([(one.truth_mean, one.truth_sigma) for one in parameters]).T
    return normal_slices(mean, sigma, np.array([not one.free for one in parameters]))
