"""Marginals and dependences that are not Gaussian: moments of scores over many drawn events.

At theta = 0 the score of an event is a fixed function of it, so claimed and actual error follow
from E[s s^T] of the marginals and of the joint distribution. Scores come from differences of
SciPy's log densities; events from a copula (latent normals, or a multivariate t) and each
marginal's quantile function. The information is computed by quadrature, E of the products between
observables from the draws.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import chi2, norm
from scipy.stats import t as student

from reference.cases import Value
from reference.recording import measured, record

Array = NDArray[np.float64]
SEED = 20261126
DRAWS, GROUPS = 4_000_000, 40
N_EVENTS = 1200
RATIO = 1.6  # of the widths above and below the peak
PARAMETERS = ("m", "s")
# slopes of location and of log scale, in widths: observables, parameters
LOCATION = np.array([[120.0 * 0.008 / 15.0, 120.0 * 0.006 / 15.0], [0.0, 60.0 * 0.01 / 9.0]])
SCALE = np.array([[0.01, 0.02], [0.0, 0.03]])


def skewed_log(z: Array) -> Array:
    """Log density of two half Gaussians: width 1 below, RATIO above."""
    width = np.where(z < 0, 1.0, RATIO)
    return np.asarray(-0.5 * (z / width) ** 2 + np.log(2 / (1 + RATIO)) - 0.5 * np.log(2 * np.pi))


def skewed_quantile(p: Array) -> Array:
    """Its quantiles: a fraction 1 / (1 + RATIO) lies below 0."""
    below = 1 / (1 + RATIO)
    low = ndtri(np.clip(0.5 * p / below, 0, 0.5))
    high = RATIO * ndtri(np.clip(0.5 + 0.5 * (p - below) / (1 - below), 0.5, 1 - 1e-16))
    return np.asarray(np.where(p < below, low, high))


Marginal = tuple[Callable[[Array], Array], Callable[[Array], Array]]
NORMAL: Marginal = (norm.logpdf, ndtri)
SKEWED: Marginal = (skewed_log, skewed_quantile)


def scores(log: Callable[[Array], Array], z: Array, observable: int) -> Array:
    """Shape (parameters, events): - f' a - (1 + z f') b with f the log density at scale 1."""
    slope = (log(z + 1e-5) - log(z - 1e-5)) / 2e-5
    return np.asarray(
        -LOCATION[observable][:, None] * slope - SCALE[observable][:, None] * (1 + z * slope)
    )


def widths(
    marginals: tuple[Marginal, Marginal], copula: str, rho: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Pull widths and their errors from groups of draws."""
    middle = (np.arange(2_000_000) + 0.5) / 2_000_000
    information = np.diag([0.0, 1.0])
    own = np.zeros((2, 2))
    for o, (log, quantile) in enumerate(marginals):
        s = scores(log, quantile(middle), o)
        own += N_EVENTS * s @ s.T / len(middle)
    inverse = np.linalg.inv(information + own)
    found = []
    for _ in range(GROUPS):
        latent = rng.standard_normal((2, DRAWS // GROUPS))
        latent[1] = rho * latent[0] + np.sqrt(1 - rho**2) * latent[1]
        if copula == "t":
            p = student.cdf(
                latent / np.sqrt(chi2.rvs(4, size=latent.shape[1], random_state=rng) / 4), 4
            )
        else:
            p = ndtr(latent)
        first, second = (
            scores(log, quantile(p[o]), o) for o, (log, quantile) in enumerate(marginals)
        )
        cross = N_EVENTS * first @ second.T / latent.shape[1]
        actual = inverse @ (own + cross + cross.T + information) @ inverse
        found.append(np.diag(actual) / np.diag(inverse))
    squares = np.array(found)
    width = np.sqrt(squares.mean(axis=0))
    return width, squares.std(axis=0, ddof=1) / np.sqrt(GROUPS) / (2 * width)


def values() -> list[Value]:
    """A skewed and a Gaussian marginal with a Gaussian copula; two Gaussians with a t copula."""
    rng = np.random.default_rng(SEED)
    found = []
    for ask, marginals, copula, scan in (
        ("gaussian", (SKEWED, NORMAL), "normal", (-0.5, 0.4, 0.8)),
        ("student", (NORMAL, NORMAL), "t", (0.0, 0.5)),
    ):
        for rho in scan:
            width, error = widths(marginals, copula, rho, rng)
            for k, parameter in enumerate(PARAMETERS):
                found.append(
                    measured(
                        ask,
                        "predicted_width",
                        float(width[k]),
                        float(error[k]),
                        rho=rho,
                        parameter=parameter,
                    )
                )
    return found


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
