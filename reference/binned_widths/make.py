"""The default study in bins, templates without noise: matrices of bins from quadratures."""

import numpy as np

from reference.cases import Value
from reference.independent.cells import joint_cells
from reference.independent.gaussian import POSTER, Errors, sandwich
from reference.independent.templates import equal_population, gaussian_bins
from reference.recording import exact, record

RHO = (-0.5, 0.2, 0.5, 0.9)
N_EVENTS = 2000
N_BINS = (9, 20)
PARAMETERS = ("m_t", "JSF", "JRF")


def bins_of_poster(n_bins: int, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Of one event: slopes of its bins, half differences of templates, and their covariance."""
    standard = equal_population(0.0, 1.0, n_bins)
    edges = [POSTER.mu[o] + POSTER.sigma[o] * standard for o in range(2)]

    def template(theta: np.ndarray) -> np.ndarray:
        at = POSTER.location(theta[None])[0], POSTER.scale(theta[None])[0]
        return np.concatenate([gaussian_bins(edges[o], at[0][o], at[1][o]) for o in range(2)])

    slopes = np.stack([0.5 * (template(e) - template(-e)) for e in np.eye(3)], axis=1)
    cells = joint_cells(standard, standard, rho)
    same = np.eye(n_bins) / n_bins
    together = np.block([[same, cells], [cells.T, same]])
    p = np.full(2 * n_bins, 1 / n_bins)
    return slopes, together - np.outer(p, p)


def known_errors(n_bins: int, rho: float) -> Errors:
    """Of the Poisson fit to both histograms."""
    slopes, covariance = bins_of_poster(n_bins, rho)
    scores = slopes * n_bins
    prior = np.diag([0.0, 1.0, 1.0])
    information = N_EVENTS * slopes.T @ scores + prior
    return sandwich(information, N_EVENTS * scores.T @ covariance @ scores + prior)


def values() -> list[Value]:
    """Errors for two numbers of bins."""
    found = []
    for n_bins in N_BINS:
        for rho in RHO:
            known = known_errors(n_bins, rho)
            for k, parameter in enumerate(PARAMETERS):
                row = {"rho": rho, "parameter": parameter}
                found += [
                    exact(f"bins{n_bins}", "claimed_error", float(known.claimed[k]), **row),
                    exact(f"bins{n_bins}", "predicted_width", float(known.width[k]), **row),
                ]
    return found


if __name__ == "__main__":
    record(__file__, values)
