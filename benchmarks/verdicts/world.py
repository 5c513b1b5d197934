"""Events of a line, and their densities integrated over bins: no part of the package is here.

An observable of the signal is Gaussian, or a Gaussian peak on a wide rest that responds to nothing;
a background is Gaussian and wide. Only the peak has observables that are correlated.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from benchmarks.verdicts.lines import Knob, Line, N

CENTRE, WIDTH = np.array([170.0, 83.0, 120.0]), np.array([10.0, 7.0, 12.0])
REST, REST_WIDTH = CENTRE + 0.5 * WIDTH, 3.0 * WIDTH
OTHER, OTHER_WIDTH = np.array([165.0, 80.0, 118.0]), np.array([25.0, 15.0, 25.0])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_FAR = 8.5  # widths, beyond which nothing is

Edges = Sequence[NDArray[np.float64]]
"""Inner edges of the bins of each observable; outer bins are open."""


def draw(
    line: Line,
    rng: np.random.Generator,
    number: int,
    theta: Mapping[str, float | NDArray[np.float64]] = {},
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Events of the signal.

    Args:
        line: Kind of the audit.
        rng: Draws them.
        number: How many.
        theta: Where the parameters are, in their units: numbers, or one for each event.

    Returns:
        Values of shape (observables, number), and which events are in the peak.
    """
    z = rng.standard_normal((line.observables, number))
    if line.rho:
        root = np.linalg.cholesky(_correlation(line))
        z = root @ z
    value = np.empty_like(z)
    for o in range(line.observables):
        location, width = _peak(line, o, theta)
        value[o] = location + width * z[o]
    peak = np.ones(number, dtype=bool)
    if line.peak < 1:
        peak = rng.random(number) < line.peak
        rest = rng.standard_normal((line.observables, number))
        places, widths = (a[: line.observables, None] for a in (REST, REST_WIDTH))
        value = np.where(peak, value, places + widths * rest)
    return value, peak


def draw_other(line: Line, rng: np.random.Generator, number: int) -> NDArray[np.float64]:
    """Events of the background, shape (observables, number)."""
    places, widths = (a[: line.observables, None] for a in (OTHER, OTHER_WIDTH))
    return np.asarray(places + widths * rng.standard_normal((line.observables, number)))


def _correlation(line: Line) -> NDArray[np.float64]:
    n = line.observables
    return np.full((n, n), line.rho) + (1 - line.rho) * np.eye(n)


def _peak(
    line: Line, o: int, theta: Mapping[str, float | NDArray[np.float64]]
) -> tuple[float | NDArray[np.float64], float | NDArray[np.float64]]:
    """Location and width of one observable."""
    moved = [(knob, theta[knob.name]) for knob in line.knobs if knob.name in theta]
    location = CENTRE[o] + sum(knob.moves[o] * at for knob, at in moved)
    return location, WIDTH[o] * (1.0 + sum(knob.widens[o] * at for knob, at in moved))


def expression(line: Line, knob: Knob, side: str, o: int) -> str:
    """How a column of nominal events is changed, as events drawn there would be."""
    name, sign = line.names[o], knob.step if side == "up" else -knob.step
    change = f"({sign * knob.moves[o]} + {sign * knob.widens[o]} * ({name} - {CENTRE[o]}))"
    return f"{name} + {change}" + (" * peak" if line.peak < 1 else "")


# --- integrals ------------------------------------------------------------------------------------


def signal_events(line: Line) -> float:
    """Expected in the data."""
    return N * (1.0 - line.background)


def fixed_edges(line: Line) -> list[list[float]]:
    """Bins of equal population, without simulated events; two more beyond everything."""
    levels = ndtri(np.arange(1, line.bins) / line.bins)
    found = []
    for centre, width in zip(CENTRE, WIDTH, strict=True):
        ends = centre + 12 * width * np.array([-1.0, 1.0])
        found.append([float(ends[0]), *(centre + width * levels).tolist(), float(ends[1])])
    return found[: line.observables]


