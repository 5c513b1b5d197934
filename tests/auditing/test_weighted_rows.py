"""Data whose events have several rows, and whose rows have weights, beside sums by hand.

A row of weight w adds w s to the score, an event the sum of its rows to the first power, and its
square to the covariance: fit, sandwich and bootstrap of the data in bins and without.
"""

import copy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.auditing import (
    AuditModel,
    DataFit,
    Expected,
    build_audit_workspace,
    fit_data,
    fit_data_unbinned,
    learn_unbinned,
    read_events,
)
from pullfactory.settings.audit import AuditConfig

Table = dict[str, NDArray[Any]]
Numbers = NDArray[np.float64]

EVENTS = 800
BINS = 8
WHERE = np.linspace(-2.0, 2.0, BINS + 1)
EDGES = {"x": 100 + 10 * WHERE, "y": 50 + 5 * WHERE}
SHIFTS = {"x": 2.0, "y": 0.5}
CONFIG: dict[str, Any] = {
    "name": "rows",
    "seed": 5,
    "poi": "t",
    "optimal": False,  # tests of their own
    "replicas": 10,
    "identifier": ["event"],
    "repeated": "cluster",
    "joint": {"n_bins": 0},
    "parameter": [{"name": "t", "constraint": "free"}],
    "observable": [
        {"name": name, "edges": edges.tolist(), "open_ends": True, "density": "normal"}
        for name, edges in EDGES.items()
    ],
    "samples": {
        "nominal": {"in_memory": True, "events": 2000.0},
        "t": {
            side: {"observables": {name: f"{name} {sign} {s}" for name, s in SHIFTS.items()}}
            for side, sign in (("up", "+"), ("down", "-"))
        },
        "data": {"in_memory": True, "weight": "w"},
    },
}


def rows(events: int, seed: int) -> Table:
    """One to four correlated rows of an event, anywhere in the table."""
    rng = np.random.default_rng(seed)
    event = rng.permutation(np.repeat(np.arange(events), rng.integers(1, 5, events)))
    common, own = rng.standard_normal((2, events)), rng.standard_normal((2, len(event)))
    u, v = 0.8 * common[:, event] + 0.6 * own
    return {"x": 100 + 10 * u, "y": 50 + 5 * (0.6 * u + 0.8 * v), "event": event}


def weighted(seed: int) -> Table:
    """Weights of events and of their rows; those of some rows, and of some events, are 0."""
    table, rng = rows(EVENTS, seed), np.random.default_rng(seed + 1)
    n = len(table["event"])
    weights = rng.lognormal(sigma=0.6, size=EVENTS)[table["event"]] * rng.uniform(0.5, 1.5, n)
    weights[rng.random(n) < 0.1] = 0.0
    weights[table["event"] < 30] = 0.0
    return table | {"w": weights / weights.mean()}


NOMINAL = rows(16_000, 1)


def fitted(data: Table, **settings: Any) -> tuple[DataFit, ...]:
    config = AuditConfig.from_dict(copy.deepcopy(CONFIG)).with_settings(settings)
    expected = Expected.of(config, read_events(config, {"nominal": NOMINAL, "data": data}))
    model = AuditModel.of(expected, build_audit_workspace(expected, expected.observed))
    binned = fit_data(model)
    if "toys.reservoir" in settings:
        return (binned,)
    return binned, fit_data_unbinned(model, learn_unbinned(model))


def squares(data: Table, scores: Numbers, law: str) -> float:
    """The covariance of the sum of the scores, of events of any weight."""
    each = np.bincount(data["event"], data["w"] * scores)
    used = np.bincount(data["event"], data["w"] != 0) > 0
    centred = float(each.sum()) ** 2 / float(used.sum()) if law == "fixed" else 0.0
    return float(each @ each) - centred


class Binned:
    """The binned fit of one free location."""

    def __init__(self, data: Table) -> None:
        self.data = data
        scale = 2000.0 / len(NOMINAL["x"])
        self.rates, up, down = (
            scale
            * np.concatenate(
                [
                    np.bincount(index(n, NOMINAL[n] + t * s), minlength=BINS)
                    for n, s in SHIFTS.items()
                ]
            )
            for t in (0, 1, -1)
        )
        self.slopes = (up - down) / 2
        self.bins = [o * BINS + index(name, data[name]) for o, name in enumerate(SHIFTS)]

    def fit(self, often: Numbers) -> float:
        """Newton's method, for how often each event comes."""
        weights = self.data["w"] * often[self.data["event"]]
        counts = sum(np.bincount(column, weights, len(self.rates)) for column in self.bins)
        t = 0.0
        for _ in range(12):
            rates = self.rates + t * self.slopes
            t += float(np.sum((counts / rates - 1) * self.slopes)) / float(
                np.sum(counts * (self.slopes / rates) ** 2)
            )
        return t

    def errors(self, law: str) -> tuple[float, float, float]:
        """Estimate, claimed error and that of the sandwich."""
        t = self.fit(np.ones(EVENTS))
        each = self.slopes / (self.rates + t * self.slopes)
        information = sum(float(self.data["w"] @ each[column] ** 2) for column in self.bins)
        scores = sum(each[column] for column in self.bins)
        scatter = squares(self.data, np.asarray(scores), law)
        return t, information**-0.5, scatter**0.5 / information


