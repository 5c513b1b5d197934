"""The event-paired sandwich: errors that know that observables belong to the same event.

A product of marginal densities is a composite likelihood (Varin, Reid, Firth, Statistica Sinica
21 (2011) 5). Its estimates have the covariance V = H^-1 (C + K) H^-1 (Godambe, Ann. Math. Stat.
31 (1960) 1208), with the observed information H of the fitted likelihood, the covariance C of
its score, for which the score of an event is summed over the observables of that event, and the
covariance K of the score of the auxiliary data.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision
from pullfactory.fitting.fits import FitBatch, fit_toys
from pullfactory.likelihoods import Observation
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock


@double_precision
def fit_events(method: Method, block: ToyBlock) -> FitBatch:
    """Fit every toy of a block with one method, and give its estimates both covariances.

    Args:
        method: Likelihood, and what it takes from the events.
        block: Toys.
    """
    fits, seen = fit_observation(method, method.observe(block))
    scatter = method.scatter(fits.estimate, seen.pairs)
    return replace(fits, sandwich=sandwich_covariance(fits.covariance, scatter, method.aux_scatter))


@double_precision
def fit_observation(method: Method, seen: Observation) -> tuple[FitBatch, Observation]:
    """Fit what a method has observed, and before where it wants that.

    Args:
        method: Likelihood, and what has to be fitted before.
        seen: From `method.observe`.

    Returns:
        The fits, and what their likelihood has taken.
    """
    start, seen = weigh_observation(method, seen)
    return fit_toys(method.likelihood, seen.data, start=start), seen


def weigh_observation(
    method: Method, seen: Observation
) -> tuple[NDArray[np.float64] | None, Observation]:
    """What the likelihood of a method takes, of what it has observed.

    Args:
        method: Likelihood, and what has to be fitted before.
        seen: From `method.observe`.

    Returns:
        Estimates of the first fit, None if there is none, and the observation.
    """
    if method.first is None:
        return None, seen
    start = fit_toys(method.first.likelihood, seen.data).estimate
    return start, method.weighed(start, seen)


def sandwich_covariance(
    inverse: NDArray[np.float64], scatter: NDArray[np.float64], aux_scatter: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Covariance of the estimates of a misspecified likelihood.

    Args:
        inverse: H^-1, shape (toys, parameters, parameters); NaN in rows and columns of
            parameters that did not move, which stay NaN.
        scatter: C, same shape.
        aux_scatter: K, shape (parameters, parameters), or one for each toy.
    """
    known = np.isfinite(inverse)
    bread = np.where(known, inverse, 0.0)
    return np.where(known, bread @ (scatter + aux_scatter) @ bread, np.nan)
