"""Cumulative distribution of the Voigt density and its inverse, neither of which is closed.

The tail probability S(u) = 1 - F(u), u >= 0, is summed from far out inwards by Gauss-Legendre
quadrature on panels in t = asinh(u), in which both the normal core and the Lorentzian tail are
smooth; S keeps its relative accuracy because nothing is subtracted. The inverse is tabulated
once for each gamma.
"""

import math
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri, voigt_profile

from ._family import LOG_SQRT_2PI, FloatArray
from ._quantile_table import CELL, QuantileTable

_PANEL = 1.0 / 16.0
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_FAR = 1e17  # S(u) = gamma / (pi u) (1 + O((1 + gamma^2) / u^2)) beyond this many widths

# The fourth derivative of u(z) is below 2.2e5 u for every gamma allowed: it is largest where
# core and tail meet at the smallest gamma, and z^4 u in the tail u = gamma / (pi Phi(-z)). The
# error of the cubics is 5.2e-10 u.
_Z_END = 8.5  # from here on that tail law holds to 1e-15


def upper_tail(u: FloatArray, gamma: float) -> FloatArray:
    """Probability above u.

    Args:
        u: Standardised variable, not negative, any shape.
        gamma: Half width of the Lorentzian, in units of sigma.

    Returns:
        1 - F(u), the shape of `u`, relative error about 1e-13.
    """
    knots = _tail_at_knots(gamma)
    t = np.arcsinh(u)
    above = np.minimum(t / _PANEL + 1.0, len(knots) - 1).astype(np.intp)
    end = above.astype(np.float64) * _PANEL
    inside = knots[above] + _integral(np.minimum(t, end), end, gamma)
    return np.where(t < end, inside, knots[above] * np.sinh(end) / np.maximum(u, np.sinh(end)))


def quantile(z: FloatArray, gamma: float) -> FloatArray:
    """The u with F(u) = Phi(z), by cubic Hermite interpolation in a table.

    Args:
        z: Standard normal variable, any shape.
        gamma: Half width of the Lorentzian, in units of sigma.

    Returns:
        u, the shape of `z`, relative error below 1e-9.
    """
    size = np.abs(z)
    u = _table(gamma)(size)
    if np.any(size > _Z_END):
        far = gamma / (math.pi * ndtr(-size))
        u = np.where(size > _Z_END, far, u)
    return np.copysign(u, z)


@lru_cache(maxsize=64)
def _tail_at_knots(gamma: float) -> FloatArray:
    """Probability above sinh(k * panel), k = 0, 1, ..., shape (knots,)."""
    last = math.ceil(math.asinh(_FAR * max(1.0, gamma)) / _PANEL)
    edges = np.arange(last + 1, dtype=np.float64) * _PANEL
    panels = _integral(edges[:-1], edges[1:], gamma)
    beyond = gamma / (math.pi * math.sinh(edges[-1]))
    inwards: FloatArray = np.cumsum(np.append(panels, beyond)[::-1])
    return inwards[::-1]


def _integral(low: FloatArray, high: FloatArray, gamma: float) -> FloatArray:
    """Integral of the density between sinh(low) and sinh(high), at most a panel apart."""
    half = 0.5 * (high - low)
    middle = 0.5 * (high + low)
    total: FloatArray = np.zeros_like(half)
    for point, weight in zip(_POINTS, _WEIGHTS, strict=True):
        t = middle + half * point
        total += weight * voigt_profile(np.sinh(t), 1.0, gamma) * np.cosh(t)
    total *= half
    return total


@lru_cache(maxsize=64)
def _table(gamma: float) -> QuantileTable:
    """The quantiles u(z), z >= 0."""
    z = np.arange(int(_Z_END / CELL) + 2) * CELL
    target = ndtr(-z)
    knots = _tail_at_knots(gamma)
    t = np.interp(z, -ndtri(knots), np.arange(len(knots)) * _PANEL)
    for _ in range(5):  # Newton's method for log S, from within a panel of the solution
        tail = upper_tail(np.sinh(t), gamma)
        density = voigt_profile(np.sinh(t), 1.0, gamma) * np.cosh(t)
        t = np.maximum(t + tail * np.log(tail / target) / density, 0.0)
    u = np.sinh(t)
    slope = np.exp(-0.5 * z * z - LOG_SQRT_2PI) / voigt_profile(u, 1.0, gamma)
    return QuantileTable.through(u, slope * CELL, start=0.0, step=CELL)