class Unbinned:
    """The fit of normal densities of one free location, which is a mean."""

    def __init__(self, data: Table) -> None:
        self.data = data
        self.moments = [
            (name, s, NOMINAL[name].mean(), NOMINAL[name].var()) for name, s in SHIFTS.items()
        ]

    def fit(self, often: Numbers) -> float:
        weights = self.data["w"] * often[self.data["event"]]
        total = sum(
            float(weights @ (self.data[n] - mean)) * s / variance
            for n, s, mean, variance in self.moments
        )
        return float(total / (weights.sum() * sum(s**2 / v for _, s, _, v in self.moments)))

    def errors(self, law: str) -> tuple[float, float, float]:
        """Estimate, claimed error and that of the sandwich."""
        t = self.fit(np.ones(EVENTS))
        information = float(self.data["w"].sum()) * sum(s**2 / v for _, s, _, v in self.moments)
        scores = sum((self.data[n] - m - s * t) * s / v for n, s, m, v in self.moments)
        scatter = squares(self.data, np.asarray(scores), law)
        return t, information**-0.5, scatter**0.5 / information


def by_hand(data: Table) -> tuple[Binned | Unbinned, ...]:
    return Binned(data), Unbinned(data)


def index(name: str, values: Numbers) -> NDArray[np.intp]:
    return np.searchsorted(EDGES[name][1:-1], values, side="right")


@pytest.mark.parametrize("law", ["poisson", "fixed"])
def test_fit_and_sandwich(law: str) -> None:
    data = weighted(2)
    for found, hand in zip(fitted(data, n_events_law=law), by_hand(data), strict=True):
        estimate, claimed, sandwich = hand.errors(law)
        assert found.fit.estimate[0, 0] == pytest.approx(estimate, abs=1e-3 * claimed)
        assert found.fit.error[0, 0] == pytest.approx(claimed, rel=1e-3)
        assert found.fit.corrected_error[0, 0] == pytest.approx(sandwich, rel=1e-3)
        assert sandwich > 1.6 * claimed
        assert found.groups is None


def test_one_row_twice_is_a_row_of_weight_2() -> None:
    """Copies of a row within its event are no further events: every error but the claimed stays."""
    data = weighted(3)
    copies = {name: np.tile(column, 2) for name, column in data.items()}
    heavy, twice = fitted(data | {"w": 2 * data["w"]}), fitted(copies)
    for one, other in zip(heavy, twice, strict=True):
        for key in ("estimate", "error", "corrected_error"):
            assert getattr(one.fit, key) == pytest.approx(getattr(other.fit, key), rel=1e-6)
        assert one.bootstrap == pytest.approx(other.bootstrap, rel=1e-6)


def test_rows_that_are_not_in_memory() -> None:
    """Everything but the bootstrap is the same."""
    data = weighted(4)
    whole, _ = fitted(data, replicas=200)
    (part,) = fitted(data, replicas=200, **{"toys.reservoir": 1000})
    assert part.groups == 128
    for key in ("estimate", "error", "corrected_error"):
        assert getattr(part.fit, key) == pytest.approx(getattr(whole.fit, key), rel=1e-6)
    few = np.sqrt(1 / (2 * 127) + 1 / (2 * 199))
    assert part.bootstrap[0] == pytest.approx(part.fit.corrected_error[0, 0], rel=4 * few)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["poisson", "fixed"])
def test_bootstrap(law: str) -> None:
    """1000 replicas know an error to 2.2 %, 4000 of NumPy to 1.1 %; 3 standard errors are 7.5 %."""
    data, rng = weighted(5), np.random.default_rng(9)
    used = np.flatnonzero(np.bincount(data["event"], data["w"] != 0))
    often = np.zeros((4000, EVENTS))
    often[:, used] = (
        rng.multinomial(len(used), np.full(len(used), 1 / len(used)), 4000)
        if law == "fixed"
        else rng.poisson(1.0, (4000, len(used)))
    )
    fits = fitted(data, n_events_law=law, replicas=1000)
    for found, hand in zip(fits, by_hand(data), strict=True):
        right = np.std([hand.fit(row) for row in often])
        assert found.bootstrap[0] == pytest.approx(right, rel=0.075)
        assert found.bootstrap[0] > 1.5 * found.fit.error[0, 0]
