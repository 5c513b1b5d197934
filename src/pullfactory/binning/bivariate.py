"""Exact contents of the joint bins of two observables with a Gaussian copula."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, owens_t

_TINY = 1e-300  # in place of 0, where the formula divides by it
_FURTHEST = 40.0  # standard deviations, beyond which there is nothing
_HALVINGS = 64


def normal_cdf(h: NDArray[np.float64], k: NDArray[np.float64], rho: float) -> NDArray[np.float64]:
    """Probability that two correlated standard normal variables are below h and k.

    By Owen's T function (Owen 1956, doi:10.1214/aoms/1177728074), to rounding.

    Args:
        h: Any shape; infinities are allowed.
        k: Of a shape that broadcasts with h.
        rho: Correlation coefficient, |rho| < 1.
    """
    h, k = (np.clip(np.where(x == 0.0, _TINY, x), -_FURTHEST, _FURTHEST) for x in (h, k))
    root = np.sqrt((1.0 - rho) * (1.0 + rho))
    apart = np.where(np.sign(h) * np.sign(k) < 0.0, 0.5, 0.0)
    with np.errstate(over="ignore"):  # a slope of infinity is one that T knows
        slopes = (k / h - rho) / root, (h / k - rho) / root
    return np.asarray(
        0.5 * (ndtr(h) + ndtr(k)) - owens_t(h, slopes[0]) - owens_t(k, slopes[1]) - apart
    )


def bin_probabilities(
    first: NDArray[np.float64], second: NDArray[np.float64], rho: float
) -> NDArray[np.float64]:
    """Contents of joint bins, the second observable running fastest; shape (bins,).

    Args:
        first: Inner edges of the first observable as normal scores, shape (slices - 1,).
        second: Inner edges of the second in each slice, shape (slices, bins of a slice - 1).
        rho: Correlation of the scores.
    """
    low, high = _slices(first)
    open_ended = np.pad(second, ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))
    below = normal_cdf(high, open_ended, rho) - normal_cdf(low, open_ended, rho)
    return np.asarray(np.diff(below, axis=1).ravel())


def nested_scores(
    n_bins: tuple[int, int], rho: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Inner edges of nested bins of equal population, as normal scores.

    Args:
        n_bins: Of the first observable, and of the second in each slice.
        rho: Correlation of the scores.

    Returns:
        Edges as `bin_probabilities` takes them.
    """
    slices, n = n_bins
    first = ndtri(np.arange(1, slices) / slices)
    low, high = _slices(first)
    wanted = np.broadcast_to(np.arange(1, n) / (n * slices), (slices, n - 1))
    below, above = np.full(wanted.shape, -_FURTHEST), np.full(wanted.shape, _FURTHEST)
    for _ in range(_HALVINGS):
        middle = 0.5 * (below + above)
        found = normal_cdf(high, middle, rho) - normal_cdf(low, middle, rho)
        below = np.where(found < wanted, middle, below)
        above = np.where(found < wanted, above, middle)
    return first, 0.5 * (below + above)


def _slices(first: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper edge of each slice, shape (slices, 1)."""
    edges = np.concatenate([[-np.inf], first, [np.inf]])[:, None]
    return edges[:-1], edges[1:]
