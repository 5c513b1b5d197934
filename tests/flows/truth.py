"""Truths whose density is known, made with numpy and scipy alone."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

Array = NDArray[np.float64]

MU = np.array([171.8, 83.3])
SIGMA = np.array([10.4, 6.8])
MU_SLOPES = np.array([[0.0058, 0.0046, 0.0005], [0.0003, 0.0053, 0.0016]])
SIGMA_SLOPES = np.array([[0.008, 0.0095, 0.02], [0.0, 0.0074, 0.02]])

FRACTIONS = np.array([0.44, 0.21, 0.35])
OFFSETS = np.array([0.0, -0.8, 0.8])
WIDTHS = np.array([1.0, 1.5, 2.2])
STRENGTHS = np.array([[1.0, 1.0, 1.0], [0.6, 1.0, 0.6], [0.2, 1.0, 0.3]])
WITHIN = 0.3

AXES = np.array([[0, 0, 0], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])


class Truth(NamedTuple):
    """A density of two observables with three parameters.

    Attributes:
        log_prob: From events, shape (events, 2), and theta to the log density of each.
        draw: From a generator, theta and a number to events, shape (events, 2).
    """

    log_prob: Callable[[Array, Array], Array]
    draw: Callable[[np.random.Generator, Array, int], Array]


def respond(theta: Array) -> tuple[Array, Array]:
    """Location and scale of both observables."""
    return MU * (1 + MU_SLOPES * theta).prod(1), SIGMA * (1 + SIGMA_SLOPES * theta).prod(1)


def gaussian(rho: float) -> Truth:
    """Both observables are Gaussian, with a correlation."""
    matrix = np.array([[1.0, rho], [rho, 1.0]])

    def log_prob(x: Array, theta: Array) -> Array:
        location, scale = respond(theta)
        covariance = matrix * np.outer(scale, scale)
        return np.asarray(multivariate_normal(location, covariance).logpdf(x))

    def draw(rng: np.random.Generator, theta: Array, n: int) -> Array:
        location, scale = respond(theta)
        return location + scale * (rng.standard_normal((n, 2)) @ np.linalg.cholesky(matrix).T)

    return Truth(log_prob, draw)


def classes() -> Truth:
    """Three classes of events, which respond differently to the parameters."""
    matrix = np.array([[1.0, WITHIN], [WITHIN, 1.0]])

    def place(c: int, theta: Array) -> tuple[Array, Array]:
        moved = STRENGTHS[c] * theta
        location = (MU + OFFSETS[c] * SIGMA) * (1 + MU_SLOPES * moved).prod(1)
        return location, WIDTHS[c] * SIGMA * (1 + SIGMA_SLOPES * moved).prod(1)

    def log_prob(x: Array, theta: Array) -> Array:
        each = []
        for c, fraction in enumerate(FRACTIONS):
            location, scale = place(c, theta)
            covariance = matrix * np.outer(scale, scale)
            each.append(np.log(fraction) + multivariate_normal(location, covariance).logpdf(x))
        return np.asarray(logsumexp(each, axis=0))

    def draw(rng: np.random.Generator, theta: Array, n: int) -> Array:
        which = rng.choice(len(FRACTIONS), n, p=FRACTIONS)
        normals = rng.standard_normal((n, 2)) @ np.linalg.cholesky(matrix).T
        location, scale = np.array([place(c, theta) for c in range(3)]).swapaxes(0, 1)
        return np.asarray(location[which] + scale[which] * normals)

    return Truth(log_prob, draw)
