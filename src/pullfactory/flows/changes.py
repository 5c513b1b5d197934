"""Whether the map of an observable changes with a parameter.

Wald's test (`wald`) sees a change, which need not matter: at theta_k = +-1 a fixed map loses d^T
H^-1 d / 2 of the log likelihood per event, and a loss of l in a whole data set moves no estimate by
more than sqrt(2 l) standard deviations. A change of few coefficients, such as of a mean that moves
with a class of the events, is lost in the chance of a hundred others: the plainest ones, those of a
map of degrees 1 and 0, have a test of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.sums import FlowSample, event_gradients
from pullfactory.flows.training import TrainedMap
from pullfactory.flows.wald import Side, find_difference, wald_test

_SURE = 1e-3  # probability of a change that is none, in all tests of a flow together
_MATTERS = 2e-3
"""Loss of a data set that is looked at: a shift of 0.06 standard deviations at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """The test of one map and one parameter.

    Attributes:
        observable: Position in the order of the map.
        parameter: Position.
        chi2: Wald's statistic, of all coefficients; of the plainest where these alone show it.
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
        tests: Number of all maps and parameters of the flow; each has two tests.
        n_events: Of a data set.
    """
    coefficients, found = fixed.coefficients[0], []
    for parameter in range(len(samples[0].theta)):
        up, down = (axis_point(samples, parameter, sign) for sign in (1.0, -1.0))
        if up is None or down is None:
            continue
        sides = [_side(conditional, one, coefficients) for one in (up, down)]
        difference = find_difference(*sides, paired=up.owner == down.owner)
        test, likely = wald_test(difference), _SURE / (2 * tests)
        if test.p_value >= likely:
            plainest = wald_test(difference, conditional.plainest)
            test = plainest if plainest.p_value < likely else test
        step = np.linalg.solve(fixed.hessian / fixed.weight, difference.value)
        loss = 0.5 * float(difference.value @ step)
        found.append(
            ChangeRow(
                observable=conditional.before,
                parameter=parameter,
                chi2=test.chi2,
                dof=test.dof,
                p_value=test.p_value,
                loss=loss,
                linear=test.p_value < likely and n_events * loss > _MATTERS,
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


def _side(conditional: Conditional, sample: FlowSample, coefficients: NDArray[np.float64]) -> Side:
    def gradients() -> Iterator[tuple[Array, Array]]:
        for scores, weights in sample.chunks():
            given = scores[: conditional.before + 1]
            yield event_gradients(conditional, given, coefficients), weights

    return Side(gradients, sample.weight, sample.effective)
