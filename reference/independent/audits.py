"""Fits of histograms of events, and the errors that rows or groups of rows give, in NumPy."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from reference.independent.gaussian import Errors, sandwich
from reference.independent.minimum import Minima, minimise
from reference.independent.templates import code4p, poisson_nll

__all__ = ["DataErrors", "Histograms", "Model", "bootstrap_errors", "fit_errors", "quantile_grid"]

Array = NDArray[np.float64]
Bins = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Histograms:
    """Bins of all observables, one after the other; the outermost ones are open.

    Attributes:
        edges: Inner edges of each observable.
    """

    edges: tuple[Array, ...]

    @property
    def size(self) -> int:
        """Number of bins."""
        return sum(len(each) + 1 for each in self.edges)

    def bins(self, *columns: Array) -> Bins:
        """Bin of each observable of each row, shape (rows, observables)."""
        first, found = 0, []
        for edges, column in zip(self.edges, columns, strict=True):
            found.append(first + np.searchsorted(edges, column, side="right"))
            first += len(edges) + 1
        return np.stack(found, axis=1)

    def fill(self, bins: Bins, weights: Array) -> Array:
        """Sum of weights in each bin, shape (bins,)."""
        total = np.zeros(self.size)
        for column in bins.T:
            total += np.bincount(column, weights, self.size)
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Rates of bins: free parameters linear, then constrained ones additive.

    Attributes:
        nominal: Shape (bins,).
        linear: Slopes of the free parameters, shape (free, bins).
        sides: Templates up and down of each constrained parameter, shape (constrained, 2, bins).
    """

    nominal: Array
    linear: Array
    sides: Array

    @property
    def n_pars(self) -> int:
        """Number of parameters."""
        return len(self.linear) + len(self.sides)

    @property
    def constrained(self) -> Array:
        """1 for a constrained parameter, 0 for a free one."""
        return np.array([0.0] * len(self.linear) + [1.0] * len(self.sides))

    def rates(self, theta: Array) -> Array:
        """Shape (toys, bins)."""
        total = self.nominal + theta[:, : len(self.linear)] @ self.linear
        for k, (up, down) in enumerate(self.sides, start=len(self.linear)):
            total = total + code4p(theta[:, k], up - self.nominal, self.nominal - down)
        return np.asarray(total)

    def fit(self, counts: Array, aux: Array) -> Minima:
        """Fit counts of shape (toys, bins) with auxiliary values of shape (toys, parameters)."""

        def nll(theta: Array) -> Array:
            pulls = self.constrained * (theta - aux)
            rates = self.rates(theta)
            return np.asarray(poisson_nll(rates, counts) + 0.5 * (pulls**2).sum(axis=1))

        return minimise(nll, np.zeros((len(counts), self.n_pars)))

    def slopes(self, theta: Array) -> Array:
        """Of the rates at one point, shape (bins, parameters)."""
        steps = 1e-5 * np.eye(self.n_pars)
        return np.stack(
            [
                (self.rates((theta + e)[None]) - self.rates((theta - e)[None]))[0] / 2e-5
                for e in steps
            ],
            axis=1,
        )


class DataErrors(NamedTuple):
    """The fit of one data set, each of shape (parameters,)."""

    estimate: Array
    claimed: Array
    sandwich: Array


def fit_errors(
    model: Model, histograms: Histograms, bins: Bins, weights: Array, groups: Array | None = None
) -> DataErrors:
    """Estimate, claimed error and sandwich; a group of rows is what is independent.

    Args:
        model: Rates.
        histograms: Bins.
        bins: Of each row.
        weights: Of each row.
        groups: Number of the group of each row; None if every row is one of its own.
    """
    counts = histograms.fill(bins, weights)
    found = model.fit(counts[None], np.zeros((1, model.n_pars)))
    assert found.good[0]
    at = found.estimate[0]
    per_bin = model.slopes(at) / model.rates(at[None])[0][:, None]
    scores = weights[:, None] * per_bin[bins].sum(axis=1)
    if groups is not None:
        scores = np.stack([np.bincount(groups, column) for column in scores.T], axis=1)
    known: Errors = sandwich(
        np.linalg.inv(found.covariance[0]), scores.T @ scores + np.diag(model.constrained)
    )
    return DataErrors(at, known.claimed, known.actual)


def bootstrap_errors(
    model: Model,
    histograms: Histograms,
    bins: Bins,
    weights: Array,
    *,
    groups: Array | None = None,
    replicas: int,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Standard deviations over replicas, and their errors.

    Every group of rows comes a Poisson number of times, and auxiliary values are drawn again.

    Args:
        model: Rates.
        histograms: Bins.
        bins: Of each row.
        weights: Of each row.
        groups: As in `fit_errors`.
        replicas: How many.
        rng: Random numbers.
    """
    which = np.arange(len(bins)) if groups is None else groups
    counts = np.empty((replicas, histograms.size))
    for r in range(replicas):
        often = rng.poisson(1.0, which.max() + 1)
        counts[r] = histograms.fill(bins, weights * often[which])
    aux = rng.standard_normal((replicas, model.n_pars)) * model.constrained
    found = model.fit(counts, aux)
    good = found.estimate[found.good]
    assert len(good) > 0.99 * replicas
    spread = good.std(axis=0, ddof=1)
    fourth = ((good - good.mean(axis=0)) ** 4).mean(axis=0)
    error = np.sqrt((fourth - spread**4) / len(good)) / (2 * spread)
    return spread, error


def quantile_grid(side: int, rho: float) -> tuple[Array, Array]:
    """Two standard normals on a grid of quantiles, without random numbers.

    Args:
        side: Quantiles of each; side^2 rows.
        rho: Correlation.
    """
    z = ndtri((np.arange(side) + 0.5) / side)
    first, second = (each.ravel() for each in np.meshgrid(z, z, indexing="ij"))
    return first, rho * first + np.sqrt(1 - rho**2) * second
