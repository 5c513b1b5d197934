"""The integral of a density over all events, to see whether it is normalised."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma

from pullfactory._jax import jnp
from pullfactory.likelihoods.density import LogDensity

_POINTS = 2**14
_CENTRES = 2**8
_DOF = 2  # tails of the kernel: heavier than those of nearly all densities
_BANDWIDTH = 0.5  # in standard deviations of the events, about that of Silverman's rule
_CORE = 5.0  # standard deviations from which events do not count for the correlation

Array = NDArray[np.float64]


class Integral(NamedTuple):
    """Of a density.

    Attributes:
        value: 1 if it is normalised.
        error: Its standard error.
    """

    value: float
    error: float


def integral(
    density: LogDensity, theta: Array, events: Array, random: np.random.Generator
) -> Integral:
    """Integrate a density over all observables, by importance sampling.

    Points are drawn around some of the events, with a kernel of Student's t with 2 degrees of
    freedom in coordinates in which events have spread 1 and no correlation; that is a density of
    its own, known and positive everywhere, and near events as large as theirs.

    Args:
        density: From events and parameters to the log density of each event.
        theta: Where, shape (parameters,).
        events: That it is to describe at this point, shape (events, observables).
        random: Where points are drawn from.
    """
    low, middle, high = np.quantile(events, [0.16, 0.5, 0.84], axis=0)
    spread = (high - low) / 2.0
    standard = np.clip((events - middle) / spread, -_CORE, _CORE)
    mixing = np.linalg.cholesky(np.atleast_2d(np.cov(standard.T)))
    places = np.linalg.solve(mixing, ((events[:_CENTRES] - middle) / spread).T).T
    n = places.shape[1]
    steps = random.standard_normal((_POINTS, n))
    steps *= np.sqrt(_DOF / random.chisquare(_DOF, (_POINTS, 1)))
    drawn = places[random.integers(len(places), size=_POINTS)] + _BANDWIDTH * steps
    points = middle + spread * (drawn @ mixing.T)
    values = np.asarray(density(jnp.asarray(points), jnp.asarray(theta)))
    unit = _BANDWIDTH**n * np.prod(spread) * np.prod(np.diag(mixing))
    ratio = np.exp(np.where(np.isfinite(values), values, -np.inf)) * unit / _kernels(drawn, places)
    return Integral(float(ratio.mean()), float(ratio.std() / np.sqrt(_POINTS)))


def _kernels(points: Array, places: Array) -> Array:
    """Mean of the kernels of all places, each of unit width, shape (points,)."""
    n, found = points.shape[1], np.zeros(len(points))
    for place in places:
        distance = np.sum(((points - place) / _BANDWIDTH) ** 2, axis=1)
        found += (1.0 + distance / _DOF) ** (-0.5 * (_DOF + n))
    norm = gamma((_DOF + n) / 2) / gamma(_DOF / 2) / (np.pi * _DOF) ** (n / 2)
    return np.asarray(norm * found / len(places))
