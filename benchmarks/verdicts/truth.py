"""What a fit as it was built really does with the mass, from integrals of the densities."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.verdicts.fits import Fit
from benchmarks.verdicts.lines import Line, N
from benchmarks.verdicts.unbinned import DensityFit
from benchmarks.verdicts.world import covariances, other_rates, signal_events, signal_rates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What a fit as it was built really does with its mass.

    Attributes:
        slope: Of the estimated over the true mass.
        factor: Root mean square of estimate - truth over its claimed error.
        resolution: Error with infinite simulation.
        infinite: Actual over claimed error with infinite simulation.
    """

    slope: float
    factor: float
    resolution: float
    infinite: float


def truth_of(line: Line, fit: Fit | DensityFit) -> Truth:
    """From integrals of the densities.

    Args:
        line: Kind of the audit.
        fit: As it was built.
    """
    return _of_densities(line, fit) if isinstance(fit, DensityFit) else _of_bins(line, fit)


def _of_bins(line: Line, fit: Fit) -> Truth:
    rates, own = fit.nominal()
    scores, penalty = own / rates[:, None], fit.penalty
    slopes = _slopes(line, fit)
    signal, other = covariances(line, fit.edges, poisson=line.poisson)
    counts = signal + other
    inverse = _inverse(own.T @ scores + np.diag(penalty))
    scatter = scores.T @ (counts + _templates(line, fit)) @ scores
    slope, factor = _moments(line, penalty, inverse, scores.T @ slopes, scatter)
    actual, best = _infinite(line, fit, slopes, counts)
    return Truth(
        slope=slope,
        factor=factor,
        resolution=float(np.sqrt(actual)),
        infinite=float(np.sqrt(actual / best)),
    )


def _of_densities(line: Line, fit: DensityFit) -> Truth:
    known = []
    for each, noise in ((fit, N / line.events), (DensityFit.exact(line), 0.0)):
        inverse = _inverse(each.information() + np.diag(each.penalty))
        nominal = np.zeros(len(each.penalty))
        _, scatter = each.scores(line, nominal)
        moved = [
            (each.scores(line, step)[0] - each.scores(line, -step)[0]) / 2
            for step in np.eye(len(nominal))
        ]
        known.append(
            _moments(
                line,
                each.penalty,
                inverse,
                N * np.array(moved).T,
                N * (1 + noise) * scatter,
            )
        )
    claimed = float(np.sqrt(inverse[0, 0]))
    (slope, factor), (_, infinite) = known
    return Truth(slope=slope, factor=factor, resolution=infinite * claimed, infinite=infinite)


def _moments(
    line: Line,
    penalty: NDArray[np.float64],
    inverse: NDArray[np.float64],
    moved: NDArray[np.float64],
    scatter: NDArray[np.float64],
) -> tuple[float, float]:
    """Slope of the estimated mass, and its actual over its claimed error.

    Args:
        line: Kind of the audit.
        penalty: Information of the constraints, shape (parameters,).
        inverse: Covariance that the fit claims.
        moved: What the score moves for a unit of truth, shape (parameters, moving parameters).
        scatter: Covariance of the score of the data and of the nominal samples.
    """
    shown = moved.shape[1]
    measured = np.where(line.held, 0.0, penalty[:shown])
    aux = np.zeros((len(penalty), shown))
    aux[:shown] = np.diag(measured)
    slope = inverse @ (moved + aux)
    error = inverse @ (scatter + np.pad(aux, ((0, 0), (0, len(penalty) - shown)))) @ inverse
    away = slope - np.eye(len(penalty))[:, :shown]
    for k in np.flatnonzero(penalty[:shown]):
        error = error + np.outer(away[:, k], away[:, k])
    return float(slope[0, 0]), float(np.sqrt(error[0, 0] / inverse[0, 0]))


def _slopes(line: Line, fit: Fit) -> NDArray[np.float64]:
    """Of the true rates, shape (bins, parameters but the factors of the bins)."""
    columns = [
        (signal_rates(line, fit.edges, {k.name: 1.0}) - signal_rates(line, fit.edges, {k.name: -1}))
        / 2
        for k in line.knobs
    ]
    if line.background:
        columns.append(other_rates(line, fit.edges))
    return np.stack(columns, axis=1)


def _templates(line: Line, fit: Fit) -> NDArray[np.float64]:
    """Covariance of nominal templates: a fixed number of simulated events, with weights."""
    signal, other = covariances(line, fit.edges, poisson=False)
    scatter = np.exp(line.weights**2) * signal_events(line) * line.yields**2 / line.events
    return np.asarray(signal * scatter + other * N * line.background / line.events)


def _infinite(
    line: Line, fit: Fit, slopes: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[float, float]:
    """Actual and claimed variance of the mass with exact templates."""
    rates = signal_rates(line, fit.edges) + other_rates(line, fit.edges)
    exact = slopes.copy()
    if line.smooth != "none":
        first = np.cumsum([0, *(len(inner) + 1 for inner in fit.edges)])
        for start, end in itertools.pairwise(first):
            onto = _projection(rates[start:end], line.smooth)
            exact[start:end, : len(line.knobs)] = onto @ exact[start:end, : len(line.knobs)]
    used = np.abs(exact).sum(axis=0) > 0  # a parameter without an effect is none
    exact, penalty = exact[:, used], np.diag(fit.penalty[: len(used)][used])
    scores = exact / rates[:, None]
    best = _inverse(exact.T @ scores + penalty)
    actual = best @ (scores.T @ counts @ scores + penalty) @ best
    return float(actual[0, 0]), float(best[0, 0])


def _projection(rates: NDArray[np.float64], degree: int) -> NDArray[np.float64]:
    """On the rates times polynomials in the rank, orthogonal in 1 / rates."""
    rank = (np.cumsum(rates) - rates / 2) / rates.sum()
    basis = np.sqrt(rates)[:, None] * np.polynomial.chebyshev.chebvander(2 * rank - 1, degree)
    unit, _ = np.linalg.qr(basis)
    return np.asarray(np.sqrt(rates)[:, None] * (unit @ unit.T) / np.sqrt(rates))


def _inverse(information: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(information), dtype=np.float64)