def signal_rates(line: Line, edges: Edges, theta: Mapping[str, float] = {}) -> NDArray[np.float64]:
    """Expected events of the signal, shape (bins of all observables,)."""
    found = []
    for o, inner in enumerate(edges):
        location, width = _peak(line, o, theta)
        part = line.peak * _parts((inner - location) / width)
        found.append(part + (1 - line.peak) * _parts((inner - REST[o]) / REST_WIDTH[o]))
    return signal_events(line) * np.concatenate(found)


def other_rates(line: Line, edges: Edges) -> NDArray[np.float64]:
    """Expected events of the background, of the same shape."""
    each = [_parts((inner - OTHER[o]) / OTHER_WIDTH[o]) for o, inner in enumerate(edges)]
    return N * line.background * np.concatenate(each)


def covariances(
    line: Line, edges: Edges, *, poisson: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Covariance of the counts of signal and background, each of shape (bins, bins).

    Args:
        line: Kind of the audit.
        edges: Of the bins.
        poisson: Whether the number of events is Poisson, and not fixed.
    """
    events = signal_events(line), N * line.background
    rates = signal_rates(line, edges), other_rates(line, edges)
    first = np.cumsum([0, *(len(inner) + 1 for inner in edges)])
    found = []
    for number, rate, pairs in zip(events, rates, (_pairs, None), strict=True):
        full = np.diag(rate)
        for a, b in itertools.combinations(range(len(edges)), 2):
            rows, columns = slice(*first[a : a + 2]), slice(*first[b : b + 2])
            outer = np.outer(rate[rows], rate[columns]) / max(number, 1.0)
            full[rows, columns] = pairs(line, edges, (a, b)) if pairs else outer
            full[columns, rows] = full[rows, columns].T
        if not poisson and number:
            full = full - np.outer(rate, rate) / number
        found.append(full)
    return found[0], found[1]


def _pairs(line: Line, edges: Edges, pair: tuple[int, int]) -> NDArray[np.float64]:
    """Expected events of the signal in pairs of bins of two observables."""
    ends = [np.r_[-_FAR, ((edges[o] - CENTRE[o]) / WIDTH[o]).clip(-_FAR, _FAR), _FAR] for o in pair]
    half = np.diff(ends[0])[:, None] / 2
    z = ends[0][:-1, None] + half * (1 + _NODES)
    weight = half * _WEIGHTS * norm.pdf(z)
    below = ndtr((ends[1] - line.rho * z[..., None]) / np.sqrt(1 - line.rho**2))
    peak = np.einsum("an,anb->ab", weight, np.diff(below, axis=-1))
    rest = [_parts((edges[o] - REST[o]) / REST_WIDTH[o]) for o in pair]
    return np.asarray(signal_events(line) * (line.peak * peak + (1 - line.peak) * np.outer(*rest)))


def _parts(inner: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.diff(ndtr(inner), prepend=0.0, append=1.0))


def data_sets(
    line: Line, rng: np.random.Generator, theta: Mapping[str, NDArray[np.float64]]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """New data at many truths: the number of the data set of each event, and its observables.

    Args:
        line: Kind of the audit.
        rng: Draws them.
        theta: Truths of the parameters, each of shape (data sets,).

    Yields:
        Signal and background: numbers of shape (events,), values of (observables, events).
    """
    sets = len(next(iter(theta.values())))
    for number, other in ((signal_events(line), False), (N * line.background, True)):
        sizes = rng.poisson(number, sets) if line.poisson else np.full(sets, round(number))
        owner = np.repeat(np.arange(sets), sizes)
        if other:
            yield owner, draw_other(line, rng, len(owner))
        else:
            at = {name: each[owner] for name, each in theta.items()}
            yield owner, draw(line, rng, len(owner), at)[0]
