"""Polynomials, probabilities and quantiles of a density whose log is a natural cubic spline.

The spline s(u) is a cubic between neighbouring knots and linear outside (de Boor 1978, A Practical
Guide to Splines, chapter IV: the free-end conditions). Each interval is divided into panels over
which s changes by about one, so that exp(s) is there a polynomial to double precision. Lower and
upper tail probabilities are summed each from its own exponential tail inwards, so that both keep
their relative accuracy.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import log_ndtr, ndtri

from ._family import LOG_SQRT_2PI, FloatArray
from ._quantile_table import CELL, QuantileTable

_DEGREE = 11  # of exp(s) on a panel: the relative error is e / (12! 2^23) = 7e-16
_POINTS = 0.5 - 0.5 * np.cos(np.pi * (np.arange(_DEGREE + 1.0) + 0.5) / (_DEGREE + 1.0))
_SLOPE_POINTS = np.linspace(0.0, 1.0, 9)
_MOST_PANELS = 1000

# The fourth derivative of u(z) is a few hundred where the density is as smooth as a sample can
# show. Cells that err more than this are not used.
_CELL_ERROR = 1e-11
_NEWTON_STEPS = 80


def spline_polynomials(knots: FloatArray, values: FloatArray) -> FloatArray:
    """Coefficients of the natural cubic spline through values at knots.

    Args:
        knots: Increasing, shape (knots,).
        values: Values at the knots, shape (knots, ...).

    Returns:
        Coefficients of x^0 to x^3, x = u - origin, shape (4, knots + 1, ...). The first and last
        interval are the linear continuations; the origin is the lower end of the interval, and
        the first knot below it.
    """
    inner = CubicSpline(knots, values, bc_type="natural").c[::-1]
    width = knots[-1] - knots[-2]
    first, last = np.zeros_like(inner[:, :1]), np.zeros_like(inner[:, :1])
    first[0], first[1] = values[0], inner[1, 0]
    last[0] = values[-1]
    last[1] = inner[1, -1] + width * (2.0 * inner[2, -1] + 3.0 * width * inner[3, -1])
    return np.concatenate([first, inner, last], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplineTable:
    """All that is tabulated for one spline.

    Attributes:
        knots: Shape (knots,).
        origins: Origin of the polynomial of each interval, shape (knots + 1,).
        polynomials: Of the normalised log density, shape (4, knots + 1).
        edges: Edges of the panels, shape (panels + 1,).
        lower: Probability below each edge, shape (panels + 1,).
        upper: Probability above each edge, shape (panels + 1,).
        integral: Coefficients of x, x^2, ... of the probability between the lower edge of a
            panel and a point at the fraction x of its width, shape (12, panels).
    """

    knots: FloatArray
    origins: FloatArray
    polynomials: FloatArray
    edges: FloatArray
    lower: FloatArray
    upper: FloatArray
    integral: FloatArray

    @property
    def middle(self) -> float:
        """The edge of a panel that is nearest to the median."""
        return float(self.edges[np.argmin(np.abs(self.lower - 0.5))])

    def log_density(self, u: FloatArray) -> FloatArray:
        """Normalised log f, the shape of `u`."""
        interval = np.searchsorted(self.knots, u, side="right")
        x = u - self.origins[interval]
        c0, c1, c2, c3 = (column[interval] for column in self.polynomials)
        value: FloatArray = ((c3 * x + c2) * x + c1) * x + c0
        return value

    def tails(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Probability below and above, each the shape of `u`."""
        last = len(self.edges) - 2
        panel = np.clip(np.searchsorted(self.edges, u, side="right") - 1, 0, last)
        left = self.edges[panel]
        x = np.clip((u - left) / (self.edges[panel + 1] - left), 0.0, 1.0)
        part = np.zeros_like(x)
        for column in self.integral[::-1]:
            part = (part + column[panel]) * x
        first, last_slope = self.polynomials[1, 0], self.polynomials[1, -1]
        below = np.exp(first * np.minimum(u - self.edges[0], 0.0))
        above = np.exp(last_slope * np.maximum(u - self.edges[-1], 0.0))
        return (self.lower[panel] + part) * below, (self.upper[panel] - part) * above

    def to_normal(self, u: FloatArray) -> FloatArray:
        """The z with Phi(z) = F(u), the shape of `u`."""
        below, above = self.tails(u)
        z: FloatArray = np.where(below < above, 1.0, -1.0) * ndtri(np.minimum(below, above))
        return z

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation."""
        points, weights = np.polynomial.legendre.leggauss(_DEGREE + 1)
        width = np.diff(self.edges)
        u = self.edges[:-1] + 0.5 * width * (1.0 + points[:, None])
        mass = 0.5 * width * weights[:, None] * np.exp(self.log_density(u))
        reach = 1.0 / self.polynomials[1, [0, -1]]  # mean distance in a tail, with its sign
        tails = np.array([self.lower[0], self.upper[-1]])
        centres = self.edges[[0, -1]] - reach
        mean = float(np.sum(mass * u) + tails @ centres)
        variance = np.sum(mass * (u - mean) ** 2) + tails @ ((centres - mean) ** 2 + reach**2)
        return mean, math.sqrt(variance)


@lru_cache(maxsize=64)
def spline_table(knots: tuple[float, ...], values: tuple[float, ...]) -> SplineTable:
    """The table of one spline.

    Args:
        knots: Increasing.
        values: Log density at the knots up to a constant, with a rising first and a falling last
            continuation.
    """
    at = np.asarray(knots)
    polynomials = spline_polynomials(at, np.asarray(values) - max(values))
    edges = _panel_edges(at, polynomials)
    width = np.diff(edges)
    interval = np.searchsorted(at, edges[:-1], side="right")
    origins = np.concatenate([at[:1], at])
    x = edges[:-1] - origins[interval] + width * _POINTS[:, None]
    c0, c1, c2, c3 = polynomials[:, interval]
    density = np.exp(((c3 * x + c2) * x + c1) * x + c0)
    powers = np.arange(_DEGREE + 1.0)
    integral = np.linalg.solve(_POINTS[:, None] ** powers, density)
    integral *= width / (powers[:, None] + 1.0)
    mass = integral.sum(axis=0)
    ends = np.exp(polynomials[0, [0, -1]]) / np.abs(polynomials[1, [0, -1]])
    norm = mass.sum() + ends.sum()
    polynomials[0] -= math.log(norm)
    return SplineTable(
        knots=at,
        origins=origins,
        polynomials=polynomials,
        edges=edges,
        lower=np.cumsum(np.append(ends[0], mass)) / norm,
        upper=np.cumsum(np.append(ends[1], mass[::-1]))[::-1] / norm,
        integral=integral / norm,
    )


def spline_quantile(
    knots: tuple[float, ...], values: tuple[float, ...], z: FloatArray
) -> FloatArray:
    """The u with F(u) = Phi(z): a table inside, the exponential tails outside.

    Args:
        knots: As in `spline_table`.
        values: As in `spline_table`.
        z: Standard normal variable, any shape.

    Returns:
        u, the shape of `z`.
    """
    z = np.asarray(z)
    table = spline_table(knots, values)
    inside = _quantiles(knots, values)
    u = inside(z)
    rough = np.isnan(u)
    if np.any(rough):
        u[rough] = _invert(table, np.clip(z[rough], inside.start, inside.end))
    for outside, sign, end in ((z < inside.start, 1.0, 0), (z > inside.end, -1.0, -1)):
        if np.any(outside):
            probability = (table.lower, table.upper)[end][end]
            beyond = log_ndtr(sign * z[outside]) - math.log(probability)
            u[outside] = table.edges[end] + beyond / table.polynomials[1, end]
    return u


@lru_cache(maxsize=64)
def _quantiles(knots: tuple[float, ...], values: tuple[float, ...]) -> QuantileTable:
    """Quantiles between the outermost knots; NaN where a cubic is too far from them."""
    table = spline_table(knots, values)
    start, end = table.to_normal(table.edges[[0, -1]])
    cells = max(1, math.ceil((end - start) / CELL))
    z, half = np.linspace(start, end, 2 * cells + 1, retstep=True)
    u = _invert(table, z)
    slope = 2.0 * half * np.exp(-0.5 * z * z - LOG_SQRT_2PI - table.log_density(u))
    found = QuantileTable.through(u[::2], slope[::2], start=float(start), step=float(2.0 * half))
    middle = found.cubics.T @ [1.0, 0.5, 0.25, 0.125]
    far = np.abs(middle - u[1::2]) > _CELL_ERROR * (1.0 + np.abs(middle))
    steep = np.maximum(slope[:-1:2], slope[2::2]) > 3.0 * np.diff(u[::2])
    found.cubics[:, far | steep] = np.nan
    return found


def _panel_edges(knots: FloatArray, polynomials: FloatArray) -> FloatArray:
    """Each interval between knots divided by about how much the spline changes on it."""
    width = np.diff(knots)
    x = width * _SLOPE_POINTS[:, None]
    _, c1, c2, c3 = polynomials[:, 1:-1]
    change = width * np.max(np.abs(c1 + x * (2.0 * c2 + 3.0 * x * c3)), axis=0)
    parts = np.clip(np.ceil(change), 1, _MOST_PANELS).astype(np.intp)
    pieces = [
        np.linspace(knot, knot + length, number, endpoint=False)
        for knot, length, number in zip(knots[:-1], width, parts, strict=True)
    ]
    return np.append(np.concatenate(pieces), knots[-1])


def _invert(table: SplineTable, z: FloatArray) -> FloatArray:
    """The u between the outermost knots with F(u) = Phi(z), by Newton's method in a bracket.

    Args:
        table: Of the spline.
        z: Standard normal variable, shape (values,).
    """
    at_edges = table.to_normal(table.edges)
    last = len(table.edges) - 2
    panel = np.clip(np.searchsorted(at_edges, z, side="right") - 1, 0, last)
    low, high = table.edges[panel], table.edges[panel + 1]
    rise = np.maximum(at_edges[panel + 1] - at_edges[panel], np.finfo(np.float64).tiny)
    u = low + (high - low) * np.clip((z - at_edges[panel]) / rise, 0.0, 1.0)
    for _ in range(_NEWTON_STEPS):
        found = table.to_normal(u)
        low, high = np.where(found <= z, u, low), np.where(found >= z, u, high)
        slope = np.exp(-0.5 * found * found - LOG_SQRT_2PI - table.log_density(u))
        step = u - (found - z) * slope
        step = np.where((step >= low) & (step <= high), step, 0.5 * (low + high))
        moved = np.abs(step - u)
        u = step
        if np.all(moved <= 1e-14 * (1.0 + np.abs(u))):
            break
    return u
