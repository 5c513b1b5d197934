"""Logs of the Voigt density and of its tail probability, tabulated once for each gamma.

f(u) is the integral over t of phi(t) gamma / (pi ((u - t)^2 + gamma^2)), with phi the normal
density; equal to Re w(z / sqrt(2)) / sqrt(2 pi) at z = u + i gamma, with w the Faddeeva function.
The trapezoidal rule for that integral converges exponentially once the residues of the poles at
t = u +- i gamma are added (Al Azah and Chandler-Wilde 2021, arXiv:2010.05659, theorem 1.1: the
error of w is below 0.7 exp(-11 pi) = 7e-16 with the step and range used here). Every term of the
sum is positive, so the relative accuracy holds for any gamma and arbitrarily far into the tails,
where the difference formula w' = -2 z w + 2 i / sqrt(pi) loses all digits.

The tables have polynomials in s = asinh|u|, in which both the normal core and the Lorentzian tail
are smooth. The second derivative is interpolated and integrated twice, so that no derivative
loses the digits that differentiating an interpolated value would cost.
"""

import math
from collections.abc import Callable
from functools import lru_cache, partial

import numpy as np

from ._family import LOG_SQRT_2PI, FloatArray
from ._voigt_quantile import upper_tail

CELLS_PER_UNIT = 128
"""Cells of the table in a unit of s."""

Derivatives = tuple[FloatArray, FloatArray, FloatArray]

_DEGREE = 7
_FAR = 1e8  # log f = log(gamma / (pi u^2)) + O((1 + gamma^2) / u^2) beyond this many widths

_STEP = math.sqrt(math.pi / 6.0)
_QUARTER = 0.25
_FREQUENCY = 2.0 * math.pi / _STEP
_NODES = _STEP * np.arange(-12, 13)


Table = tuple[FloatArray, ...]
"""The coefficients of x^0, x^1, ..., each of shape (cells,), 0 <= x < 1 within a cell of s.

The last cell has no end: the logarithm of a power of u is linear in s there.
"""


@lru_cache(maxsize=64)
def density_table(gamma: float) -> Table:
    """Log f.

    Args:
        gamma: Half width of the Lorentzian, in units of sigma.
    """
    return _tabulate(partial(_log_density, gamma=gamma), gamma, -2.0)


@lru_cache(maxsize=64)
def tail_table(gamma: float) -> Table:
    """Log of the probability above u, u >= 0.

    Args:
        gamma: Half width of the Lorentzian, in units of sigma.
    """
    return _tabulate(partial(_log_tail, gamma=gamma), gamma, -1.0)


def _tabulate(function: Callable[[FloatArray], Derivatives], gamma: float, last: float) -> Table:
    """Table of a function of s from its value and derivatives.

    Args:
        function: Value, first and second derivative at s.
        gamma: Half width of the Lorentzian: says how far the table reaches.
        last: First derivative in the last cell.
    """
    cells = math.ceil(math.asinh(_FAR * max(1.0, gamma)) * CELLS_PER_UNIT)
    knots = np.arange(cells + 1.0)
    value, slope, _ = function(knots / CELLS_PER_UNIT)
    slope[-1] = last
    powers = np.arange(_DEGREE - 1)
    points = 0.5 - 0.5 * np.cos(np.pi * (powers + 0.5) / len(powers))
    bends = function((knots[:-1] + points[:, None]) / CELLS_PER_UNIT)[2]
    bent = np.linalg.solve(points[:, None] ** powers, bends / CELLS_PER_UNIT**2)
    bent = np.pad(bent / ((powers + 1.0) * (powers + 2.0))[:, None], ((0, 0), (0, 1)))
    return value, slope / CELLS_PER_UNIT, *bent


def _log_density(s: FloatArray, gamma: float) -> Derivatives:
    """Log f and its derivatives with respect to s."""
    u, stretch = np.sinh(s), np.cosh(s)
    density, first, second = _density(u, gamma)
    slope = first / density
    curvature = second / density - slope * slope
    return np.log(density), slope * stretch, curvature * stretch * stretch + slope * u


def _log_tail(s: FloatArray, gamma: float) -> Derivatives:
    """Log of the probability above u and its derivatives with respect to s."""
    u, stretch = np.sinh(s), np.cosh(s)
    tail = upper_tail(u, gamma)
    value, slope, _ = _log_density(s, gamma)
    hazard = np.exp(value) * stretch / tail
    return np.log(tail), -hazard, -hazard * (slope + np.tanh(s) + hazard)


def _density(u: FloatArray, gamma: float) -> Derivatives:
    """The density f and its first two derivatives by the trapezoidal rule and its residues.

    The nodes are multiples of the step, or are shifted by half of it: for each u the grid is
    taken that stays a quarter of a step away, so that sum and residue never nearly cancel.

    Args:
        u: Standardised variable, any shape.
        gamma: Half width of the Lorentzian.

    Returns:
        f, f', f'' at u, each the shape of `u`.
    """
    cells = u / _STEP
    between = np.abs(cells - np.floor(cells) - 0.5) < _QUARTER
    shift = np.where(between, 0.0, 0.5 * _STEP)
    f, df, d2f = np.zeros_like(u), np.zeros_like(u), np.zeros_like(u)
    for node in _NODES:
        distance = u - shift - node
        lorentz = 1.0 / (distance * distance + gamma * gamma)
        term = np.exp(-0.5 * (node + shift) ** 2) * lorentz
        f += term
        df -= 2.0 * term * lorentz * distance
        d2f += 2.0 * term * lorentz * (4.0 * distance * distance * lorentz - 1.0)
    norm = _STEP * gamma / math.pi * math.exp(-LOG_SQRT_2PI)
    sums = norm * f, norm * df, norm * d2f
    if gamma >= _FREQUENCY:
        return sums
    residues = _residue(u, gamma, np.where(between, 1.0, -1.0))
    return sums[0] + residues[0], sums[1] + residues[1], sums[2] + residues[2]


def _residue(u: FloatArray, gamma: float, sign: FloatArray) -> Derivatives:
    """What the poles of the integrand add to its trapezoidal sum.

    Re C with C(z) = 2 phi(z) / (1 - v), v = sign exp(-i frequency z), z = u + i gamma. From
    dv/dz = -i frequency v follow C' = C L with L = -z - i frequency v / (1 - v), and
    C'' = C (L^2 - 1 - frequency^2 v / (1 - v)^2).

    Args:
        u: Standardised variable, any shape.
        gamma: Half width of the Lorentzian; the poles matter below `_FREQUENCY`.
        sign: 1 where the nodes are multiples of the step, -1 where they are shifted.

    Returns:
        Re C, Re C', Re C'' at u, each the shape of `u`.
    """
    z = u + 1j * gamma
    v = sign * np.exp(-1j * _FREQUENCY * z)
    ratio = v / (1.0 - v)
    c = 2.0 * np.exp(-0.5 * z * z - LOG_SQRT_2PI) / (1.0 - v)
    slope = -z - 1j * _FREQUENCY * ratio
    bend = slope * slope - 1.0 - _FREQUENCY**2 * ratio / (1.0 - v)
    return c.real, (c * slope).real, (c * bend).real
