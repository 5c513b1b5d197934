"""Gammas of two channels that share their simulated events: matrices, checked by a simulation.

A gamma of bin a stands for an auxiliary value that is the simulated content over the expected one.
Two such values of bins that share events have the covariance sum of w^2 over the shared events by
the product of the contents.
"""

import numpy as np
from numpy.typing import NDArray

from reference.cases import Value
from reference.independent.audits import Histograms
from reference.independent.gaussian import Errors, sandwich
from reference.recording import exact, record
from reference.shared_staterror.inputs import EDGES, N_EVENTS, N_SIMULATED, tables

Array = NDArray[np.float64]
HISTOGRAMS = Histograms(edges=tuple(np.array(each) for each in EDGES.values()))
SEED = 15
TOYS = 20_000


def pieces() -> tuple[Array, Array, Array]:
    """Rates, slopes of m and jes, and pairs of bins, all for one unit of weight an event."""
    x, y = tables()["nominal"].values()
    ones = np.ones(N_SIMULATED)

    def template(m: float, jes: float) -> Array:
        moved = x * (1 + 0.005 * jes) + m, y * (1 + 0.006 * jes) + 0.1 * m
        return HISTOGRAMS.fill(HISTOGRAMS.bins(*moved), ones)

    bins = HISTOGRAMS.bins(x, y)
    pairs = np.zeros((HISTOGRAMS.size, HISTOGRAMS.size))
    for a in bins.T:
        for b in bins.T:
            np.add.at(pairs, (a, b), 1.0)
    slopes = [0.5 * (template(*e) - template(*-e)) for e in np.eye(2)]
    return template(0.0, 0.0), np.stack(slopes, axis=1), pairs


def simulated(rates: Array, slopes: Array, factor: float) -> Array:
    """Pull widths over linear fits to toys: data and simulated events drawn from the same cells."""
    half = len(EDGES["x"]) + 1
    x, y = tables()["nominal"].values()
    bins = HISTOGRAMS.bins(x, y)
    cells = np.bincount(bins[:, 0] * half + bins[:, 1] - half, minlength=half**2)
    rng = np.random.default_rng(SEED)
    occupied = cells.reshape(half, half)

    def drawn(mean: float) -> Array:
        table = rng.poisson(occupied * mean, (TOYS, half, half))
        return np.concatenate([table.sum(axis=2), table.sum(axis=1)], axis=1).astype(np.float64)

    n_bins = len(rates)
    jacobian = np.concatenate([factor * slopes, np.diag(factor * rates)], axis=1)
    prior = np.concatenate([[0.0, 1.0], rates])
    inverse = np.linalg.inv(jacobian.T @ (jacobian / (factor * rates)[:, None]) + np.diag(prior))
    data = (drawn(factor) - factor * rates) / (factor * rates)
    aux = np.concatenate(
        [np.zeros((TOYS, 1)), rng.standard_normal((TOYS, 1)), drawn(1.0) / rates - 1.0], axis=1
    )
    assert aux.shape[1] == 2 + n_bins
    estimates = (data @ jacobian + aux * prior) @ inverse
    return np.asarray(estimates[:, :2].std(axis=0) / np.sqrt(np.diag(inverse)[:2]))


def values() -> list[Value]:
    """Claimed errors and pull widths of m and jes; gammas are profiled."""
    rates, slopes, pairs = pieces()
    factor = N_EVENTS / N_SIMULATED
    jacobian = np.concatenate([factor * slopes, np.diag(factor * rates)], axis=1)
    scores = jacobian / (factor * rates)[:, None]
    prior = np.diag(np.concatenate([[0.0, 1.0], rates]))
    drawn = prior.copy()
    drawn[2:, 2:] = pairs
    known: Errors = sandwich(
        jacobian.T @ scores + prior, factor * scores.T @ pairs @ scores + drawn
    )
    toys = simulated(rates, slopes, factor)
    assert np.abs(toys / known.width[:2] - 1).max() < 3 / np.sqrt(2 * TOYS)
    found = []
    for k, name in enumerate(("m", "jes")):
        row = {"table": "errors", "method": "binned", "parameter": name}
        found += [
            exact("audit", "claimed_error", float(known.claimed[k]), **row),
            exact("audit", "inflate_by", float(known.width[k]), **row),
        ]
    return found


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
