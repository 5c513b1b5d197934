"""Observables that can hardly tell m from s: additive morphing, and factors that conserve N.

Additive templates do not close, and the pulls widen. Factors do, but their rates do not add up to
the number of events; with a fixed number the multinomial likelihood, which has the rates of an
observable normalised, is right, and its pulls have unit width (the corrected error must have it).
"""

import numpy as np
from numpy.typing import NDArray

from reference.cases import Value
from reference.independent.gaussian import Response, sandwich
from reference.independent.minimum import minimise
from reference.independent.templates import (
    additive_cross,
    equal_population,
    gaussian_bins,
    multiplicative,
    poisson_nll,
)
from reference.independent.toys import Widths, draw_counts, pull_widths
from reference.recording import exact, measured, record

Array = NDArray[np.float64]
SEED = 18
TOYS = 30_000
N_EVENTS, N_BINS = 1800, 18
PARAMETERS = ("m", "s")
TRUTH = np.array([0.4, 1.0])
RESPONSE = Response.of(
    [170.0, 82.0],
    [10.0, 7.0],
    [[0.006, 0.0048], [0.0052, 0.0044]],
    [[0.0, 0.012], [0.0, 0.006]],
)
EDGES = [equal_population(RESPONSE.mu[o], RESPONSE.sigma[o], N_BINS) for o in range(2)]


def exact_rates(theta: Array) -> Array:
    """Of both observables, shape (toys, bins)."""
    location, scale = RESPONSE.location(theta), RESPONSE.scale(theta)
    parts = [gaussian_bins(EDGES[o], location[:, o], scale[:, o]) for o in range(2)]
    return N_EVENTS * np.concatenate(parts, axis=1)


def template(at: tuple[float, ...]) -> Array:
    """Rates at one point."""
    return np.asarray(exact_rates(np.array([at]))[0])


def normalised(theta: Array) -> Array:
    """Factors for every bin, m read over 3 steps; each observable adds up to N."""
    rates = multiplicative(template, (3.0, 1.0))(theta)
    parts = np.split(rates, 2, axis=1)
    return np.concatenate(
        [N_EVENTS * each / each.sum(axis=1, keepdims=True) for each in parts], axis=1
    )


def toys(kind: str, rng: np.random.Generator) -> Widths:
    """Pull widths at rho = 0."""
    rates = {"additive": additive_cross(template, 2), "normalised": normalised}[kind]
    # the wide constraint of m: 3 steps, around 0, as a normsys over templates at 3 has it
    prior = np.array([1 / 3 if kind == "normalised" else 0.0, 1.0])
    truth = TRUTH * rng.standard_normal((TOYS, 2))
    counts = draw_counts(RESPONSE, truth, EDGES, N_EVENTS, rng)

    def nll(theta: Array) -> Array:
        pulls = prior * theta
        return np.asarray(poisson_nll(rates(theta), counts) + 0.5 * (pulls**2).sum(axis=1))

    return pull_widths(minimise(nll, np.zeros((TOYS, 2))), truth)


def values() -> list[Value]:
    """Measured widths of the additive kind; 1 for the corrected ones of the other."""
    rng = np.random.default_rng(SEED)
    data, prior = information(), np.diag([1 / 9, 1.0])
    covariance = np.linalg.inv(data + np.diag([0.0, 1.0]))
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert -0.98 < correlation < -0.9
    # the wide constraint of m claims 3 steps, the truth has TRUTH[0]
    expected = sandwich(data + prior, data + prior @ np.diag(TRUTH**2) @ prior).width
    right = toys("normalised", rng)
    assert np.abs(right.width / expected - 1).max() < 0.015
    found = toys("additive", rng)
    rows = []
    for k, name in enumerate(PARAMETERS):
        width, error = float(found.width[k]), float(found.error[k])
        rows += [
            measured("additive", "width", width, error, parameter=name, method="binned"),
            measured("closure", "pull_width", width, error, parameter=name),
            exact("multiplicative", "corrected_width", 1.0, parameter=name, method="binned"),
        ]
    return [*rows, exact("additive", "corrected_width", None, parameter="m", method="binned")]


def information() -> Array:
    """Of the bins, from half differences of templates, shape (2, 2)."""
    slopes = np.stack([0.5 * (template(tuple(e)) - template(tuple(-e))) for e in np.eye(2)], axis=1)
    return np.asarray(slopes.T @ (slopes / template((0.0, 0.0))[:, None]))


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
