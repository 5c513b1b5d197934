"""Unbinned fit of a Voigt and a Gaussian by Minuit, densities by SciPy."""

import numpy as np
from iminuit import Minuit
from numpy.typing import NDArray
from scipy.special import voigt_profile
from scipy.stats import norm

from reference.cases import Value
from reference.independent.gaussian import sandwich
from reference.independent.minimum import minimise
from reference.recording import exact, record
from reference.voigt_fit.inputs import GAMMA, MU, MU_SLOPES, SIGMA, SIGMA_SLOPES, data

Array = NDArray[np.float64]
PARAMETERS = ("m", "s")


def log_density(events: Array, theta: Array) -> Array:
    """Of each event, summed over the observables, shape (events,)."""
    location = MU * np.prod(1 + MU_SLOPES * theta, axis=1)
    scale = SIGMA * np.prod(1 + SIGMA_SLOPES * theta, axis=1)
    z = (events - location) / scale
    voigt = np.log(voigt_profile(z[:, 0], 1.0, GAMMA) / scale[0])
    return np.asarray(voigt + norm.logpdf(z[:, 1]) - np.log(scale[1]))


def values() -> list[Value]:
    """Minuit's minimum, polished; errors from differences; scores of events for the sandwich."""
    toy = data()
    events, aux = toy["events"], toy["aux"][0]

    def nll(m: float, s: float) -> float:
        return float(-log_density(events, np.array([m, s])).sum() + 0.5 * (s - aux) ** 2)

    minuit = Minuit(nll, m=0.0, s=0.0)
    minuit.errordef, minuit.strategy, minuit.tol = Minuit.LIKELIHOOD, 2, 1e-3
    minuit.migrad()
    minuit.hesse()
    assert minuit.valid
    found = minimise(
        lambda points: np.array([nll(*point) for point in points]),
        np.array([list(minuit.values)]),
        step=3e-3,
        iterations=3,
    )
    at, errors = found.estimate[0], found.error[0]
    assert np.abs((at - np.array(minuit.values)) / errors).max() < 1e-3
    assert np.abs(errors / np.array(minuit.errors) - 1).max() < 1e-3
    steps = 1e-4 * np.eye(2)
    scores = np.stack(
        [(log_density(events, at + e) - log_density(events, at - e)) / 2e-4 for e in steps]
    )
    known = sandwich(np.linalg.inv(found.covariance[0]), scores @ scores.T + np.diag([0.0, 1.0]))
    rows = []
    for k, name in enumerate(PARAMETERS):
        row = {"parameter": name}
        error = float(errors[k])
        rows += [
            Value(ask="fit", row=row, key="estimate", value=float(at[k]), scale=error),
            exact("fit", "claimed_error", error, **row),
            exact("fit", "corrected_error", float(known.actual[k]), **row),
        ]
    return rows


if __name__ == "__main__":
    record(__file__, values, "iminuit")
