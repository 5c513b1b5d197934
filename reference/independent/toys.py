"""Toys of Gaussian observables, and what their pulls are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reference.independent.gaussian import Response
from reference.independent.minimum import Minima
from reference.independent.templates import gaussian_bins

__all__ = ["Widths", "draw_counts", "draw_moments", "pull_widths"]

Array = NDArray[np.float64]


class Widths(NamedTuple):
    """Pull widths and their standard errors, each of shape (parameters,)."""

    width: Array
    error: Array


def pull_widths(found: Minima, truth: Array) -> Widths:
    """Of the fits that succeeded; errors from the fourth moment.

    Args:
        found: Shape (toys, parameters).
        truth: Same shape.
    """
    pulls = ((found.estimate - truth) / found.error)[found.good]
    assert len(pulls) > 0.99 * len(truth)
    variance = pulls.var(axis=0, ddof=1)
    fourth = ((pulls - pulls.mean(axis=0)) ** 4).mean(axis=0)
    width = np.sqrt(variance)
    return Widths(width, np.sqrt((fourth - variance**2) / len(pulls)) / (2 * width))


def draw_moments(
    response: Response, theta: Array, n_events: int, rho: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Means and sums of squared deviations of two observables, shape (toys, 2) each.

    The sums of products of n normals are Wishart's with n - 1 degrees of freedom, drawn by
    Bartlett's (1933) decomposition.
    """
    toys, n = len(theta), n_events
    factor = np.array([[1.0, 0.0], [rho, np.sqrt(1 - rho**2)]])
    mean = rng.standard_normal((toys, 2)) @ factor.T / np.sqrt(n)
    lower = np.zeros((toys, 2, 2))
    lower[:, 0, 0] = np.sqrt(rng.chisquare(n - 1, toys))
    lower[:, 1, 1] = np.sqrt(rng.chisquare(n - 2, toys))
    lower[:, 1, 0] = rng.standard_normal(toys)
    squares = ((factor @ lower) ** 2).sum(axis=2)
    location, scale = response.location(theta), response.scale(theta)
    return location + scale * mean, scale**2 * squares


def draw_counts(
    response: Response, theta: Array, edges: list[Array], n_events: int, rng: np.random.Generator
) -> Array:
    """Counts of independent observables, a fixed number of events each; shape (toys, bins)."""
    location, scale = response.location(theta), response.scale(theta)
    return np.concatenate(
        [
            rng.multinomial(n_events, gaussian_bins(each, location[:, o], scale[:, o]))
            for o, each in enumerate(edges)
        ],
        axis=1,
    ).astype(np.float64)
