"""The two ensembles and the wrong one: unbinned toys of the default response, fitted in NumPy."""

import numpy as np
from numpy.typing import NDArray

from reference.cases import Value
from reference.independent.gaussian import POSTER, errors
from reference.independent.minimum import minimise
from reference.independent.toys import Widths, draw_moments, pull_widths
from reference.recording import exact, measured, record

Array = NDArray[np.float64]
SEED = 16
TOYS = 40_000
N_EVENTS = 2000
RHO = 0.4
PARAMETERS = ("m_t", "JSF", "JRF")
CONSTRAINED = np.array([0.0, 1.0, 1.0])


def toys(truth_width: Array, aux_width: float, rho: float, rng: np.random.Generator) -> Widths:
    """Pull widths for truths drawn with these widths, and auxiliary values around them."""
    truth = truth_width * rng.standard_normal((TOYS, 3))
    aux = CONSTRAINED * aux_width * rng.standard_normal((TOYS, 3))
    mean, squares = draw_moments(POSTER, truth, N_EVENTS, rho, rng)

    def nll(theta: Array) -> Array:
        location, scale = POSTER.location(theta), POSTER.scale(theta)
        misfit = squares + N_EVENTS * (mean - location) ** 2
        terms = N_EVENTS * np.log(scale) + 0.5 * misfit / scale**2
        pulls = CONSTRAINED * (theta - aux)
        return np.asarray(terms.sum(axis=1) + 0.5 * (pulls**2).sum(axis=1))

    return pull_widths(minimise(nll, np.zeros((TOYS, 3))), truth)


def values() -> list[Value]:
    """Fixed truth, drawn truth, and neither (rho = 0: 0.95, 0.89, 0.83)."""
    rng = np.random.default_rng(SEED)
    found = []
    for ask, measured_widths in (
        ("fixed", toys(np.zeros(3), 1.0, RHO, rng)),
        ("prior", toys(np.array([0.33, 1.0, 1.0]), 0.0, RHO, rng)),
    ):
        for k, name in enumerate(PARAMETERS):
            width, error = float(measured_widths.width[k]), float(measured_widths.error[k])
            row = {"method": "unbinned", "parameter": name}
            found += [
                measured(ask, "width", width, error, **row),
                exact(ask, "corrected_width", 1.0, **row),
            ]
    held = errors(POSTER, N_EVENTS, 0.0, CONSTRAINED, drawn=np.zeros(3))
    check = toys(np.zeros(3), 0.0, 0.0, rng)
    assert np.abs((check.width - held.width) / check.error).max() < 4
    for k, name in enumerate(PARAMETERS):
        found.append(exact("held", "predicted_width", float(held.width[k]), parameter=name))
    return found


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
