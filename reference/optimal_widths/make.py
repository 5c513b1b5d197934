"""The optimal combination of the scores of two observables: generalised least squares."""

import numpy as np
from numpy.typing import NDArray

from reference.binned_widths.make import bins_of_poster
from reference.cases import Value
from reference.independent.gaussian import POSTER, Errors, errors, sandwich
from reference.recording import exact, record

RHO = (-0.6, 0.5, 0.9)
PARAMETERS = ("m_t", "JSF", "JRF")
PRIOR = np.array([0.0, 1.0, 1.0])
NARROW = np.array([0.0, 0.25, 4.0])  # variances of the truth that is drawn
ENSEMBLES = {"large": (2000, PRIOR), "small": (200, PRIOR), "narrow": (2000, NARROW)}
Array = NDArray[np.float64]


def optimal(slopes: Array, covariance: Array, drawn: Array) -> Errors:
    """Of (D^T Omega^-1 D + P)^-1, and around it the variance that auxiliary values have."""
    information = slopes.T @ np.linalg.pinv(covariance, rcond=1e-9, hermitian=True) @ slopes
    return sandwich(information + np.diag(PRIOR), information + np.diag(drawn))


def of_densities(n_events: int, rho: float, drawn: Array) -> Errors:
    """Scores z and z^2 - 1, whose expectations move by d mu / sigma and 2 d sigma / sigma."""
    location = POSTER.mu_slopes * (POSTER.mu / POSTER.sigma)[:, None]
    r = np.array([[1.0, rho], [rho, 1.0]])
    nothing = np.zeros((2, 2))
    return optimal(
        n_events * np.concatenate([location, 2 * POSTER.sigma_slopes]),
        n_events * np.block([[r, nothing], [nothing, 2 * r**2]]),
        drawn,
    )


def of_bins(n_events: int, rho: float, drawn: Array) -> Errors:
    """Contents of bins, with the covariance of multinomial counts that share events."""
    slopes, covariance = bins_of_poster(20, rho)
    return optimal(n_events * slopes, n_events * covariance, drawn)


def values() -> list[Value]:
    """Errors of both, and of the product beside them."""
    found = []
    for label, (n_events, drawn) in ENSEMBLES.items():
        for rho in RHO:
            product = errors(POSTER, n_events, rho, PRIOR, drawn)
            known = of_densities(n_events, rho, drawn)
            bins = of_bins(n_events, rho, drawn)
            for k, parameter in enumerate(PARAMETERS):
                for method, one in (("unbinned_optimal", known), ("binned_optimal", bins)):
                    row = {"method": method, "rho": rho, "parameter": parameter}
                    found += [
                        exact(label, "claimed_error", float(one.claimed[k]), **row),
                        exact(label, "actual_error", float(one.actual[k]), **row),
                    ]
                row = {"method": "unbinned", "rho": rho, "parameter": parameter}
                found += [
                    exact(label, "claimed_error", float(product.claimed[k]), **row),
                    exact(label, "actual_error", float(product.actual[k]), **row),
                    exact(label, "optimal_error", float(known.actual[k]), **row),
                ]
    return found


if __name__ == "__main__":
    record(__file__, values)
