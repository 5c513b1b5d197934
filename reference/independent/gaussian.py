"""Gaussian observables whose location and scale respond to parameters: closed forms.

With z = (x - mu) / sigma the score of an event is the sum over observables of
(d mu / sigma) z + (d sigma / sigma) (z^2 - 1). For a bivariate normal of correlation r,
E[z1 z2] = r and E[(z1^2 - 1)(z2^2 - 1)] = 2 r^2, and mixed moments vanish: the covariance of the
scores, and with it Godambe's (1960) V = H^-1 (C + K) H^-1.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["POSTER", "Errors", "Response", "errors", "joint_errors", "sandwich"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """mu_o(theta) = mu_o prod_k (1 + s_ok theta_k), and sigma likewise.

    Attributes:
        mu: Shape (observables,).
        sigma: Shape (observables,).
        mu_slopes: Shape (observables, parameters).
        sigma_slopes: Shape (observables, parameters).
    """

    mu: Array
    sigma: Array
    mu_slopes: Array
    sigma_slopes: Array

    @classmethod
    def of(
        cls, mu: ArrayLike, sigma: ArrayLike, mu_slopes: ArrayLike, sigma_slopes: ArrayLike
    ) -> "Response":
        """From lists."""
        arrays = (
            np.asarray(each, dtype=np.float64) for each in (mu, sigma, mu_slopes, sigma_slopes)
        )
        return cls(**dict(zip(("mu", "sigma", "mu_slopes", "sigma_slopes"), arrays, strict=True)))

    def location(self, theta: Array) -> Array:
        """Shape (toys, observables) for theta of shape (toys, parameters)."""
        return np.asarray(self.mu * np.prod(1 + self.mu_slopes * theta[:, None, :], axis=2))

    def scale(self, theta: Array) -> Array:
        """Shape (toys, observables) for theta of shape (toys, parameters)."""
        return np.asarray(self.sigma * np.prod(1 + self.sigma_slopes * theta[:, None, :], axis=2))


# The lepton+jets calibration of the default study; parameters m_t, JSF, JRF, observables m_t, m_W.
POSTER = Response.of(
    [171.8, 83.3],
    [10.4, 6.8],
    [[0.0058, 0.0046, 0.0005], [0.0003, 0.0053, 0.0016]],
    [[0.008, 0.0095, 0.02], [0.0, 0.0074, 0.02]],
)


class Errors(NamedTuple):
    """What a fit claims and what is true, each of shape (parameters,)."""

    claimed: Array
    actual: Array

    @property
    def width(self) -> Array:
        """Of the pulls."""
        return np.asarray(self.actual / self.claimed)


def sandwich(information: Array, scores: Array) -> Errors:
    """Claimed errors from the information, actual ones from H^-1 C H^-1.

    Args:
        information: With the constraints, shape (parameters, parameters).
        scores: Covariance of the score, with that of the auxiliary values, same shape.
    """
    inverse = np.linalg.inv(information)
    both = np.diag(inverse), np.diag(inverse @ scores @ inverse)
    return Errors(*(np.sqrt(each) for each in both))


def errors(
    response: Response, n_events: float, rho: float, constraints: ArrayLike, drawn: ArrayLike
) -> Errors:
    """Of the product of the marginals, at theta = 0.

    Args:
        response: Of the observables.
        n_events: Of a toy.
        rho: Correlation of every pair of observables within an event.
        constraints: Information of each constraint, shape (parameters,).
        drawn: Variance of each auxiliary value around the truth, over toys, by sigma^4.
    """
    location = response.mu_slopes * (response.mu / response.sigma)[:, None]
    scale = response.sigma_slopes
    same = location.T @ location + 2 * scale.T @ scale
    sums = [each.sum(axis=0) for each in (location, scale)]
    cross = rho * (np.outer(sums[0], sums[0]) - location.T @ location)
    cross += 2 * rho**2 * (np.outer(sums[1], sums[1]) - scale.T @ scale)
    return sandwich(
        n_events * same + np.diag(np.asarray(constraints, dtype=np.float64)),
        n_events * (same + cross) + np.diag(np.asarray(drawn, dtype=np.float64)),
    )


def joint_errors(response: Response, n_events: float, rho: float, constraints: ArrayLike) -> Array:
    """Of the fit with the bivariate normal itself, rho known; shape (parameters,).

    Information of a normal: d mu^T S^-1 d mu + tr(S^-1 dS S^-1 dS) / 2 (Kay 1993, eq. 3.31).
    """
    correlation = np.array([[1.0, rho], [rho, 1.0]])
    inverse = np.linalg.inv(correlation)
    location = response.mu_slopes * (response.mu / response.sigma)[:, None]
    moved = [
        inverse @ (np.diag(column) @ correlation + correlation @ np.diag(column))
        for column in response.sigma_slopes.T
    ]
    scale = np.array([[0.5 * np.trace(a @ b) for b in moved] for a in moved])
    prior = np.diag(np.asarray(constraints, dtype=np.float64))
    information = n_events * (location.T @ inverse @ location + scale) + prior
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(information))))
