"""Whether a density leaves out that its shape changes with a parameter: Wald's test.

Where the coefficients of a shape do not depend on theta_k, the mean gradients of the log density by
them are the same at the calibration points theta_k = +-1. From half their difference d follows,
with one step of Newton, by how much the coefficients would change with theta_k; its square in units
of its covariance, d^T Cov(d)^-1 d, has a chi-square distribution if they do not (Wald 1943,
doi:10.1090/S0002-9947-1943-0012401-3). Points of the same events are paired event by event.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from pullfactory._jax import jax, jit, jnp
from pullfactory.calibration.held_out import HeldOut

Array = NDArray[np.float64]

_CHUNK = 2**13  # events at once
_ROUNDING = 1e-12  # part of the variance of a gradient that differences of equal ones have
_DETERMINED = 1e-9  # eigenvalue of a correlation matrix below which a direction is not looked at


@runtime_checkable
class Shaped(Protocol):
    """A density whose shape has coefficients."""

    def shape_scores(self, x: Array, theta: Array) -> jax.Array:
        """Derivatives of the log density by the coefficients at theta.

        Shape (events, coefficients).

        Args:
            x: As of `LogDensity`.
            theta: As of `LogDensity`.
        """

    def left_out(self, parameter: int) -> NDArray[np.bool_]:
        """Which coefficients do not depend on a parameter, shape (coefficients,).

        Args:
            parameter: Position.
        """


class ChangeTest(NamedTuple):
    """Wald's test of what a density leaves out of one parameter.

    Attributes:
        parameter: Position.
        chi2: Of the coefficients that could change with it.
        dof: How many of them the events determine.
        p_value: Probability of a larger value if none changes.
    """

    parameter: int
    chi2: float
    dof: int
    p_value: float


def find_left_out(density: Any, samples: Sequence[HeldOut]) -> Iterator[ChangeTest]:
    """Test each parameter with points on either side; nothing for a density without coefficients.

    Args:
        density: The density.
        samples: Held-out events.
    """
    if not isinstance(density, Shaped):
        return
    for k in range(len(samples[0].theta)):
        sides = [_side(samples, k, sign) for sign in (1.0, -1.0)]
        free = np.asarray(density.left_out(k), dtype=bool)
        if sides[0] is None or sides[1] is None or not free.any():
            continue
        difference, spread, size = _difference(density, sides[0], sides[1])
        free &= np.diag(spread) > _ROUNDING * size
        if free.any():
            yield _test(k, difference[free], spread[np.ix_(free, free)])


def _side(samples: Sequence[HeldOut], parameter: int, sign: float) -> HeldOut | None:
    """The nearest point on one side of the axis of a parameter."""
    on_axis = [
        one
        for one in samples
        if one.theta[parameter] * sign > 0 and np.count_nonzero(one.theta) == 1
    ]
    return min(on_axis, key=lambda one: abs(one.theta[parameter]), default=None)


def _difference(density: Any, plus: HeldOut, minus: HeldOut) -> tuple[Array, Array, Array]:
    """Half the difference of the mean gradients of two points, its covariance, and variances.

    The variances are those that it would have if the points had events of their own.
    """
    above, below = (_mean(density, (one,)) for one in (plus, minus))
    apart = above[1] + below[1]
    if plus.sample != minus.sample:
        return above[0] - below[0], apart, np.diag(apart)
    return *_mean(density, (plus, minus)), np.diag(apart)


def _mean(density: Any, points: tuple[HeldOut, ...]) -> tuple[Array, Array]:
    """Half the mean over the events, and its covariance, of the gradient, or that of two points."""
    n, first = len(points[0].events), points[0]
    weights = np.ones(n) if first.weights is None else first.weights
    mass, sums = float(weights.sum()), []
    for start in range(0, n, _CHUNK):
        part = slice(start, start + _CHUNK)
        pad = max(start + _CHUNK - n, 0)
        some = [
            np.concatenate([one.events[part], np.repeat(one.events[-1:], pad, axis=0)])
            for one in points
        ]
        weight = 0.5 * np.pad(weights[part], (0, pad))
        thetas = tuple(one.theta for one in points)
        sums.append(_gradients(density, thetas, tuple(some), weight))
    total, square = (np.sum([np.asarray(one[i]) for one in sums], axis=0) for i in (0, 1))
    mean = total / mass
    centre = np.outer(mean, mean) * np.sum(np.square(weights)) / mass**2
    return mean, square / mass**2 - centre


@jit
def _gradients(
    density: Any,
    thetas: tuple[jax.Array, ...],
    events: tuple[jax.Array, ...],
    weights: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Sums of the weighed gradients, less those of the second point, and of their products."""
    each = [density.shape_scores(x, theta) for x, theta in zip(events, thetas, strict=True)]
    apart = each[0] if len(each) == 1 else each[0] - each[1]
    weighed = apart * weights[:, None]
    return jnp.sum(weighed, axis=0), weighed.T @ weighed


def _test(parameter: int, difference: Array, spread: Array) -> ChangeTest:
    scale = np.sqrt(np.maximum(np.diag(spread), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(spread / np.outer(scale, scale))
    used = values > _DETERMINED * values[-1]
    along = vectors[:, used].T @ (difference / scale)
    statistic = float(np.sum(along**2 / values[used]))
    dof = int(used.sum())
    return ChangeTest(parameter, statistic, dof, float(chi2.sf(statistic, dof)))
