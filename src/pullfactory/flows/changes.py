"""Whether the map of an observable changes with a parameter: Wald's test.

Where the map is fixed, half the difference d of the mean gradients of its log density at the points
theta_k = 1 and -1 is 0 but for chance. H^-1 d, with minus the Hessian H per event, is the change of
the coefficients with theta_k after one step of Newton; its square in units of its covariance, d^T
Cov(d)^-1 d, has a chi-square distribution (Wald 1943, doi:10.1090/S0002-9947-1943-0012401-3). Where
both points have the same events, the covariance is that of the differences event by event.

A change that is seen need not matter: at theta_k = +-1 a fixed map loses d^T H^-1 d / 2 of the log
likelihood per event, and a loss of l in a whole data set moves no estimate by more than sqrt(2 l)
standard deviations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from pullfactory._jax import Array, jax, jit, jnp
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.sums import FlowSample, event_gradients
from pullfactory.flows.training import TrainedMap

_SURE = 1e-3  # probability of a change that is none, in all tests of a flow together
_MATTERS = 2e-3
"""Loss of a data set that is looked at: a shift of 0.06 standard deviations at most."""
_DETERMINED = 1e-6  # eigenvalue of a correlation matrix below which a direction is not looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """The test of one map and one parameter.

    Attributes:
        observable: Position in the order of the map.
        parameter: Position.
        chi2: Wald's statistic.
        dof: Number of coefficients that the events determine.
        p_value: Probability of a larger one if the map does not change.
        loss: Log likelihood per event that a fixed map loses at +-1.
        linear: Whether it is taken to change.
    """

    observable: int
    parameter: int
    chi2: float
    dof: int
    p_value: float
    loss: float
    linear: bool


def find_changes(
    conditional: Conditional,
    fixed: TrainedMap,
    samples: Sequence[FlowSample],
    *,
    tests: int,
    n_events: int,
) -> tuple[ChangeRow, ...]:
    """Test one map with all parameters that have points on their axis.

    Args:
        conditional: The map.
        fixed: What was learnt of it without changes.
        samples: Points, of which those on the axes of parameters are used.
        tests: Number of all tests that are made of the flow.
        n_events: Of a data set.
    """
    coefficients, found = fixed.coefficients[0], []
    for parameter in range(len(samples[0].theta)):
        up, down = (axis_point(samples, parameter, sign) for sign in (1.0, -1.0))
        if up is None or down is None:
            continue
        difference, covariance = _difference(conditional, up, down, coefficients)
        statistic, dof = _square(difference, covariance)
        p_value = float(chi2.sf(statistic, dof))
        step = np.linalg.solve(fixed.hessian / fixed.weight, difference)
        loss = 0.5 * float(difference @ step)
        found.append(
            ChangeRow(
                observable=conditional.before,
                parameter=parameter,
                chi2=statistic,
                dof=dof,
                p_value=p_value,
                loss=loss,
                linear=p_value < _SURE / tests and n_events * loss > _MATTERS,
            )
        )
    return tuple(found)


def axis_point(samples: Sequence[FlowSample], parameter: int, step: float) -> FlowSample | None:
    """The point on the axis of a parameter, if there is one.

    Args:
        samples: All points.
        parameter: Position.
        step: Its value there.
    """
    for sample in samples:
        if sample.theta[parameter] == step and np.count_nonzero(sample.theta) == 1:
            return sample
    return None


def _difference(
    conditional: Conditional,
    up: FlowSample,
    down: FlowSample,
    coefficients: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Half the difference of the mean gradients of two points, and its covariance."""
    if up.owner == down.owner:
        return _moments(conditional, [(up, 0.5), (down, -0.5)], coefficients)
    parts = [_moments(conditional, [(one, 0.5)], coefficients) for one in (up, down)]
    return parts[0][0] - parts[1][0], parts[0][1] + parts[1][1]


def _moments(
    conditional: Conditional,
    points: Sequence[tuple[FlowSample, float]],
    coefficients: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over events of a combination of gradients at points, and the covariance of this mean."""
    size, total = conditional.size, 0.0
    first, second = np.zeros(size), np.zeros((size, size))
    for pieces in zip(*(sample.chunks() for sample, _ in points), strict=True):
        combined: jax.Array | None = None
        for (scores, weights), (_, factor) in zip(pieces, points, strict=True):
            given = scores[: conditional.before + 1]
            each = _weighed_gradients(conditional, given, factor * weights, coefficients)
            combined = each if combined is None else combined + each
        sums = _sum_products(combined)
        first += np.asarray(sums[0])
        second += np.asarray(sums[1])
        total += float(pieces[0][1].sum())
    mean = first / total
    return mean, second / total**2 - np.outer(mean, mean) / points[0][0].events


@partial(jit, static_argnames="conditional")
def _weighed_gradients(
    conditional: Conditional, scores: Array, weights: Array, coefficients: Array
) -> jax.Array:
    return event_gradients(conditional, scores, coefficients) * jnp.asarray(weights)


@jit
def _sum_products(gradients: jax.Array) -> tuple[jax.Array, jax.Array]:
    return gradients.sum(axis=1), gradients @ gradients.T


def _square(difference: NDArray[np.float64], covariance: NDArray[np.float64]) -> tuple[float, int]:
    """The square of a difference in units of its covariance, and the directions it is of."""
    unit = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    values, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
    used = values > _DETERMINED * values[-1]
    along = vectors.T @ (difference / unit)
    return float(np.sum(along[used] ** 2 / values[used])), int(used.sum())
