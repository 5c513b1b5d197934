"""Fits whose error exceeds the step of the templates: bins of the default response, 120 events."""

import numpy as np
from numpy.typing import NDArray

from reference.cases import Value
from reference.independent.gaussian import POSTER
from reference.independent.minimum import minimise
from reference.independent.templates import (
    additive_cross,
    equal_population,
    gaussian_bins,
    poisson_nll,
)
from reference.independent.toys import Widths, draw_counts, pull_widths
from reference.recording import measured, record

Array = NDArray[np.float64]
SEED = 17
TOYS = 60_000
N_EVENTS, N_BINS = 120, 15
PARAMETERS = ("m_t", "JSF", "JRF")
CONSTRAINED = np.array([0.0, 1.0, 1.0])
EDGES = [equal_population(POSTER.mu[o], POSTER.sigma[o], N_BINS) for o in range(2)]


def exact_rates(theta: Array) -> Array:
    """Of both observables, shape (toys, bins)."""
    location, scale = POSTER.location(theta), POSTER.scale(theta)
    parts = [gaussian_bins(EDGES[o], location[:, o], scale[:, o]) for o in range(2)]
    return N_EVENTS * np.concatenate(parts, axis=1)


def toys(additive: bool, rng: np.random.Generator) -> Widths:
    """Pull widths with rates between templates, or exact ones."""
    morphed = additive_cross(lambda at: exact_rates(np.array([at]))[0], 3)
    rates = morphed if additive else exact_rates
    truth = np.array([0.33, 1.0, 1.0]) * rng.standard_normal((TOYS, 3))
    counts = draw_counts(POSTER, truth, EDGES, N_EVENTS, rng)

    def nll(theta: Array) -> Array:
        inside = np.all(np.abs(theta) < 10, axis=1)
        pulls = CONSTRAINED * theta
        value = poisson_nll(rates(theta), counts) + 0.5 * (pulls**2).sum(axis=1)
        return np.where(inside, value, np.nan)

    return pull_widths(minimise(nll, np.zeros((TOYS, 3))), truth)


def values() -> list[Value]:
    """Widths with additive templates at rho = 0; exact rates give 1 within 2 %."""
    rng = np.random.default_rng(SEED)
    control = toys(False, rng)
    assert np.abs(control.width - 1).max() < 0.02
    found = toys(True, rng)
    rows = []
    for k, name in enumerate(PARAMETERS):
        width, error = float(found.width[k]), float(found.error[k])
        rows += [
            measured("toys", "width", width, error, parameter=name),
            measured("closure", "pull_width", width, error, parameter=name),
        ]
    return rows


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
