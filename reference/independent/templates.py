"""HistFactory's rates between templates, and the Poisson likelihood of bins, in NumPy.

The interpolations are those of pyhf's documentation: `code4p` for additive changes, `code4` for
factors (CERN-OPEN-2012-016).
"""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr, ndtri

__all__ = [
    "additive_cross",
    "code4",
    "code4p",
    "equal_population",
    "gaussian_bins",
    "multiplicative",
    "poisson_nll",
]

Array = NDArray[np.float64]
Template = Callable[[tuple[float, ...]], Array]
Rates = Callable[[Array], Array]


def equal_population(location: float, scale: float, n_bins: int) -> Array:
    """Inner edges of a Gaussian, shape (n_bins - 1,)."""
    return np.asarray(location + scale * ndtri(np.arange(1, n_bins) / n_bins))


def gaussian_bins(edges: Array, location: Array, scale: Array) -> Array:
    """Probabilities of bins with open ends, shape (..., bins), for parameters of shape (...)."""
    below = ndtr((edges - np.asarray(location)[..., None]) / np.asarray(scale)[..., None])
    return np.asarray(np.diff(below, axis=-1, prepend=0.0, append=1.0))


def code4p(alpha: Array, up: Array, down: Array) -> Array:
    """Additive change: linear beyond 1, a polynomial of sixth order between.

    Args:
        alpha: Shape (toys,).
        up: Template at 1 minus nominal, shape (bins,).
        down: Nominal minus template at -1, shape (bins,).
    """
    a = alpha[:, None]
    half, bend = 0.5 * (up + down), 0.0625 * (up - down)
    inside = a * (half + a * bend * (15 + a**2 * (3 * a**2 - 10)))
    return np.where(a > 1, a * up, np.where(a < -1, a * down, inside))


@cache
def _code4_inverse() -> Array:
    """From value, slope and curvature at 1 and at -1 to the six coefficients."""
    powers = np.arange(1, 7)
    rows = []
    for x in (1.0, -1.0):
        rows += [x**powers, powers * x ** (powers - 1), powers * (powers - 1) * x ** (powers - 2.0)]
    return np.linalg.inv(np.array(rows))


def code4(alpha: Array, up: Array, down: Array) -> Array:
    """Factor: a power beyond 1, a polynomial of sixth order between.

    Args:
        alpha: Shape (toys,).
        up: Template at 1 over nominal, shape (bins,).
        down: Template at -1 over nominal, shape (bins,).
    """
    a = alpha[:, None]
    high, low = np.log(up), np.log(down)
    ends = np.stack([up - 1, high * up, high**2 * up, down - 1, -low * down, low**2 * down])
    coefficients = _code4_inverse() @ ends
    inside = 1 + sum(coefficients[i] * a ** (i + 1) for i in range(6))
    far = np.abs(a)
    return np.where(a > 1, up**far, np.where(a < -1, down**far, inside))


def _steps(n_pars: int, **moved: int) -> tuple[float, ...]:
    """A point of the calibration grid, such as p0=1, p2=-1."""
    return tuple(float(moved.get(f"p{k}", 0)) for k in range(n_pars))


def additive_cross(template: Template, n_pars: int) -> Rates:
    """Parameter 0 linear and free, the others additive, with cross terms of each with 0.

    Args:
        template: Rates of all bins at a point of the calibration grid.
        n_pars: Number of parameters.
    """
    nominal = template(_steps(n_pars))
    mass = 0.5 * (template(_steps(n_pars, p0=1)) - template(_steps(n_pars, p0=-1)))
    sides, crossed = [], []
    for k in range(1, n_pars):
        up, down = (template(_steps(n_pars, **{f"p{k}": side})) for side in (1, -1))
        sides.append((up - nominal, nominal - down))
        corners = []
        for side in (1, -1):
            high = template(_steps(n_pars, p0=1, **{f"p{k}": side}))
            low = template(_steps(n_pars, p0=-1, **{f"p{k}": side}))
            corners.append(0.5 * (high - low))
        crossed.append((corners[0] - mass, mass - corners[1]))

    def rates(theta: Array) -> Array:
        total = np.tile(nominal, (len(theta), 1))
        slope = np.tile(mass, (len(theta), 1))
        for k in range(1, n_pars):
            total = total + code4p(theta[:, k], *sides[k - 1])
            slope = slope + code4p(theta[:, k], *crossed[k - 1])
        return np.asarray(total + theta[:, :1] * slope)

    return rates


def multiplicative(template: Template, steps: Sequence[float]) -> Rates:
    """A factor for every bin and parameter.

    Args:
        template: Rates of all bins at a point.
        steps: Where the templates of each parameter are; what they stand for is 1 in the model.
    """
    n_pars = len(steps)
    nominal = template((0.0,) * n_pars)
    sides = []
    for k, step in enumerate(steps):
        points = [tuple(side * step if j == k else 0.0 for j in range(n_pars)) for side in (1, -1)]
        sides.append(tuple(template(point) / nominal for point in points))

    def rates(theta: Array) -> Array:
        total = np.tile(nominal, (len(theta), 1))
        for k, step in enumerate(steps):
            total = total * code4(theta[:, k] / step, *sides[k])
        return total

    return rates


def poisson_nll(rates: Array, counts: Array) -> Array:
    """Minus log-likelihood of bins, summed over the last axis; not finite for negative rates."""
    with np.errstate(all="ignore"):
        terms = rates - counts * np.log(rates) + gammaln(counts + 1)
    return np.asarray(np.where(np.all(rates > 0, axis=-1), terms.sum(axis=-1), np.nan))
