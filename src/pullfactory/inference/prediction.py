"""Pull widths without toys: the sandwich at the centre of the truth, from expected events."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import ndtr

from pullfactory._jax import jax, jit
from pullfactory.described import PartOrNaN, RhoOrNaN, SizeOrNaN
from pullfactory.fitting.information import inverted, joint_errors
from pullfactory.fitting.sandwich import sandwich_covariance
from pullfactory.likelihoods import Likelihood, Observation
from pullfactory.methods import Method
from pullfactory.numbers import finite_or_none
from pullfactory.settings.study import Study
from pullfactory.simulation.expected import expected_toy
from pullfactory.simulation.population import Population


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictedPull:
    """What is expected of the pulls of one parameter, with one method, at one rho.

    Attributes:
        method: Name of the method.
        rho: The correlation; NaN where it is that of a sample.
        parameter: Name.
        claimed_error: Error that the fit gives, in the parameter's unit.
        actual_error: Spread of estimate - truth, in the parameter's unit.
        joint_error: Actual error of an unbinned fit with the joint density of the observables,
            rho known, in the parameter's unit; None unless they are multivariate normal.
        predicted_width: Their ratio, actual by claimed.
        coverage_68: Expected fraction with `|pull| < 1`; nominal 0.6827.
        coverage_95: Expected fraction with `|pull| < 2`; nominal 0.9545.
    """

    method: str
    rho: RhoOrNaN
    parameter: str
    claimed_error: SizeOrNaN
    actual_error: SizeOrNaN
    joint_error: SizeOrNaN | None
    predicted_width: SizeOrNaN
    coverage_68: PartOrNaN
    coverage_95: PartOrNaN

    @classmethod
    def of(
        cls,
        method: str,
        rho: float,
        parameter: str,
        claimed: float,
        actual: float,
        joint: float | None = None,
    ) -> Self:
        """From the errors; pulls are taken to be normal.

        Args:
            method: Of the fit.
            rho: Correlation of the observables.
            parameter: Its name.
            claimed: Error that the fit claims, in the parameter's unit.
            actual: Standard deviation of its estimates, in that unit.
            joint: Error of a joint fit, in that unit; None if it is not known.
        """
        width = actual / claimed
        return cls(
            method=method,
            rho=rho,
            parameter=parameter,
            claimed_error=claimed,
            actual_error=actual,
            joint_error=joint,
            predicted_width=width,
            coverage_68=float(1 - 2 * ndtr(-1 / width)),
            coverage_95=float(1 - 2 * ndtr(-2 / width)),
        )

    def to_dict(self) -> dict[str, Any]:
        """One row, as in `prediction.json`; no NaN."""
        return finite_or_none(asdict(self))

    def without_actual(self) -> Self:
        """The same without actual error and what follows from it, which become NaN."""
        nan = float("nan")
        return replace(
            self, actual_error=nan, predicted_width=nan, coverage_68=nan, coverage_95=nan
        )


def predict_pulls(
    study: Study, methods: Mapping[float, Sequence[Method]]
) -> tuple[PredictedPull, ...]:
    """Predict claimed and actual errors at the centre of the truth.

    Where the normal scores of the observables are multivariate normal, the expected events are
    exact; elsewhere they are a large simulated sample.

    Args:
        study: The study; its true response and dependence give the expected events.
        methods: Likelihoods to predict for, by rho.

    Returns:
        By method, rho and parameter; NaN where the observables do not determine the parameters.
    """
    truth, size = study.centre, study.ensemble.n_events
    rows = []
    for rho, some in methods.items():
        found = joint_errors(study, rho)
        joint = [None] * len(truth) if found is None else found.tolist()
        for method in some:
            errors = _errors(method, truth, expected_observation(method, study, rho), size)
            rows += [
                PredictedPull.of(method.name, rho, *row)
                for row in zip(truth, *errors, joint, strict=True)
            ]
    order = list(dict.fromkeys(row.method for row in rows))
    return tuple(sorted(rows, key=lambda row: order.index(row.method)))


def expected_observation(method: Method, study: Study, rho: float) -> Observation:
    """What a method takes of a toy without fluctuations, at the centre of the truth.

    Args:
        method: Of the study.
        study: Its true response and dependence give the expected events.
        rho: Factor of the off-diagonal part of the correlation matrix.
    """
    population = Population.of(study, rho)
    seen = None if population is None else method.expect(population)
    if seen is not None:
        return seen
    aux = study.truth_mean[study.constrained]
    return method.observe(replace(expected_toy(study, rho), aux=aux[None]))


def _errors(
    method: Method, truth: Mapping[str, float], seen: Observation, n_events: int
) -> tuple[list[float], list[float]]:
    """Claimed and actual errors of the parameters with a truth; NaN if they are degenerate."""
    likelihood = method.likelihood
    where = [likelihood.parameters.index(name) for name in truth]
    at = likelihood.start[None].copy()
    at[0, where] = list(truth.values())
    seen = method.weighed(at, seen)
    information = np.asarray(_information(likelihood, at, seen.data))[0]
    inverse = np.full_like(information, np.nan)
    moving = np.ix_(*2 * [np.flatnonzero(~likelihood.fixed)])
    terms = sum(int(np.prod(np.shape(leaf)[1:])) for leaf in jax.tree.leaves(seen.data))
    inverse[moving] = inverted(information[moving], terms=terms, size=n_events)
    scatter = method.scatter(at, seen.pairs)
    covariance = sandwich_covariance(inverse, scatter[0], method.aux_scatter)
    claimed, actual = (np.sqrt(np.diag(matrix)[where]) for matrix in (inverse, covariance))
    return claimed.tolist(), actual.tolist()


@jit
def _information(likelihood: Likelihood, theta: jax.Array, data: Any) -> jax.Array:
    """Curvature, which at the expected data is the Hessian's expectation."""
    found: jax.Array = jax.vmap(likelihood.information)(theta, data)
    return found
