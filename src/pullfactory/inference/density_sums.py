"""What held-out events tell of a fit with a density: one step of Newton from the truth.

At a calibration point theta, whose auxiliary values are at the truth, the fit of very many toys of
N events each ends at theta + H^-1 N E[s] on average, with the mean score s of an event, and H =
N E[-d s / d theta] + P. Its estimates scatter with H^-1 (N Cov(s) + K) H^-1 (White 1982,
doi:10.2307/1912526). Of the density of the events E[s] = 0, and Cov(s) = E[-d s / d theta].

Errors are those of the events left out batch by batch (jackknife; Efron and Stein 1981,
doi:10.1214/aos/1176345462). Points of the same events leave out the same ones, so that differences
between them are known far better than what they differ of.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jit, jnp
from pullfactory.calibration.held_out import HeldOut
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods.density import DensityLikelihood, refuse_missing

BATCHES = 40


class Ensemble(NamedTuple):
    """What is fitted.

    Attributes:
        n_events: Of a toy.
        constraint: Information P of the constraints, shape (parameters, parameters).
        aux_scatter: K, as in `Method`, shape (parameters, parameters).
    """

    n_events: int
    constraint: NDArray[np.float64]
    aux_scatter: NDArray[np.float64]


class PointNumbers(NamedTuple):
    """The fit at one point; every array has all events first, then those without one batch each.

    Attributes:
        theta: Where, shape (parameters,).
        sample: Of its events.
        shift: Of the estimates, in claimed errors, shape (1 + batches, parameters).
        width: Of the pulls, over that with a right density, same shape.
        claimed: Error that the fit claims, in the parameters' units, same shape.
        curvature: Mean of -ds / dtheta of an event, shape (1 + batches, parameters, parameters).
    """

    theta: NDArray[np.float64]
    sample: int
    shift: NDArray[np.float64]
    width: NDArray[np.float64]
    claimed: NDArray[np.float64]
    curvature: NDArray[np.float64]


class _Sums(NamedTuple):
    """Sums over the events of one batch: of weights, s, s s^T, and -ds / dtheta."""

    weight: Array
    score: Array
    products: Array
    curvature: Array


def point_numbers(
    likelihood: DensityLikelihood, sample: HeldOut, ensemble: Ensemble, label: str
) -> PointNumbers:
    """Measure a fit at one point.

    Args:
        likelihood: Of the density.
        sample: Held-out events.
        ensemble: What is fitted.
        label: Of the point.

    Raises:
        LikelihoodError: If weights are negative, observables are missing, there are fewer events
            than batches, or the density of an event has no finite logarithm.
    """
    refuse_unusable(sample, label)
    each = [_sums(likelihood, sample.theta, *batch) for batch in batches(sample)]
    sums = _Sums(*(np.stack([np.asarray(one[i]) for one in each]) for i in range(4)))
    if not np.all(np.isfinite(sums.curvature)) or not np.all(np.isfinite(sums.score)):
        raise LikelihoodError(
            f"log_prob(x, theta) or its derivatives are not finite for held-out events of {label}; "
            "let it be defined wherever there are events"
        )
    whole = _Sums(*(part.sum(axis=0, keepdims=True) for part in sums))
    left = _Sums(
        *(np.concatenate([all_, all_ - part]) for all_, part in zip(whole, sums, strict=True))
    )
    return PointNumbers(sample.theta, sample.sample, *_fits(left, ensemble))


def refuse_unusable(sample: HeldOut, label: str) -> None:
    """Refuse events that tell nothing of a density.

    Args:
        sample: Held-out events.
        label: Of the point.

    Raises:
        LikelihoodError: If weights are negative, observables are missing, or there are fewer
            events than batches.
    """
    refuse_missing(sample.events, sample.weights)
    if len(sample.events) < BATCHES:
        raise LikelihoodError(
            f"{len(sample.events)} held-out events of {label} are too few; give at least {BATCHES}"
        )
    if sample.weights is not None and (negative := int(np.sum(sample.weights < 0))):
        raise LikelihoodError(
            f"{negative} held-out events of {label} have negative weights, and an unbinned "
            "likelihood may have no maximum with them; a density is not judged with them"
        )


def covariance(
    values: Sequence[NDArray[np.float64]], samples: Sequence[int]
) -> NDArray[np.float64]:
    """Covariance of numbers of several points.

    Args:
        values: Of each point, shape (1 + batches, ...), as in `PointNumbers`.
        samples: Of each point.

    Returns:
        Shape (points, points, ...), number by number.
    """
    apart = [one[1:] - one[1:].mean(axis=0) for one in values]
    found = np.zeros((len(values), len(values), *values[0].shape[1:]))
    for i, j in np.ndindex(len(values), len(values)):
        if samples[i] == samples[j]:
            part = (BATCHES - 1) / BATCHES
            found[i, j] = part * np.sum(apart[i] * apart[j], axis=0)
    return found


def batches(sample: HeldOut) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Events and weights in batches of one size; what is missing in the last has the weight 0.

    Args:
        sample: Held-out events.
    """
    n = len(sample.events)
    size = -(-n // BATCHES)
    weights = np.ones(n) if sample.weights is None else sample.weights
    take = np.arange(BATCHES * size)
    weights = np.where(take < n, weights[take.clip(max=n - 1)], 0.0)
    usable = int(np.flatnonzero(weights)[0])
    at = np.where(weights > 0, take.clip(max=n - 1), usable)
    events = sample.events[at]
    return [
        (events[first : first + size], weights[first : first + size])
        for first in range(0, len(take), size)
    ]


@jit
def _sums(
    likelihood: DensityLikelihood, theta: jax.Array, events: jax.Array, weights: jax.Array
) -> _Sums:
    known = jnp.isfinite(likelihood.density(events, theta))  # a density of 0 has no score

    def total(at: jax.Array) -> tuple[jax.Array, jax.Array]:
        scores = jnp.where(known, likelihood.scores(at, events), jnp.nan)
        return scores @ weights, scores

    curvature, scores = jax.jacfwd(total, has_aux=True)(theta)
    return _Sums(weights.sum(), scores @ weights, (scores * weights) @ scores.T, -curvature)


def _fits(sums: _Sums, ensemble: Ensemble) -> tuple[NDArray[np.float64], ...]:
    """Numbers of a point from sums with a leading axis; NaN where there is no fit."""
    weight = np.asarray(sums.weight)[:, None]
    n, prior = ensemble.n_events, ensemble.constraint
    score = np.asarray(sums.score) / weight
    products = np.asarray(sums.products) / weight[..., None]
    curvature = np.asarray(sums.curvature) / weight[..., None]
    curvature = 0.5 * n * (curvature + np.swapaxes(curvature, 1, 2))
    inverse = np.full_like(curvature, np.nan)
    for i, matrix in enumerate(curvature + prior):
        if np.linalg.eigvalsh(matrix)[0] > 0:
            inverse[i] = np.linalg.inv(matrix)
    claimed = np.sqrt(np.diagonal(inverse, axis1=1, axis2=2))
    shift = np.einsum("ijk,ik->ij", inverse, n * score) / claimed
    scatter = n * (products - score[:, :, None] * score[:, None, :])
    actual, right = (
        np.einsum("ijk,ikl,ijl->ij", inverse, each + ensemble.aux_scatter, inverse)
        for each in (scatter, curvature)
    )
    return shift, np.sqrt(actual / right), claimed, curvature / n
