"""Toys at the fitted point, drawn from the events themselves.

The events are given weights with which the bins of every observable have the fitted rates: of all
such weights those closest to what simulation gives them (Ireland and Kullback, Biometrika 55
(1968) 179, doi:10.1093/biomet/55.1.179). They are w_i exp(sum_b lambda_b c_ib), c_ib the number of
rows that event i has in bin b, so how the observables depend on each other stays that of the
events. The lambda minimise a convex function (Darroch and Ratcliff, Ann. Math. Stat. 43 (1972)
1470, doi:10.1214/aoms/1177692379), a small ridge on which lets channels differ in what they say of
the number of their common events.

The fit has templates that scatter around the truth, and so must toys: each draws the events by
other weights, multiplied by random numbers of mean and variance 1 (Rubin, Ann. Stat. 9 (1981) 130,
doi:10.1214/aos/1176345338). With a `staterror` this scatter is in the auxiliary values.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from pullfactory.auditing.expected import Expected
from pullfactory.auditing.influence import sides_of
from pullfactory.auditing.model import AuditModel, rates_and_slopes
from pullfactory.auditing.pool import refuse_negative
from pullfactory.auditing.reading import ReadSample
from pullfactory.auditing.tally import GROUPS
from pullfactory.events import first_rows
from pullfactory.fitting.information import symmetric_root
from pullfactory.random import Stream, generator

_BLOCK_TOYS = 64
_RIDGE = 1e-3  # of the variance of the counts: what rates of channels may differ by
_FAR = 2.0  # logarithm of a factor of events: beyond, noise is no longer small
_STEPS, _HALVINGS, _ARRIVED = 50, 30, 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedPool:
    """Events of all processes, weighted to the rates of a fit.

    Attributes:
        model: Its likelihood.
        theta: The fitted point, all parameters of the likelihood, shape (parameters,).
        rows: Rows of each event in the bins of all channels, shape (events, bins), sparse.
        weights: Expected number of each event in the data, shape (events,).
        sample: Process of each event, shape (events,).
        held: Expected events of each process where they do not depend on the events that were
            simulated, else NaN; shape (processes,).
        kept: Part of the events of the templates of each process that are in the pool, shape
            (processes,).
        data_weights: Weights of the events of the data, of which those of toys are drawn; None
            where all are 1.
        data_events: Number of events of the data.
    """

    model: AuditModel
    theta: NDArray[np.float64]
    rows: Any
    weights: NDArray[np.float64]
    sample: NDArray[np.intp]
    held: NDArray[np.float64]
    kept: NDArray[np.float64]
    data_weights: NDArray[np.float64] | None
    data_events: int

    @classmethod
    def of(cls, model: AuditModel, theta: NDArray[np.float64]) -> "FittedPool":
        """The pool of a fit.

        Args:
            model: With data among its samples.
            theta: Estimates of all parameters of its likelihood, shape (parameters,).

        Raises:
            EventsError: If an event has a negative weight.
        """
        expected = model.expected
        refuse_negative(sample.read.check for sample in expected.nominal)
        parts = [_events(model, sample.read) for sample in expected.nominal]
        factors = _rate_factors(model, theta)
        held, kept, weights = [], [], []
        for sample, (_, each), factor in zip(expected.nominal, parts, factors, strict=True):
            own = factor * sample.yields / sample.read.rows.weights.sum()
            weights.append(own * each)
            read = sample.read
            of_templates = read.check.selected * (1.0 - expected.config.toys.held_apart)
            kept.append(min(1.0, len(read.rows) / of_templates))
            held.append(np.nan if sample.normalised is None else 1.0)
        rows = sparse.vstack([matrix for matrix, _ in parts], format="csr")
        rates, _ = rates_and_slopes(model.likelihood, theta)
        raked = rake(rows, np.concatenate(weights), rates)
        sample_of = np.repeat(np.arange(len(parts)), [len(each) for _, each in parts])
        return cls(
            model=model,
            theta=theta,
            rows=rows,
            weights=raked,
            sample=sample_of,
            held=np.array(held) * np.bincount(sample_of, raked, len(parts)),
            kept=np.array(kept),
            **_data(expected),
        )

    @property
    def block_size(self) -> int:
        """Toys per block."""
        return min(_BLOCK_TOYS, self.model.likelihood.block)

    def draw(self, block: int) -> NDArray[np.float64]:
        """Data of one block of toys, with auxiliary values, shape (toys, bins + auxdata).

        Args:
            block: Which block, from 0.
        """
        likelihood, toys = self.model.likelihood, self.block_size
        rng = generator(self.model.expected.config.seed, Stream.AUDIT_FITTED, block)
        counts = np.stack([self._counts(rng) for _ in range(toys)])
        normal = rng.standard_normal((toys, len(likelihood.aux_index)))
        own = self.theta[list(likelihood.aux_index)] * likelihood.aux_factor
        centre = np.where(self.model.aux_drawn, own, likelihood.observed[likelihood.n_main :])
        return np.concatenate([counts, centre + normal @ self._aux_root], axis=1)

    def _counts(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """One toy, shape (bins,)."""
        last = np.cumsum(self._scattered(rng))
        if self.model.expected.config.n_events_law == "fixed":
            n = self.data_events
        else:
            mean = 1.0 if self.data_weights is None else self.data_weights.mean()
            n = int(rng.poisson(last[-1] / mean))
        drawn = last.searchsorted(rng.random(n) * last[-1], side="right").clip(max=len(last) - 1)
        if self.data_weights is None:
            weights = np.bincount(drawn, minlength=len(last))
        else:
            own = self.data_weights[rng.integers(len(self.data_weights), size=n)]
            weights = np.bincount(drawn, own, len(last))
        used = np.flatnonzero(weights)
        return np.asarray(self.rows[used].T @ weights[used].astype(np.float64))

    def _scattered(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Expected number of each event where the simulated ones are others, shape (events,)."""
        if self.model.expected.config.workspace.staterror:
            return self.weights
        weights = self.weights * self._multiplicities(rng)
        if self._bending:
            change = self._variation_noise(rng)
            factor = self.rows @ linalg.cho_solve(self._curvature, change)
            weights *= np.exp(np.clip(factor, -_FAR, _FAR))
        total = np.bincount(self.sample, weights, len(self.held))
        again = np.where(np.isnan(self.held), 1.0, self.held / total)
        return weights * again[self.sample]

    def _multiplicities(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Of mean 1, and of variance 1 where all events of the templates are here."""
        if np.all(self.kept == 1.0):
            return rng.standard_exponential(len(self.weights))
        variance = self.kept[self.sample]
        return np.asarray(rng.standard_gamma(1.0 / variance) * variance)

    def _variation_noise(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """How the rates scatter because the samples of variations do, shape (bins,)."""
        change = np.zeros(self.rows.shape[1])
        for _, bends in self._bending:
            often = rng.multinomial(GROUPS, np.full(GROUPS, 1.0 / GROUPS))
            for channels, events in bends:
                scale = events.sum() / (often @ events) if events is not None else 1.0
                change += (scale * often - 1.0) @ channels
        return change

    @cached_property
    def _bending(
        self,
    ) -> list[tuple[str, list[tuple[NDArray[np.float64], NDArray[np.float64] | None]]]]:
        """By family what variations with events of their own add to the rates.

        A variation of the nominal events scatters with these. To first order a parameter adds half
        the difference of its samples up and down, times its estimate in steps.
        """
        expected, likelihood = self.model.expected, self.model.likelihood
        places = [likelihood.channel_slice(name) for name in expected.config.observable_names]
        factors = _rate_factors(self.model, self.theta)
        found: dict[str, list[tuple[NDArray[np.float64], NDArray[np.float64] | None]]] = {}
        for process, factor in zip(expected.processes, factors, strict=True):
            for parameter in expected.config.parameter:
                steps = self.theta[likelihood.positions(parameter.name)[0]] / parameter.step
                for side in sides_of(process, parameter.name):
                    if side.family == process.nominal.family or not steps:
                        continue
                    sample = expected.sample(side.role)
                    channels = np.zeros((GROUPS, self.rows.shape[1]))
                    for place, counts in zip(places, sample.read.counts.channels, strict=True):
                        channels[:, place] = side.times * steps * factor * sample.factor * counts
                    scaled = sample.normalised is not None
                    events = sample.read.counts.events if scaled else None
                    found.setdefault(side.family, []).append((channels, events))
        return sorted(found.items())

    @cached_property
    def _curvature(self) -> Any:
        rates, _ = rates_and_slopes(self.model.likelihood, self.theta)
        return linalg.cho_factor(_curvature(self.rows, self.weights, np.maximum(rates, 1e-9)))

    @cached_property
    def _aux_root(self) -> NDArray[np.float64]:
        return symmetric_root(self.model.aux_covariance)


def rake(
    rows: Any, weights: NDArray[np.float64], rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights of events closest to given ones with which bins have given rates.

    Args:
        rows: Rows of each event in each bin, shape (events, bins), sparse.
        weights: Positive, shape (events,).
        rates: Shape (bins,).

    Returns:
        Shape (events,).
    """
    wanted = np.maximum(rates, 0.0)
    at = np.zeros(len(rates))
    ridge = _RIDGE * np.maximum(wanted, 1e-9)

    def dual(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        with np.errstate(over="ignore", invalid="ignore"):
            own = weights * np.exp(rows @ point)
            return float(own.sum() - point @ wanted + 0.5 * np.sum(ridge * point**2)), own

    value, own = dual(at)
    for _ in range(_STEPS):
        slope = rows.T @ own - wanted + ridge * at
        step = linalg.solve(_curvature(rows, own, wanted), slope, assume_a="pos")
        if step @ slope <= _ARRIVED:
            break
        for _ in range(_HALVINGS):
            new_value, new = dual(at - step)
            if new_value <= value:
                break
            step = step / 2
        else:
            break
        at, value, own = at - step, new_value, new
    return own


def _curvature(
    rows: Any, weights: NDArray[np.float64], rates: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Second derivative of the function that `rake` minimises, shape (bins, bins)."""
    found = (rows.T.multiply(weights).tocsr() @ rows).toarray()
    return np.asarray(found + np.diag(_RIDGE * np.maximum(rates, 1e-9)))


def _events(model: AuditModel, read: ReadSample) -> tuple[Any, NDArray[np.float64]]:
    """Rows of the events of a sample in the bins of all channels, and the events' weights."""
    rows, expected = read.rows, model.expected
    event, weights = np.arange(len(rows)), rows.weights
    if expected.config.repeated == "cluster":
        first = first_rows(rows.keys) == event
        event, weights = np.cumsum(first) - 1, rows.weights[first]
    owner, place = [], []
    for o, (name, axis) in enumerate(
        zip(expected.config.observable_names, expected.events.axes, strict=True)
    ):
        found = axis.index(rows.values[:, o])
        inside = found < axis.size
        owner.append(event[inside])
        place.append(model.likelihood.channel_slice(name).start + found[inside])
    entries = (np.concatenate(owner), np.concatenate(place))
    shape = (len(weights), model.likelihood.n_main)
    return sparse.csr_matrix((np.ones(len(entries[0])), entries), shape=shape), weights


def _rate_factors(model: AuditModel, theta: NDArray[np.float64]) -> list[float]:
    """By what the fit multiplies the rate of each process."""
    found = []
    for process in model.expected.processes:
        if process.norm_name is None:
            found.append(1.0)
            continue
        estimate = float(theta[model.likelihood.positions(process.norm_name)[0]])
        if process.norm == "free":
            found.append(max(estimate, 1e-6))
        else:
            found.append((1.0 + float(process.norm)) ** estimate)
    return found


def _data(expected: Expected) -> dict[str, Any]:
    """Weights and number of the events of the data."""
    read = expected.read("data")
    weights = read.rows.weights
    if expected.config.repeated == "cluster":
        weights = weights[first_rows(read.rows.keys) == np.arange(len(weights))]
    events = read.check.events if read.check.events is not None else read.check.selected
    return {
        "data_weights": None if np.all(weights == 1.0) else weights,
        "data_events": int(events),
    }
