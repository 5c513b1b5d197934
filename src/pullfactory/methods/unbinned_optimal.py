"""Fits of single events that combine the scores of the observables optimally."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.likelihoods._likelihood import Observation
from pullfactory.likelihoods.optimal import (
    Constraints,
    Directions,
    OptimalData,
    OptimalLikelihood,
    OptimalPairs,
    combination,
    measured_weight,
)
from pullfactory.likelihoods.score_sums import DensityScores, multiply_scores, sum_scores
from pullfactory.likelihoods.unbinned import UnbinnedLikelihood
from pullfactory.methods.method import FirstFit, Method, MethodKind
from pullfactory.methods.noise import MethodNoise
from pullfactory.methods.optimal import refuse_few
from pullfactory.methods.response_noise import combined_response_noise
from pullfactory.methods.unbinned import unbinned_method
from pullfactory.settings.study import Study
from pullfactory.simulation.expected import expected_toy
from pullfactory.simulation.population import Population
from pullfactory.simulation.response import Response


def unbinned_optimal_method(calibration: Calibration, rho: float) -> Method:
    """The method `unbinned_optimal` of a study at one correlation of its scan.

    Args:
        calibration: Gives the response; of the truth only how the observables of an event depend
            on each other, which paired events tell.
        rho: Factor of the off-diagonal part of the correlation matrix.

    Raises:
        LikelihoodError: If a combination of the observables would determine a parameter exactly,
            or there are too few events for weights of their own.
    """
    study, product = calibration.study, unbinned_method(calibration)
    covariance = event_covariance(study, rho)
    likelihood = density_combination(product)
    directions = density_directions(product, likelihood, covariance, study.truth_mean)
    refuse_few(UNBINNED_OPTIMAL.name, study, directions)
    used = None if study.own_weights else covariance
    return combined_densities(product, likelihood, directions, used)


def density_combination(product: Method) -> OptimalLikelihood:
    """The likelihood that combines the scores of the observables of a product of densities.

    Args:
        product: The fit of single events.
    """
    first = product.likelihood
    assert isinstance(first, UnbinnedLikelihood)
    n_constrained = len(first.constrained)
    return OptimalLikelihood(
        scores=DensityScores(response=first.response, families=first.families),
        constraints=Constraints(
            np.array(first.constrained, dtype=int),
            np.ones(n_constrained),
            np.eye(n_constrained) + (0.0 if first.coupling is None else first.coupling),
        ),
        first=first.start,
        limits=first.bounds,
        held=first.fixed,
        names=first.names,
    )


def density_directions(
    product: Method,
    likelihood: OptimalLikelihood,
    covariance: NDArray[np.float64],
    theta: NDArray[np.float64],
) -> Directions:
    """Combinations of the scores that are measurements.

    Args:
        product: The fit of single events.
        likelihood: Its `density_combination`.
        covariance: Of the scores of an event, shape (elements, elements).
        theta: Where, shape (parameters,).

    Raises:
        LikelihoodError: If a combination of the observables would determine a parameter exactly.
    """
    first = product.likelihood
    assert isinstance(first, UnbinnedLikelihood)
    reference = np.stack([np.asarray(part) for part in first.response(theta)])
    return Directions.of(likelihood, covariance, theta, reference)


def combined_densities(
    product: Method,
    likelihood: OptimalLikelihood,
    directions: Directions,
    covariance: NDArray[np.float64] | None,
) -> Method:
    """The method that combines the scores of a product of densities.

    Args:
        product: The fit of single events, which comes before.
        likelihood: Its `density_combination`.
        directions: Its `density_directions`.
        covariance: Of the scores of an event, shape (elements, elements); None for that of the
            events of each toy.
    """
    first = product.likelihood
    assert isinstance(first, UnbinnedLikelihood)
    return Method(
        name=UNBINNED_OPTIMAL.name,
        likelihood=likelihood,
        observe=product.observe,
        scatter=partial(_scatter, likelihood),
        expect=product.expect,
        aux_scatter=product.aux_scatter,
        first=FirstFit(first, partial(_weigh, first, directions, covariance)),
        null=directions.null,
    )


def unbinned_optimal_noise(
    calibration: Calibration, rho: float, theta: NDArray[np.float64]
) -> MethodNoise:
    """What the method `unbinned_optimal` owes to the responses of all observables.

    The noise of its weights is of second order.

    Args:
        calibration: Gives responses and their covariances.
        rho: Factor of the off-diagonal part of the correlation matrix.
        theta: True values, shape (points, parameters).
    """
    study = calibration.study
    source = combined_response_noise(calibration, theta, event_covariance(study, rho))
    return MethodNoise(study.constraint_information, (source,))


def event_covariance(study: Study, rho: float) -> NDArray[np.float64]:
    """Expected products of the scores of the observables of one event.

    Exact where all are Gaussian: the scores of locations correlate with rho, those of scales with
    rho^2. Elsewhere from a large simulated sample.

    Args:
        study: Says how its observables depend on each other.
        rho: Factor of the off-diagonal part of the correlation matrix.

    Returns:
        Shape (elements, elements), in the order of `DensityScores`.
    """
    population = Population.of(study, rho)
    if population is not None and all(member.sufficient for member in study.families):
        found = np.zeros(2 * (2 * len(study.families),))
        found[::2, ::2] = population.correlation
        found[1::2, 1::2] = 2.0 * np.square(population.correlation)
        return found
    truth = UnbinnedLikelihood(
        response=Response.from_study(study),
        limits=study.bounds,
        names=study.parameter_names,
        families=study.families,
        constrained=(),
    )
    block = expected_toy(study, rho)
    products = multiply_scores(truth, study.truth_mean[None], truth.observe(block).pairs)[0]
    return np.asarray(products[1:, 1:] / products[0, 0])


def _weigh(
    first: UnbinnedLikelihood,
    directions: Directions,
    covariance: NDArray[np.float64] | None,
    theta: NDArray[np.float64],
    seen: Observation,
) -> Observation:
    """Scores at the estimate of the product, and their weights: expected ones, or None for own."""
    events, totals, reference = map(np.asarray, sum_scores(first, theta, seen.data))
    products = multiply_scores(first, theta, seen.pairs)
    counted = products[:, 0, 0]
    if covariance is None:
        number = events**2 / counted  # of events of one weight
        mean = products[:, 0, 1:] / counted[:, None]
        spread = products[:, 1:, 1:] - counted[:, None, None] * mean[:, :, None] * mean[:, None, :]
        own = spread * (number / (number - 1.0))[:, None, None]
        weight = measured_weight(directions, own, number)
    else:
        weight = directions.weight(covariance) / counted[:, None, None]
    data = OptimalData(events, totals, reference, weight, seen.data.aux)
    return Observation(data, OptimalPairs(data, products))


def _scatter(
    likelihood: OptimalLikelihood, theta: NDArray[np.float64], pairs: OptimalPairs
) -> NDArray[np.float64]:
    """Covariance of the combined score: sum over events, around its expectation."""
    combined, mean = map(np.asarray, combination(likelihood, theta, pairs.data))
    constant = -np.einsum("te,tek->tk", mean, combined)[:, None]
    change = np.concatenate([constant, combined], axis=1)
    return np.asarray(change.transpose(0, 2, 1) @ pairs.sums @ change)


UNBINNED_OPTIMAL = MethodKind(
    name="unbinned_optimal",
    build=unbinned_optimal_method,
    noise=unbinned_optimal_noise,
    improves="unbinned",
    colour="#CC79A7",
    marker="P",
)
