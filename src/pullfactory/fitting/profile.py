"""The profile likelihood ratio of one parameter, and what scales it where events are paired.

Twice the log of the ratio, q = 2 (NLL(psi) - NLL minimum) with the other parameters fitted at the
tested value psi, is chi-square distributed with one degree of freedom where the likelihood is
right. That of a product of marginal densities is lambda times such a number, with

    lambda = V_kk / U_kk,    U = H^-1,    V = U (C + K) U

at the tested value (Kent, Biometrika 69 (1982) 19, doi:10.1093/biomet/69.1.19; Pace, Salvan,
Sartori, Statistica Sinica 21 (2011) 129): q / lambda is tested in the place of q. Of several
parameters at once the ratio is a sum of chi-squares with different weights, which no number scales.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit
from pullfactory.fitting.fits import FitBatch, fit_toys
from pullfactory.fitting.holding import HeldLikelihood
from pullfactory.fitting.status import FitStatus
from pullfactory.likelihoods import Likelihood

_APART = 1.5  # of lambda from that at the estimate, at most

Scatter = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From parameters, shape (toys, parameters), to the covariance C + K of the whole score."""


class Profiled(NamedTuple):
    """The profile likelihood ratio where it was tested.

    Attributes:
        ratio: q, shape (toys,), not below 0; NaN where a fit failed.
        scale: lambda, same shape; 1 without a scatter.
        estimate: All parameters there, shape (toys, parameters).
    """

    ratio: NDArray[np.float64]
    scale: NDArray[np.float64]
    estimate: NDArray[np.float64]


def profile(
    likelihood: Likelihood,
    data: Any,
    fits: FitBatch,
    position: int,
    tested: NDArray[np.float64],
    scatter: Scatter | None = None,
) -> Profiled:
    """Test a value of one parameter with every toy.

    Far from the estimate the events of one toy hardly tell lambda: it is kept within a factor of
    that at the estimate, so that the ratio divided by it goes on to rise.

    Args:
        likelihood: What was fitted.
        data: Its data, every array with a leading toy axis.
        fits: Of all parameters.
        position: Of the tested one.
        tested: Its values, shape (toys,); NaN, or outside the bounds: not tested.
        scatter: Of the score; None where the likelihood is that of the data.
    """
    low, high = likelihood.bounds[position]
    inside = (tested >= low) & (tested <= high)
    held = np.asarray(np.arange(len(likelihood.parameters)) == position)
    start = _along(likelihood, fits, position, np.where(inside, tested, fits.estimate[:, position]))
    there = fit_toys(HeldLikelihood(inner=likelihood, held=held), data, start=start)
    ended = (fits.status <= FitStatus.AT_BOUND) & (there.status <= FitStatus.AT_BOUND)
    ratio = np.maximum(2.0 * (there.nll - fits.nll), 0.0)
    known = inside & ended
    scale = np.ones(len(tested))
    if scatter is not None:
        scale = ratio_scale(likelihood, data, there, position, scatter)
        near = ratio_scale(likelihood, data, fits, position, scatter)
        scale = np.where(np.isfinite(scale), scale, np.inf).clip(near / _APART, near * _APART)
    return Profiled(np.where(known, ratio, np.nan), scale, there.estimate)


def ratio_scale(
    likelihood: Likelihood, data: Any, fits: FitBatch, position: int, scatter: Scatter
) -> NDArray[np.float64]:
    """Lambda of one parameter at the estimates, of which it may be held.

    Args:
        likelihood: What was fitted.
        data: Its data, every array with a leading toy axis.
        fits: Give the estimates, and which parameters are at a bound: those count as known.
        position: Of the parameter.
        scatter: Of the score.

    Returns:
        Shape (toys,); NaN where the information is not positive definite.
    """
    theta = fits.estimate
    moving = np.isfinite(np.diagonal(fits.covariance, axis1=1, axis2=2))
    moving = np.asarray(moving | (np.arange(theta.shape[1]) == position))
    found = information(likelihood, data, theta)
    outside = ~(moving[:, :, None] & moving[:, None, :])
    identity = np.eye(theta.shape[1])
    found = np.where(outside, identity, found)
    finite = np.asarray(np.isfinite(found).all(axis=(1, 2)))
    known = np.where(finite[:, None, None], found, identity)
    positive = np.asarray(finite & (np.linalg.eigvalsh(known)[:, 0] > 0))
    row = np.linalg.inv(np.where(positive[:, None, None], known, identity))[:, position]
    row = np.where(moving, row, 0.0)
    actual = np.einsum("tk,tkl,tl->t", row, scatter(theta), row)
    return np.where(positive, actual / row[:, position], np.nan)


def information(
    likelihood: Likelihood, data: Any, theta: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Observed information of every toy at given values, a batch at a time.

    Args:
        likelihood: What was fitted.
        data: Its data, every array with a leading toy axis.
        theta: Where, shape (toys, parameters).

    Returns:
        Shape (toys, parameters, parameters).
    """
    toys = len(theta)
    size = min(likelihood.batch, toys)
    parts = []
    for first in range(0, toys, size):
        chosen = np.arange(first, first + size).clip(max=toys - 1)
        some = jax.tree.map(lambda leaf, chosen=chosen: np.asarray(leaf)[chosen], data)
        parts.append(np.asarray(_hessians(likelihood, some, theta[chosen])))
    return np.concatenate(parts)[:toys]


def _along(
    likelihood: Likelihood, fits: FitBatch, position: int, tested: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where the other parameters are expected at the tested value: a start near the minimum."""
    row = np.asarray(fits.covariance[:, position])
    variance = row[:, position, None]
    known = np.isfinite(row) & (variance > 0)
    slope = np.where(known, row, 0.0) / np.where(known, variance, 1.0)
    away = tested - fits.estimate[:, position]
    start = np.clip(fits.estimate + slope * away[:, None], *likelihood.bounds.T)
    start = np.where(np.isfinite(start), start, likelihood.start)
    start[:, position] = tested
    return np.asarray(start)


@jit
def _hessians(likelihood: Likelihood, data: Any, theta: jax.Array) -> jax.Array:
    return jax.vmap(likelihood.hessian)(theta, data)
