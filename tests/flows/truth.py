"""Truths whose density is known, made with numpy and scipy alone."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri_exp, stdtr, stdtrit
from scipy.stats import multivariate_normal, multivariate_t, norm, t

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
DOF = 4.0

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


def _placed(
    log_density: Callable[[Array], Array], draw: Callable[[np.random.Generator, int], Array]
) -> Truth:
    """A density of normal scores, moved and widened by the response."""

    def log_prob(x: Array, theta: Array) -> Array:
        location, scale = respond(theta)
        return np.asarray(log_density((x - location) / scale) - np.log(scale).sum())

    def drawn(rng: np.random.Generator, theta: Array, n: int) -> Array:
        location, scale = respond(theta)
        return np.asarray(location + scale * draw(rng, n))

    return Truth(log_prob, drawn)


def _matrix(rho: float) -> Array:
    return np.array([[1.0, rho], [rho, 1.0]])


def _normals(rng: np.random.Generator, n: int, rho: float) -> Array:
    return np.asarray(rng.standard_normal((n, 2)) @ np.linalg.cholesky(_matrix(rho)).T)


def gaussian(rho: float) -> Truth:
    """Both observables are Gaussian, with a correlation."""
    density = multivariate_normal([0.0, 0.0], _matrix(rho))
    return _placed(lambda q: np.asarray(density.logpdf(q)), lambda rng, n: _normals(rng, n, rho))


def t_copula(rho: float) -> Truth:
    """Both are Gaussian, coupled by a t copula."""
    joint = multivariate_t([0.0, 0.0], _matrix(rho), df=DOF)

    def log_density(q: Array) -> Array:
        u = np.sign(q) * -stdtrit(DOF, ndtr(-np.abs(q)))
        return np.asarray(joint.logpdf(u) + (norm.logpdf(q) - t.logpdf(u, DOF)).sum(1))

    def draw(rng: np.random.Generator, n: int) -> Array:
        u = _normals(rng, n, rho) * np.sqrt(DOF / rng.chisquare(DOF, n))[:, None]
        return np.asarray(np.sign(u) * -ndtri_exp(np.log(stdtr(DOF, -np.abs(u)))))

    return _placed(log_density, draw)


def mixture(rho: float) -> Truth:
    """Both are Gaussian, and three classes of events, correlated within, are behind them."""

    def log_density(q: Array) -> Array:
        u = _score_of()[1](q)
        each = (u[:, None, :] - OFFSETS[:, None]) / WIDTHS[:, None]
        within = multivariate_normal([0.0, 0.0], _matrix(rho)).logpdf(each)
        joint = logsumexp(np.log(FRACTIONS / WIDTHS**2) + within, axis=1)
        return np.asarray(joint + (norm.logpdf(q) - _log_marginal(u)).sum(1))

    def draw(rng: np.random.Generator, n: int) -> Array:
        which = rng.choice(len(FRACTIONS), n, p=FRACTIONS)
        u = OFFSETS[which, None] + WIDTHS[which, None] * _normals(rng, n, rho)
        return np.asarray(_score_of()[0](u))

    return _placed(log_density, draw)


def _log_marginal(u: Array) -> Array:
    each = norm.logpdf(u[..., None], OFFSETS, WIDTHS)
    return np.asarray(logsumexp(np.log(FRACTIONS) + each, axis=-1))


@cache
def _score_of() -> tuple[CubicSpline, CubicSpline]:
    """From values of the mixture to normal scores, and back."""
    u = np.linspace(-15.0, 15.0, 6001)
    z = (u[:, None] - OFFSETS) / WIDTHS
    below, above = (logsumexp(np.log(FRACTIONS) + log_ndtr(s * z), axis=1) for s in (1.0, -1.0))
    q = np.where(below < above, ndtri_exp(below), -ndtri_exp(above))
    return CubicSpline(u, q), CubicSpline(q, u)


def classes() -> Truth:
    """Three classes of events, which respond differently to the parameters."""

    def place(c: int, theta: Array) -> tuple[Array, Array]:
        moved = STRENGTHS[c] * theta
        location = (MU + OFFSETS[c] * SIGMA) * (1 + MU_SLOPES * moved).prod(1)
        return location, WIDTHS[c] * SIGMA * (1 + SIGMA_SLOPES * moved).prod(1)

    def log_prob(x: Array, theta: Array) -> Array:
        each = []
        for c, fraction in enumerate(FRACTIONS):
            location, scale = place(c, theta)
            covariance = _matrix(WITHIN) * np.outer(scale, scale)
            each.append(np.log(fraction) + multivariate_normal(location, covariance).logpdf(x))
        return np.asarray(logsumexp(each, axis=0))

    def draw(rng: np.random.Generator, theta: Array, n: int) -> Array:
        which = rng.choice(len(FRACTIONS), n, p=FRACTIONS)
        location, scale = np.array([place(c, theta) for c in range(3)]).swapaxes(0, 1)
        return np.asarray(location[which] + scale[which] * _normals(rng, n, WITHIN))

    return Truth(log_prob, draw)
