"""Minuit on the same likelihood: the reference, and the second try for failed fits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from iminuit import Minuit
from numpy.typing import NDArray

from pullfactory._jax import double_precision, jax, jit, jnp
from pullfactory.likelihoods import Likelihood

_AT_BOUND = 1e-6  # of the range: as near as Minuit's transformation comes to a bound
MAX_CALLS = 5000
"""A fit that needs more is lost: near a pole of the log Minuit never stops."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MinuitFit:
    """One fit by Minuit.

    Attributes:
        estimate: Shape (parameters,).
        covariance: From HESSE, shape (parameters, parameters); NaN in rows and columns of
            parameters that are fixed or at a bound.
        nll: Minimum.
        valid: Minuit's own verdict on minimum and covariance.
    """

    estimate: NDArray[np.float64]
    covariance: NDArray[np.float64]
    nll: float
    valid: bool


@jit
def _value_and_gradient(
    likelihood: Likelihood,
    theta: jax.Array,
    data: Any,
) -> tuple[jax.Array, jax.Array]:
    return jax.value_and_grad(likelihood.nll)(theta, data)


@double_precision
def fit_minuit(
    likelihood: Likelihood,
    data: Any,
    *,
    start: NDArray[np.float64] | None = None,
    hesse_calls: int | None = None,
) -> MinuitFit:
    """Fit one toy with MIGRAD and HESSE (James and Roos 1975, doi:10.1016/0010-4655(75)90039-9).

    Args:
        likelihood: What to minimise.
        data: One toy's data, without the toy axis.
        start: Shape (parameters,); None for the likelihood's own start.
        hesse_calls: Most calls of HESSE, whose number grows with the square of the parameters;
            None for Minuit's own limit.
    """
    first = np.asarray(likelihood.start if start is None else start)

    def value(theta: NDArray[np.float64]) -> float:
        return float(_value_and_gradient(likelihood, jnp.asarray(theta), data)[0])

    def gradient(theta: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(_value_and_gradient(likelihood, jnp.asarray(theta), data)[1])

    minuit = Minuit(value, first, grad=gradient, name=likelihood.parameters)
    minuit.errordef = Minuit.LIKELIHOOD
    minuit.limits = [tuple(pair) for pair in likelihood.bounds]
    minuit.fixed = list(likelihood.fixed)
    minuit.migrad(ncall=MAX_CALLS)
    if minuit.valid:
        minuit.hesse(ncall=hesse_calls)
    estimate = np.array(minuit.values)
    low, high = likelihood.bounds.T
    margin = _AT_BOUND * (high - low)
    estimate = np.where(estimate < low + margin, low, estimate)
    estimate = np.where(estimate > high - margin, high, estimate)
    free = (estimate > low) & (estimate < high) & ~likelihood.fixed
    covariance = np.full((len(estimate), len(estimate)), np.nan)
    valid = bool(minuit.valid and minuit.accurate)
    if valid:
        covariance[np.ix_(free, free)] = np.asarray(minuit.covariance)[np.ix_(free, free)]
    return MinuitFit(
        estimate=estimate, covariance=covariance, nll=float(minuit.fval or np.nan), valid=valid
    )
