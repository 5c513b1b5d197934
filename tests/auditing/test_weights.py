"""Weighted events of audits: an event of weight 2 is the event twice, with variance 4."""

import copy
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.auditing import (
    AuditModel,
    DataFit,
    ErrorModel,
    EventPool,
    Expected,
    build_audit_workspace,
    fit_data,
    fit_data_unbinned,
    learn_unbinned,
    linear_unbinned,
    measure_dependence,
    predict_errors,
    predict_unbinned,
    read_events,
    unbinned_obstacle,
)
from pullfactory.settings.audit import AuditConfig

Table = dict[str, NDArray[np.float64]]

N = 2000
BINS = 12
WHERE = np.linspace(-2.0, 2.0, BINS + 1)
EDGES = {"x": 100 + 10 * WHERE, "y": 50 + 5 * WHERE}
SHIFTS = {"x": 2.0, "y": 0.5}
CONFIG: dict[str, Any] = {
    "name": "weights",
    "seed": 5,
    "poi": "t",
    "optimal": False,  # tests of their own
    "replicas": 10,
    "joint": {"n_bins": 0},
    "parameter": [{"name": "t", "constraint": "free"}],
    "observable": [
        {"name": name, "edges": edges.tolist(), "open_ends": True, "density": "normal"}
        for name, edges in EDGES.items()
    ],
    "samples": {
        "nominal": {"in_memory": True, "events": float(N)},
        "t": {
            side: {"observables": {name: f"{name} {sign} {s}" for name, s in SHIFTS.items()}}
            for side, sign in (("up", "+"), ("down", "-"))
        },
        "data": {"in_memory": True, "weight": "w"},
    },
}


def pair(events: int, seed: int, t: float = 0.0) -> Table:
    """Two normal observables with a correlation of 0.6."""
    rng = np.random.default_rng(seed)
    u, v = rng.standard_normal((2, events))
    x, y = 100 + 10 * u, 50 + 5 * (0.6 * u + 0.8 * v)
    return {"x": x + SHIFTS["x"] * t, "y": y + SHIFTS["y"] * t, "w": np.ones(events)}


NOMINAL = pair(40_000, 1)


def prepared(tables: dict[str, Table], **settings: Any) -> AuditModel:
    """What the parts of an audit work with."""
    content = copy.deepcopy(CONFIG)
    if "data" not in tables:
        del content["samples"]["data"]
    config = AuditConfig.from_dict(content).with_settings(settings)
    expected = Expected.of(config, read_events(config, tables))
    counts = expected.observed if "data" in tables else None
    return AuditModel.of(expected, build_audit_workspace(expected, counts))


def fitted(data: Table, **settings: Any) -> DataFit:
    return fit_data(prepared({"nominal": NOMINAL, "data": data}, **settings))


def lognormal(seed: int) -> Table:
    data = pair(N, seed)
    data["w"] = np.random.default_rng(seed + 1).lognormal(sigma=1.0, size=N)
    data["w"] /= data["w"].mean()
    return data


