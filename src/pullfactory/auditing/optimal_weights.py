"""How much each observable of an audit counts in its optimal combination, and in the product."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.optimal_rows import OptimalWeight
from pullfactory.inference.weights import CONSTRAINT, alone, learnt_parts
from pullfactory.likelihoods.optimal import OptimalLikelihood


def optimal_weights(
    likelihood: OptimalLikelihood,
    weight: NDArray[np.float64],
    slopes: NDArray[np.float64],
    penalty: NDArray[np.float64],
    observables: Sequence[str],
    positions: Sequence[int],
) -> tuple[OptimalWeight, ...]:
    """Of each parameter that is shown and each observable, and of the constraint if there is one.

    Args:
        likelihood: Of the combination.
        weight: Inverse covariance of what is combined, shape (elements, elements).
        slopes: Of that, shape (elements, parameters).
        penalty: Information of the constraints, shape (parameters, parameters).
        observables: Names, in the order of the groups of elements.
        positions: Of the parameters that are shown.
    """
    moving, groups = ~likelihood.held, likelihood.scores.groups
    both = [
        learnt_parts(each, slopes, penalty, moving, groups)
        for each in (alone(weight, groups), weight)
    ]
    return tuple(
        OptimalWeight(
            parameter=likelihood.names[k],
            observable=name,
            product=float(both[0][k, o]),
            optimal=float(both[1][k, o]),
        )
        for k in positions
        for o, name in enumerate([*observables, CONSTRAINT])
        if name != CONSTRAINT or penalty[k, k] > 0
    )
