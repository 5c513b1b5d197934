"""Whether a density leaves out that its shape changes with a parameter: Wald's test (`wald`)."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit
from pullfactory.calibration.held_out import HeldOut
from pullfactory.flows.wald import Side, find_difference, wald_test
from pullfactory.inference.density_rows import LeftOut

Array = NDArray[np.float64]

_CHUNK = 2**13  # events at once


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


def find_left_out(
    density: Any, samples: Sequence[HeldOut], names: Sequence[str]
) -> Iterator[LeftOut]:
    """Test each parameter with points on either side; nothing for a density without coefficients.

    Args:
        density: The density.
        samples: Held-out events.
        names: Of the parameters.
    """
    if not isinstance(density, Shaped):
        return
    for k, name in enumerate(names):
        up, down = (_point(samples, k, sign) for sign in (1.0, -1.0))
        free = np.asarray(density.left_out(k), dtype=bool)
        if up is None or down is None or not free.any():
            continue
        sides = [_side(density, one) for one in (up, down)]
        difference = find_difference(*sides, paired=up.sample == down.sample)
        test = wald_test(difference, free)
        if test.dof:
            yield LeftOut(parameter=name, chi2=test.chi2, dof=test.dof, p_value=test.p_value)


def _point(samples: Sequence[HeldOut], parameter: int, sign: float) -> HeldOut | None:
    """The nearest point on one side of the axis of a parameter."""
    on_axis = [
        one
        for one in samples
        if one.theta[parameter] * sign > 0 and np.count_nonzero(one.theta) == 1
    ]
    return min(on_axis, key=lambda one: abs(one.theta[parameter]), default=None)


def _side(density: Any, sample: HeldOut) -> Side:
    n = len(sample.events)
    weights = np.ones(n) if sample.weights is None else sample.weights
    padded = np.pad(weights, (0, -n % _CHUNK))

    def gradients() -> Iterator[tuple[jax.Array, Array]]:
        for first in range(0, n, _CHUNK):
            take = np.arange(first, first + _CHUNK).clip(max=n - 1)
            part = padded[first : first + _CHUNK]
            yield _gradients(density, sample.events[take], sample.theta), part

    total = float(weights.sum())
    return Side(gradients, total, total**2 / float(np.sum(np.square(weights))))


@jit
def _gradients(density: Any, events: jax.Array, theta: jax.Array) -> jax.Array:
    found: jax.Array = density.shape_scores(events, theta).T
    return found