class Numpy:
    """The binned fit of one free location, without the package."""

    def __init__(self, data: Table) -> None:
        scale = N / len(NOMINAL["x"])
        self.rates, self.slopes = (
            scale * np.concatenate([part(name) for name in EDGES])
            for part in (lambda n: histogram(n, 0.0), derivative)
        )
        self.bins = np.stack(
            [o * BINS + index(name, data[name]) for o, name in enumerate(EDGES)], axis=1
        )
        self.weights = data["w"]

    def counts(self, often: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape (replicas, bins), for how often each event comes."""
        return np.stack(
            [
                sum(
                    np.bincount(column, row * self.weights, len(self.rates))
                    for column in self.bins.T
                )
                for row in often
            ]
        )

    def fit(self, counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Newton's method, shape (replicas,)."""
        t = np.zeros(len(counts))
        for _ in range(12):
            rates = self.rates + t[:, None] * self.slopes
            gradient = np.sum((counts / rates - 1) * self.slopes, axis=1)
            t += gradient / np.sum(counts / rates**2 * self.slopes**2, axis=1)
        return t

    def errors(self) -> tuple[float, float, float]:
        """Estimate, claimed error and that of the sandwich."""
        counts = self.counts(np.ones((1, len(self.weights))))
        t = float(self.fit(counts)[0])
        rates = self.rates + t * self.slopes
        information = float(np.sum(counts * (self.slopes / rates) ** 2))
        scores = self.weights * (self.slopes / rates)[self.bins].sum(axis=1)
        return t, information**-0.5, float(np.sqrt(scores @ scores)) / information


def index(name: str, values: NDArray[np.float64]) -> NDArray[np.int_]:
    return np.searchsorted(EDGES[name][1:-1], values, side="right")


def histogram(name: str, t: float) -> NDArray[np.float64]:
    moved = NOMINAL[name] + SHIFTS[name] * t
    return np.bincount(index(name, moved), minlength=BINS).astype(float)


def derivative(name: str) -> NDArray[np.float64]:
    return (histogram(name, 1.0) - histogram(name, -1.0)) / 2


# --- the fit of the data --------------------------------------------------------------------------


@pytest.mark.parametrize("data", [pair(N, 2), lognormal(3)], ids=["ones", "log-normal"])
def test_fit_of_the_data_beside_numpy(data: Table) -> None:
    found = fitted(data)
    estimate, claimed, sandwich = Numpy(data).errors()
    assert found.fit.estimate[0, 0] == pytest.approx(estimate, abs=1e-3 * claimed)
    assert found.fit.error[0, 0] == pytest.approx(claimed, rel=1e-4)
    assert found.fit.corrected_error[0, 0] == pytest.approx(sandwich, rel=1e-4)
    assert found.groups is None


@pytest.mark.slow
@pytest.mark.parametrize("law", ["poisson", "fixed"])
@pytest.mark.parametrize("data", [pair(N, 2), lognormal(3)], ids=["ones", "log-normal"])
def test_bootstrap_of_the_data_beside_rows_drawn_in_numpy(data: Table, law: str) -> None:
    """2000 replicas have a standard error of 1.6 %, 8000 of numpy 0.8 %; together 1.8 %."""
    found = fitted(data, replicas=2000, n_events_law=law)
    other, rng = Numpy(data), np.random.default_rng(9)
    often = (
        rng.multinomial(N, np.full(N, 1 / N), 8000).astype(float)
        if law == "fixed"
        else rng.poisson(1.0, (8000, N)).astype(float)
    )
    right = other.fit(other.counts(often)).std()
    assert found.bootstrap[0] == pytest.approx(right, rel=0.03)
    assert found.bootstrap_error[0] == pytest.approx(found.bootstrap[0] / np.sqrt(2 * 1999))


def test_events_of_little_weight_hardly_count() -> None:
    """As many events of another mass, each with a thousandth of the weight."""
    alone, others = pair(N, 4, t=-0.4), pair(N, 5, t=9.0)
    others["w"] = np.full(N, 0.001)
    both = {name: np.concatenate([alone[name], others[name]]) for name in alone}
    fits = []
    for data in (alone, both):
        model = prepared({"nominal": NOMINAL, "data": data})
        unbinned = fit_data_unbinned(model, learn_unbinned(model))
        fits.append((fit_data(model), unbinned))
    for without, found in zip(*fits, strict=True):
        # A part of 0.001 of the weight at a distance of 9.4 moves the mean by 0.0094.
        assert found.fit.estimate[0, 0] == pytest.approx(without.fit.estimate[0, 0], abs=0.02)
        assert found.fit.corrected_error[0, 0] == pytest.approx(
            without.fit.corrected_error[0, 0], rel=0.02
        )


def test_data_of_weight_2_are_the_data_twice() -> None:
    """The sandwich is that of the events once: it knows that there are no more of them."""
    data = pair(N, 6)
    twice = {name: np.tile(column, 2) for name, column in data.items()}
    heavy = data | {"w": np.full(N, 2.0)}
    tables = {"once": data, "heavy": heavy, "twice": twice}
    found: dict[str, list[DataFit]] = {}
    for label, table in tables.items():
        model = prepared({"nominal": NOMINAL, "data": table})
        unbinned = fit_data_unbinned(model, learn_unbinned(model))
        found[label] = [fit_data(model), unbinned]
    for once, weighted, doubled in zip(*found.values(), strict=True):
        error = once.fit.error[0, 0]
        assert weighted.fit.error[0, 0] == pytest.approx(doubled.fit.error[0, 0], rel=1e-6)
        for other in (once, doubled):
            assert weighted.fit.estimate[0, 0] == pytest.approx(
                other.fit.estimate[0, 0], abs=1e-3 * error
            )
        sandwiches = [each.fit.corrected_error[0, 0] for each in (once, weighted, doubled)]
        assert sandwiches[1] == pytest.approx(sandwiches[0], rel=1e-4)
        assert sandwiches[2] == pytest.approx(sandwiches[0] / np.sqrt(2), rel=1e-4)


def test_data_that_are_not_in_memory_are_drawn_in_groups() -> None:
    """Everything but the bootstrap is the same, and that one knows how well it is known."""
    data = lognormal(7)
    whole, part = fitted(data, replicas=200), fitted(data, replicas=200, **{"toys.reservoir": 1000})
    assert part.groups == 128
    for attribute in ("estimate", "error", "corrected_error"):
        assert getattr(part.fit, attribute) == pytest.approx(
            getattr(whole.fit, attribute), rel=1e-6
        )
    few = np.sqrt(1 / (2 * 127) + 1 / (2 * 199))
    assert part.bootstrap_error[0] == pytest.approx(few * part.bootstrap[0])
    assert part.bootstrap[0] == pytest.approx(part.fit.corrected_error[0, 0], rel=4 * few)


def test_data_that_no_density_takes() -> None:
    data = lognormal(8)
    reasons = []
    for table, settings in (
        (data | {"w": np.where(np.arange(N) < 3, -0.5, 1.0)}, {}),
        (data, {"toys.reservoir": 1000}),
        (data, {}),
    ):
        model = prepared({"nominal": NOMINAL, "data": table}, **settings)
        reasons.append(unbinned_obstacle(model.expected.read("data")))
    assert reasons == [
        "3 of 2000 events of the data have negative weights",
        "2000 events of the data are more than toys.reservoir = 1000 keeps in memory",
        None,
    ]


# --- simulated events -----------------------------------------------------------------------------


def test_simulated_events_of_weight_2() -> None:
    """Predictions, densities and correlations are those of the event twice, noise is not."""
    rng = np.random.default_rng(11)
    plain = {name: column[:6000] for name, column in NOMINAL.items()}
    heavy = rng.random(6000) < 0.3
    twice = np.concatenate([np.arange(6000), np.flatnonzero(heavy)])
    tables = (
        plain | {"w": np.where(heavy, 2.0, 1.0)},
        {name: column[twice] for name, column in plain.items()},
    )
    predicted, places, unbinned, dependence, drawn = [], [], [], [], []
    for table in tables:
        model = prepared({"nominal": table}, weight="w")
        predicted.append(predict_errors(ErrorModel.of(model)))
        densities = learn_unbinned(model)
        places.append(densities.places)
        unbinned.append(predict_unbinned(model, densities, linear_unbinned(model, densities)))
        nominal, often = model.expected.nominal, model.expected.redraws()
        dependence.append(measure_dependence(nominal, ("x", "y"), often)[0])
        pool = EventPool.of(model)
        _, event = np.unique(pool.values[:, 0], return_inverse=True)
        drawn.append(np.bincount(event, np.diff(pool.cumulative, prepend=0.0)))
    assert drawn[0] == pytest.approx(drawn[1], rel=1e-9)  # probability of each event in the toys
    for weighted, doubled in (predicted, unbinned):
        assert weighted.claimed == pytest.approx(doubled.claimed, rel=1e-9)
        assert weighted.actual == pytest.approx(doubled.actual, rel=1e-9)
    assert places[0] == pytest.approx(places[1], rel=1e-9)
    assert dependence[0].pearson == pytest.approx(dependence[1].pearson, rel=1e-9)
    assert dependence[0].spearman == pytest.approx(dependence[1].spearman, rel=1e-9)
    # Sums of squared weights: 1 + 3 of the heavy part instead of 1 + 1, for scores that do not
    # depend on which events are heavy; these are a random third.
    part = heavy.mean()
    ratio = np.sqrt((1 + 3 * part) / (1 + part))
    for weighted, doubled in (predicted, unbinned):
        assert weighted.template / doubled.template == pytest.approx(ratio, rel=0.03)


def test_few_expected_events_are_expected_all_the_same() -> None:
    """Groups of events then stand for less than one; errors still go with the root of all."""
    errors = []
    for events in (50.0, 5000.0):
        model = prepared({"nominal": NOMINAL}, **{"samples.nominal.events": events})
        densities = learn_unbinned(model)
        predicted = predict_unbinned(model, densities, linear_unbinned(model, densities))
        errors.append(np.array(predicted.errors))
    assert errors[0] == pytest.approx(10 * errors[1], rel=1e-9)
