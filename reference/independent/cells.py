"""Probabilities of pairs of bins of a bivariate normal, by quadrature."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["joint_cells"]

Array = NDArray[np.float64]
_END = 9.0  # standard deviations; 1e-19 is beyond


def joint_cells(first: Array, second: Array, rho: float, nodes: int = 60) -> Array:
    """Shape (bins of the first, bins of the second).

    Gauss-Legendre over each bin of the first of the conditional probability of the second.

    Args:
        first: Inner edges in standard deviations from the mean.
        second: Those of the other observable.
        rho: Correlation.
        nodes: Of the quadrature in each bin.
    """
    x, weight = np.polynomial.legendre.leggauss(nodes)
    ends = np.concatenate([[-_END], first, [_END]])
    low, high = ends[:-1, None], ends[1:, None]
    u = 0.5 * (low + high) + 0.5 * (high - low) * x
    density = np.exp(-0.5 * u**2) / np.sqrt(2 * np.pi) * 0.5 * (high - low) * weight
    below = ndtr((second - rho * u[..., None]) / np.sqrt(1 - rho**2))
    conditional = np.diff(below, axis=-1, prepend=0.0, append=1.0)
    return np.asarray(np.einsum("an,anb->ab", density, conditional))


def equal_cells(n_bins: int, rho: float) -> Array:
    """The same for equal population of both."""
    edges = np.asarray(ndtri(np.arange(1, n_bins) / n_bins))
    return joint_cells(edges, edges, rho)
