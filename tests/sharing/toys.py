"""Toys of whole events: what an event does in one channel it does in the others too."""

import numpy as np
from numpy.typing import NDArray

from pullfactory import BinnedLikelihood
from tests.sharing.analysis import FIRST, SIZES, Analysis

Numbers = NDArray[np.float64]


def cells(made: Analysis) -> tuple[NDArray[np.int_], Numbers]:
    """Which bins events fill together, and how many are expected to.

    Args:
        made: The analysis.

    Returns:
        Events of one cell each, shape (cells, 26) of 0 and 1; expected numbers, shape (cells,).
    """
    bins = np.concatenate(list(made.bins.values()))
    weights = np.concatenate(list(made.weights.values()))
    kinds, which = np.unique(bins, axis=0, return_inverse=True)
    member = np.zeros((len(kinds), 26), dtype=int)
    rows, columns = np.nonzero(kinds >= 0)
    member[rows, kinds[rows, columns]] = 1
    return member, np.bincount(which.ravel(), weights=weights).astype(np.float64)


def paired_toys(
    made: Analysis, likelihood: BinnedLikelihood, toys: int, rng: np.random.Generator
) -> Numbers:
    """Toys with events, real and simulated, that are in two regions.

    Args:
        made: The analysis.
        likelihood: Of its workspace.
        toys: How many.
        rng: Random numbers.

    Returns:
        Shape (toys, bins + auxdata).
    """
    member, expected = cells(made)
    counts = rng.poisson(expected, (toys, len(expected))) @ member
    values = auxiliary(likelihood, toys, rng)
    gammas = [k - 26 for name, _ in SIZES for k in _gammas(likelihood, name)]
    values[:, gammas] = rng.multivariate_normal(np.ones(26), _template_noise(made), toys)
    return np.concatenate([counts, values], axis=1)


def auxiliary(likelihood: BinnedLikelihood, toys: int, rng: np.random.Generator) -> Numbers:
    """Auxiliary values of toys, independent of each other, shape (toys, auxdata).

    Args:
        likelihood: Of the workspace; the truth are its initial values.
        toys: How many.
        rng: Random numbers.
    """
    theta = likelihood.init[list(likelihood.aux_index)]
    factor, sigma = likelihood.aux_factor, likelihood.aux_sigma
    poisson = np.array(likelihood.aux_poisson)
    mean = theta * factor
    normal = mean + sigma * rng.standard_normal((toys, len(mean)))
    return np.where(poisson, rng.poisson(mean, (toys, len(mean))), normal)


def shuffled(data: Numbers, likelihood: BinnedLikelihood, rng: np.random.Generator) -> Numbers:
    """The same toys with each region of another toy: no event is in two regions.

    Args:
        data: From `paired_toys`.
        likelihood: Of the workspace.
        rng: Random numbers.
    """
    found = data.copy()
    for name, size in SIZES:
        order = rng.permutation(len(data))
        columns = [*range(FIRST[name], FIRST[name] + size), *_gammas(likelihood, name)]
        found[:, columns] = data[np.ix_(order, columns)]
    return found


def _gammas(likelihood: BinnedLikelihood, region: str) -> list[int]:
    """Columns of the auxiliary values of the gammas of a region."""
    positions = likelihood.positions(f"staterror_{region}")
    return [26 + likelihood.aux_index.index(k) for k in positions]


def _template_noise(made: Analysis) -> Numbers:
    """Relative covariance of the templates, bins that share simulated events included."""
    content, products = np.zeros(26), np.zeros((26, 26))
    for bins, weights in zip(made.bins.values(), made.weights.values(), strict=True):
        member = np.zeros((len(bins), 26))
        rows, columns = np.nonzero(bins >= 0)
        member[rows, bins[rows, columns]] = weights[rows]
        content += member.sum(axis=0)
        products += member.T @ member
    return products / np.outer(content, content)
