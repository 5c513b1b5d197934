"""What the joint density of the observables knows about the parameters."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullfactory.fitting.resolution import spectrum
from pullfactory.fitting.sandwich import sandwich_covariance
from pullfactory.settings.study import Study
from pullfactory.simulation.population import Population
from pullfactory.simulation.response import Response


def inverted(
    information: NDArray[np.float64], *, terms: int, size: ArrayLike
) -> NDArray[np.float64]:
    """Covariance of the estimates; NaN where the data do not tell the parameters apart.

    Args:
        information: Shape (..., parameters, parameters).
        terms: Number of products that are summed in an entry, such as bins.
        size: Sum of the rates, or number of events, shape (...).
    """
    flat = np.asarray(spectrum(information, terms=terms, size=size).flat.any(axis=-1))
    flat = flat[..., None, None]
    known = np.where(flat, np.eye(information.shape[-1]), information)
    return np.where(flat, np.nan, np.linalg.inv(known))


def symmetric_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The R with R R = covariance: independent standard normals times R have this covariance.

    Args:
        covariance: Shape (values, values); what rounding leaves below 0 is 0.
    """
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def joint_information(
    response: Response, theta: NDArray[np.float64], correlation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fisher information of one event with multivariate normal observables, R known.

    I_kl = d_k mu^T S^-1 d_l mu + 1/2 tr(S^-1 d_k S S^-1 d_l S) (Kay 1993, Fundamentals of
    statistical signal processing, volume 1, eq. 3.31). With S_ij = R_ij sigma_i sigma_j,
    a_ik = d_k mu_i / sigma_i and b_ik = d_k log(sigma_i) this is a^T R^-1 a +
    b^T (1 + R * R^-1) b, where * multiplies entries.

    Args:
        response: Location and scale of the observables.
        theta: Where, shape (parameters,), in their units.
        correlation: R, shape (observables, observables).

    Returns:
        Shape (parameters, parameters), in inverse products of the parameters' units.
    """
    location, scale = response(theta)
    shift = response.mu_slopes / (1.0 + response.mu_slopes * theta) * (location / scale)[:, None]
    widening = response.sigma_slopes / (1.0 + response.sigma_slopes * theta)
    inverse = np.linalg.inv(correlation)
    both = np.eye(len(inverse)) + correlation * inverse
    return np.asarray(shift.T @ inverse @ shift + widening.T @ both @ widening)


def joint_errors(study: Study, rho: float) -> NDArray[np.float64] | None:
    """Actual errors of a fit with the joint density of all observables, at the truth's centre.

    Args:
        study: The study; its true response is taken.
        rho: Factor of the off-diagonal part of the correlation matrix, known to the fit.

    Returns:
        Shape (parameters,), in their units; None unless the observables are multivariate normal,
        NaN where they do not determine the parameters.
    """
    population = Population.of(study, rho)
    if population is None or not all(member.sufficient for member in population.families):
        return None
    events = study.ensemble.n_events * joint_information(
        Response.from_study(study), study.truth_mean, population.correlation
    )
    inverse = inverted(
        events + study.constraint_information,
        terms=2 * len(study.observable) ** 2,
        size=study.ensemble.n_events,
    )
    covariance = sandwich_covariance(inverse, events, study.aux_scatter)
    return np.asarray(np.sqrt(np.diag(covariance)))
