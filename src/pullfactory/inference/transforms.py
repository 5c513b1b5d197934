"""Probability integral transforms of the observables of held-out events, given the others.

u = P(an observable is below its value | the other observables of the event), by the density alone,
is uniform if the density is that of the events (Rosenblatt 1952, doi:10.1214/aoms/1177729394, with
all others for those before it). It needs integrals over one observable at a time, by the
trapezoidal rule in the inverse hyperbolic sine of the distance from the value.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kstwo

from pullfactory._jax import jax, jit, jnp
from pullfactory.calibration.held_out import HeldOut
from pullfactory.inference.core import core
from pullfactory.likelihoods.density import DensityLikelihood

BINS = 20
_EVENTS = 8000  # whose transforms are taken
_CHUNK = 500  # at once
_NODES = 64  # on either side of a value
_REACH = 4.6  # of the inverse hyperbolic sine: 50 spreads


class Transform(NamedTuple):
    """Transforms of one observable at one point.

    Attributes:
        counts: Part of the events in bins of equal width between 0 and 1, shape (bins,).
        errors: Their standard errors, same shape.
        distance: Largest distance of their ECDF from that of the uniform distribution.
        p_value: Probability of a larger one if they are uniform; of Kolmogorov and Smirnov, with
            the effective number of events.
    """

    counts: NDArray[np.float64]
    errors: NDArray[np.float64]
    distance: float
    p_value: float


def transforms(likelihood: DensityLikelihood, sample: HeldOut) -> tuple[Transform, ...]:
    """Transforms of some held-out events, one for each observable.

    Args:
        likelihood: Of the density.
        sample: Held-out events.
    """
    n = min(len(sample.events), _EVENTS)
    events = sample.events[:n]
    weights = np.ones(n) if sample.weights is None else sample.weights[:n]
    padded = np.concatenate([events, np.repeat(events[-1:], -n % _CHUNK, axis=0)])
    spread = core(sample.events)[1]
    found = []
    for o in range(events.shape[1]):
        chunks = [
            np.asarray(_below(likelihood, sample.theta, padded[i : i + _CHUNK], o, spread[o]))
            for i in range(0, len(padded), _CHUNK)
        ]
        found.append(_summary(np.concatenate(chunks)[:n], weights))
    return tuple(found)


@jit
def _below(
    likelihood: DensityLikelihood,
    theta: jax.Array,
    events: jax.Array,
    observable: jax.Array,
    spread: jax.Array,
) -> jax.Array:
    """Conditional probability below each value of one observable."""
    y = jnp.linspace(-_REACH, _REACH, 2 * _NODES + 1)
    column = jnp.arange(events.shape[1]) == observable

    def log_at(step: jax.Array) -> jax.Array:
        moved = jnp.where(column, events + spread * jnp.sinh(step), events)
        found: jax.Array = likelihood.density(moved, theta) + jnp.log(jnp.cosh(step))
        return found

    logs = jax.lax.map(log_at, y)
    # far from the events a density that is given may be no number: as if it were 0
    logs = jnp.where(jnp.isnan(logs), -jnp.inf, logs)
    values = jnp.exp(logs - logs.max(axis=0))
    middle = 0.5 * values[_NODES]
    # the first term of Euler and Maclaurin at the value, whose slope the neighbours tell
    slope = (values[_NODES + 1] - values[_NODES - 1]) / 24.0
    below = values[:_NODES].sum(axis=0) + middle - slope
    above = values[_NODES + 1 :].sum(axis=0) + middle + slope
    return jnp.asarray(below / (below + above))


def _summary(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Transform:
    order = np.argsort(values)
    u, w = values[order], weights[order] / weights.sum()
    effective = 1.0 / float(np.sum(np.square(w)))
    after = np.cumsum(w)
    distance = float(max(np.max(after - u), np.max(u - (after - w))))
    where = np.minimum((u * BINS).astype(np.intp), BINS - 1)
    counts = np.bincount(where, w, BINS)
    squares = np.bincount(where, np.square(w), BINS)
    errors = np.sqrt(np.maximum(squares * (1 - 2 * counts) + counts**2 * np.sum(w**2), 0.0))
    p_value = float(kstwo.sf(distance, max(round(effective), 1)))
    return Transform(counts.astype(np.float64), errors, distance, p_value)
