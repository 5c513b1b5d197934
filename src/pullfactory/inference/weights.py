"""How much each observable counts for each parameter, as independent and combined optimally.

With U the covariance of the estimate, to whose inverse observable o adds (D^T Omega^-1)_o D_o, the
estimate of parameter k moves by 1 for a shift of its truth by 1: by [U (D^T Omega^-1)_o D_o]_kk
through observable o, and by (U P)_kk through its constraint, with those that are correlated. A
part may be negative, where the observable is there to take off what another one has too much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.calibration import Calibration
from pullfactory.described import RhoOrNaN
from pullfactory.inference.comparison import OptimalMethods
from pullfactory.inference.prediction import expected_observation
from pullfactory.likelihoods.optimal import OptimalLikelihood
from pullfactory.methods import Method
from pullfactory.numbers import finite_or_none

CONSTRAINT = "constraint"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRow:
    """How much one observable counts for one parameter, at one rho.

    Attributes:
        method: That takes the observables as independent.
        rho: The correlation.
        parameter: Name.
        observable: Name, or "constraint" for what the auxiliary value of the parameter adds.
        product: Part of a shift of the parameter that the estimate learns from it, taken as
            independent; those of a parameter add up to 1.
        optimal: The same in the optimal combination.
    """

    method: str
    rho: RhoOrNaN
    parameter: str
    observable: str
    product: float
    optimal: float

    def to_dict(self) -> dict[str, Any]:
        """One row, as in `prediction.json`; no NaN."""
        return finite_or_none(asdict(self))


def observable_weights(calibration: Calibration, optimal: OptimalMethods) -> tuple[WeightRow, ...]:
    """Weights at the centre of the truth.

    Args:
        calibration: What the fits know.
        optimal: The combinations, from `optimal_methods`.
    """
    study, rows = calibration.study, list[WeightRow]()
    names = [*study.observable_names, CONSTRAINT]
    for name, found in optimal.items():
        for rho, method in found.items():
            both = _weights(method, calibration, rho)
            for k, parameter in enumerate(study.parameter_names):
                rows += [
                    WeightRow(method=name, rho=rho, parameter=parameter, observable=one, **weights)
                    for one, weights in zip(names, both[k], strict=True)
                    if one != CONSTRAINT or any(weights.values())
                ]
    return tuple(rows)


def _weights(
    method: Method, calibration: Calibration, rho: float
) -> list[list[Mapping[str, float]]]:
    """Of each parameter and observable, and then the constraint."""
    likelihood, study = method.likelihood, calibration.study
    assert isinstance(likelihood, OptimalLikelihood)
    theta = likelihood.start.copy()
    where = [likelihood.names.index(name) for name in study.parameter_names]
    theta[where] = study.truth_mean
    seen = expected_observation(method, study, rho)
    data = method.weighed(theta[None], seen).data
    weight, groups = np.asarray(data.weight)[0], likelihood.scores.groups
    reference = jnp.asarray(data.reference)[0]
    slopes = float(data.events[0]) * np.asarray(likelihood.slopes(jnp.asarray(theta), reference))
    moving = ~likelihood.held
    prior = likelihood.prior
    both = [
        learnt_parts(one, slopes, prior, moving, groups)[where]
        for one in (alone(weight, groups), weight)
    ]
    return [
        [{"product": float(p), "optimal": float(o)} for p, o in zip(*rows, strict=True)]
        for rows in zip(*both, strict=True)
    ]


def alone(weight: NDArray[np.float64], groups: Sequence[slice]) -> NDArray[np.float64]:
    """The weights of observables that are taken as independent, shape (elements, elements).

    Args:
        weight: Inverse of the covariance of all elements, same shape.
        groups: The elements of each observable.
    """
    found = np.zeros_like(weight)
    covariance = np.linalg.pinv(weight, rcond=1e-9, hermitian=True)
    for group in groups:
        found[group, group] = np.linalg.pinv(covariance[group, group], rcond=1e-9, hermitian=True)
    return found


def learnt_parts(
    weight: NDArray[np.float64],
    slopes: NDArray[np.float64],
    prior: NDArray[np.float64],
    moving: NDArray[np.bool_],
    groups: Sequence[slice],
) -> NDArray[np.float64]:
    """What estimates learn from each observable and from the constraint.

    Args:
        weight: Of the elements, shape (elements, elements).
        slopes: Of their expectations, shape (elements, parameters).
        prior: Information of the constraints, shape (parameters, parameters).
        moving: Which parameters are fitted, shape (parameters,).
        groups: The elements of each observable.

    Returns:
        Shape (parameters, observables + 1).
    """
    combined = slopes.T @ weight
    still = np.diag(np.where(moving, 0.0, 1.0))
    information = combined @ slopes + np.where(np.outer(moving, moving), prior, still)
    inverse = np.linalg.inv(information)
    learnt = [np.diag(inverse @ combined[:, one] @ slopes[one]) for one in groups]
    return np.stack([*learnt, np.diag(inverse @ prior)], axis=1)
