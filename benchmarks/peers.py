"""The obvious ways: a loop of pyhf fits, a loop of Minuit over a numpy likelihood, the floor."""

from collections.abc import Callable, Sequence

import boost_histogram as bh
import numpy as np
import pyhf
from iminuit import Minuit
from numpy.typing import NDArray
from scipy.special import voigt_profile

from benchmarks.measure import on_all_cores
from pullfactory import UnbinnedLikelihood
from pullfactory.densities import Family, Normal, Voigt
from pullfactory.simulation.toys import ToyBlock

Floats = NDArray[np.float64]


def fit_with_pyhf(model: pyhf.Model, data: Floats, *, minuit: bool) -> int:
    """Fit each toy with pyhf and numpy: by Minuit with errors, or by SLSQP without.

    Returns:
        How many fits failed.
    """
    optimizer = pyhf.optimize.minuit_optimizer() if minuit else pyhf.optimize.scipy_optimizer()
    pyhf.set_backend("numpy", optimizer)
    errors = {"return_uncertainties": True} if minuit else {}
    failed = 0
    for toy in data:
        try:
            pyhf.infer.mle.fit(list(toy), model, **errors)
        except pyhf.exceptions.FailedMinimization:
            failed += 1
    return failed


def fit_with_minuit(likelihood: UnbinnedLikelihood, block: ToyBlock, toys: int) -> Floats:
    """Fit the first toys of a block by MIGRAD and HESSE.

    Returns:
        Estimates, shape (toys, parameters).
    """
    estimates = []
    for events, aux in zip(block.events[:toys], block.aux, strict=False):
        minuit = Minuit(_plain_nll(likelihood, events, aux), likelihood.start)
        minuit.errordef = Minuit.LIKELIHOOD
        minuit.limits = [tuple(pair) for pair in likelihood.bounds]
        minuit.migrad()
        minuit.hesse()
        estimates.append(np.array(minuit.values))
    return np.array(estimates)


def draw_and_fill(
    edges: Sequence[Floats], *, toys: int, events: int, correlations: int, block: int
) -> None:
    """Draw the normals of all toys once, and fill them into histograms for every correlation.

    Args:
        edges: Bin edges of each observable in units of its width.
        toys: How many.
        events: Of each toy.
        correlations: How often to fill.
        block: Toys of one task; there is one thread a core.
    """
    which = np.repeat(np.arange(block), events)

    def one_block(index: int) -> None:
        rng = np.random.Generator(np.random.SFC64(index))
        normals = rng.standard_normal((len(edges), block * events))
        for _ in range(correlations):
            for values, axis in zip(normals, edges, strict=True):
                bh.Histogram(
                    bh.axis.Integer(0, block, underflow=False, overflow=False),
                    bh.axis.Variable(axis),
                    storage=bh.storage.Double(),
                ).fill(which, values)

    on_all_cores(one_block, -(-toys // block))


def _plain_nll(
    likelihood: UnbinnedLikelihood, events: Floats, aux: Floats
) -> Callable[[Floats], float]:
    """What one writes down: densities from numpy and scipy, constraints added."""
    columns = [np.ascontiguousarray(column) for column in events.T]
    constrained = list(likelihood.constrained)

    def nll(theta: Floats) -> float:
        location, scale = likelihood.response(theta)
        total = 0.5 * np.sum((theta[constrained] - aux) ** 2)
        for family, x, mu, sigma in zip(likelihood.families, columns, location, scale, strict=True):
            total += len(x) * np.log(sigma) - _log_density_sum(family, (x - mu) / sigma)
        return float(total)

    return nll


def _log_density_sum(family: Family, u: Floats) -> float:
    match family:
        case Normal():
            return float(-0.5 * np.dot(u, u) - 0.5 * len(u) * np.log(2 * np.pi))
        case Voigt(gamma=gamma):
            return float(np.sum(np.log(voigt_profile(u, 1.0, gamma))))
    raise NotImplementedError(family.name)
