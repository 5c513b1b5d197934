"""Several rows of one event: every number of an audit beside sums over events by hand.

The score of an event is the sum of those of its rows, so that errors of independent rows are too
small where the rows of an event are alike. Everything here is computed with NumPy from the events,
with the edges of the bins alone taken from the audit.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory import AuditConfig, AuditResult, audit
from pullfactory.auditing import read_events
from pullfactory.auditing.rows import AuditRow
from pullfactory.errors import EventsError, StudyError

Table = dict[str, NDArray[Any]]
Pair = Callable[[int, float, int], Table]

ROWS = 1000.0  # expected in the data
SHIFTS = {"x": 2.0, "y": 0.5}
CENTRES = {"x": 100.0, "y": 50.0}


def candidates(events: int, seed: int, *, weighted: bool, shift: float = 0.0) -> Table:
    """One to five rows of an event, with correlated values, in any order."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(1, 6, events)
    event = np.repeat(np.arange(events), rows)
    common, own = rng.standard_normal((2, events)), rng.standard_normal((2, len(event)))
    u, v = 0.8 * common[:, event] + 0.6 * own
    weights = rng.choice([0.5, 1.0, 1.5], events) if weighted else np.ones(events)
    table = {
        "x": 100 + 10 * u + 2.0 * shift,
        "y": 50 + 5 * (0.5 * u + 0.75**0.5 * v) + 0.5 * shift,
        "run": 1 + event // 1000,
        "event": event % 1000,
        "w": weights[event],
    }
    order = rng.permutation(len(event))
    return {name: column[order] for name, column in table.items()}


@pytest.fixture
def clustered(location: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a free location, with identifiers."""
    location["samples"]["nominal"] = {"in_memory": True, "events": ROWS}
    location |= {"identifier": ["run", "event"], "repeated": "cluster", "joint": {"n_bins": 0}}
    location["optimal"] = True
    location["workspace"] = {"n_bins": 10, "smooth": "none"}
    return location


def owners(table: Table) -> NDArray[np.intp]:
    return np.unique(table["run"] * 10**6 + table["event"], return_inverse=True)[1]


def per_event(table: Table, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(owners(table), scores).astype(np.float64)


def edges(result: AuditResult) -> list[NDArray[np.float64]]:
    return [np.concatenate([[-np.inf], a.edges[1:-1], [np.inf]]) for a in result.axes]


class ByHand:
    """Rates and slopes of two observables in bins, and the score of every row."""

    def __init__(self, result: AuditResult, table: Table) -> None:
        self.edges, self.rates, self.slopes = edges(result), [], []
        factor = ROWS / table["w"].sum()
        for name, at in zip(SHIFTS, self.edges, strict=True):
            base, up, down = (
                factor * np.histogram(table[name] + s * SHIFTS[name], at, weights=table["w"])[0]
                for s in (0, 1, -1)
            )
            self.rates.append(base)
            self.slopes.append((up - down) / 2)

    def scores(self, table: Table, theta: float = 0.0) -> NDArray[np.float64]:
        """d log(rate) / d theta of the bins that each row is in, summed over its observables."""
        total = np.zeros(len(table["x"]))
        for name, at, rate, slope in zip(SHIFTS, self.edges, self.rates, self.slopes, strict=True):
            bins = np.searchsorted(at, table[name], side="right") - 1
            total += (slope / (rate + theta * slope))[bins]
        return total

    @property
    def information(self) -> float:
        return sum(float(np.sum(s**2 / r)) for s, r in zip(self.slopes, self.rates, strict=True))

    def fit(self, table: Table, weights: NDArray[np.float64]) -> float:
        """Where the score of weighted rows is 0, by Newton's method."""
        theta = 0.0
        for _ in range(30):
            squares = sum(
                float(
                    weights
                    @ (
                        (slope / (rate + theta * slope))[
                            np.searchsorted(at, table[name], side="right") - 1
                        ]
                        ** 2
                    )
                )
                for name, at, rate, slope in zip(
                    SHIFTS, self.edges, self.rates, self.slopes, strict=True
                )
            )
            total = sum(float(s.sum()) for s in self.slopes)
            theta += (float(weights @ self.scores(table, theta)) - total) / squares
        return theta


def row_of(result: AuditResult, method: str) -> AuditRow:
    (found,) = (row for row in result.rows if row.method == method)
    return found


@pytest.mark.parametrize("law", ["poisson", "fixed"])
@pytest.mark.parametrize("weighted", [False, True])
def test_binned_prediction(clustered: dict[str, Any], law: str, weighted: bool) -> None:
    table = candidates(4000, 1, weighted=weighted)
    clustered |= {"n_events_law": law, "weight": "w", "replicas": 50}
    clustered["toys"]["unbinned"] = "none"
    result = audit(clustered, {"nominal": table})
    row, hand = row_of(result, "binned"), ByHand(result, table)
    factor = ROWS / table["w"].sum()
    scores, weights = per_event(table, hand.scores(table)), np.zeros(4000)
    weights[owners(table)] = factor * table["w"]
    scatter = float(weights @ scores**2)
    if law == "fixed":
        scatter -= float(weights @ scores) ** 2 / float(weights.sum())
    assert row.claimed_error == pytest.approx(hand.information**-0.5, rel=1e-9)
    assert row.actual_error == pytest.approx(scatter**0.5 / hand.information, rel=1e-9)
    if law == "poisson":  # rows taken for events
        alone = float(factor * table["w"] @ hand.scores(table) ** 2)
        assert row.actual_error > 1.4 * alone**0.5 / hand.information
    # The noise of the templates, of a sample whose sum of weights is known.
    counted = per_event(table, np.ones(len(table["x"])))
    mean = float(weights @ scores) / float(weights @ counted)
    noise = float(weights**2 @ (scores - mean * counted) ** 2)
    assert row.template_noise == pytest.approx(noise**0.5 / hand.information, rel=1e-9)
    (check,) = (check for check in result.checks if check.role == "nominal")
    assert (check.events, check.rows) == (4000, len(table["x"]))
    squares = per_event(table, table["w"]) ** 2
    assert check.effective == pytest.approx(table["w"].sum() ** 2 / squares.sum())
    # ... and of every bin of every template.
    for name, histogram, at in zip(SHIFTS, result.templates, edges(result), strict=True):
        for role, shift in (("nominal", 0), ("t.up", 1), ("t.down", -1)):
            bins = np.searchsorted(at, table[name] + shift * SHIFTS[name], side="right") - 1
            inside = [per_event(table, factor * table["w"] * (bins == b)) for b in range(10)]
            expected = [float(np.sum(each**2)) for each in inside]
            variances = np.asarray(histogram.variances())
            found = variances[list(histogram.axes[0]).index(role)]
            assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("law", ["poisson", "fixed"])
def test_copies_of_a_row(clustered: dict[str, Any], pair: Pair, law: str) -> None:
    """Four copies of every row are the measurement that one is; the fit claims half its error."""
    table = pair(4000, 0.5, 12) | {"run": np.ones(4000, dtype=int), "event": np.arange(4000)}
    clustered |= {"n_events_law": law, "replicas": 50}
    clustered["toys"]["unbinned"] = "none"
    once = row_of(audit(clustered, {"nominal": table}), "binned")
    clustered["samples"]["nominal"]["events"] = 4 * ROWS
    copies = {name: np.tile(column, 4) for name, column in table.items()}
    four = row_of(audit(clustered, {"nominal": copies}), "binned")
    assert four.actual_error == pytest.approx(once.actual_error, rel=1e-9)
    assert four.actual_error_error == pytest.approx(once.actual_error_error, rel=1e-6)
    assert four.claimed_error == pytest.approx(once.claimed_error / 2, rel=1e-9)
    assert four.template_noise == pytest.approx(once.template_noise, rel=1e-9)


def test_unbinned_prediction(clustered: dict[str, Any]) -> None:
    table = candidates(4000, 2, weighted=True)
    clustered |= {"weight": "w", "replicas": 50}
    row = row_of(audit(clustered, {"nominal": table}), "unbinned")
    weights, score, information = table["w"] * ROWS / table["w"].sum(), 0.0, 0.0
    for name, shift in SHIFTS.items():
        mean = np.average(table[name], weights=weights)
        variance = np.average((table[name] - mean) ** 2, weights=weights)
        score = score + shift * (table[name] - mean) / variance
        information += ROWS * shift**2 / variance
    each = np.zeros(4000)
    each[owners(table)] = weights
    scatter = float(each @ per_event(table, np.asarray(score)) ** 2)
    assert row.claimed_error == pytest.approx(information**-0.5, rel=1e-4)
    assert row.actual_error == pytest.approx(scatter**0.5 / information, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["poisson", "fixed"])
def test_toys(clustered: dict[str, Any], law: str) -> None:
    """Toys of whole events are as wide as predicted, and know it."""
    clustered |= {"n_events_law": law, "weight": "w", "replicas": 50}
    clustered["toys"] = {"n_toys": 400}
    result = audit(clustered, {"nominal": candidates(8000, 3, weighted=True)}, workers=1)
    assert {row.method for row in result.pulls} == {"binned", "unbinned", "binned_optimal"}
    assert result.toys.toys is not None
    toys = result.toys.toys.read().to_pandas()
    for row in result.pulls:
        pulls, predicted = row.pulls, row.pulls.predicted_width
        assert pulls.width is not None
        assert pulls.width_error is not None
        assert predicted is not None
        if row.method != "binned_optimal":
            assert predicted == row_of(result, row.method).inflate_by
        assert abs(pulls.width - predicted) < 3 * pulls.width_error + 0.01 * predicted
        mine = toys[toys["method"] == row.method]
        # Sandwich of each toy's own events: its mean square is the variance of the estimates.
        ratio = np.std(mine["estimate"]) / np.sqrt(np.mean(mine["error_corrected"] ** 2))
        assert abs(ratio - 1.0) < 3 * (2 * 400) ** -0.5


@pytest.mark.slow
def test_fit_of_data(clustered: dict[str, Any]) -> None:
    nominal, data = (
        candidates(8000, 4, weighted=True),
        candidates(340, 5, weighted=False, shift=0.5),
    )
    clustered |= {"replicas": 400}
    clustered["samples"]["nominal"]["weight"] = "w"
    clustered["samples"]["data"] = {"in_memory": True}
    result = audit(clustered, {"nominal": nominal, "data": data})
    hand = ByHand(result, nominal)
    binned, unbinned = result.data
    estimate, ones = binned.column("estimate")[0], np.ones(len(data["x"]))
    assert estimate == pytest.approx(hand.fit(data, ones), abs=1e-6)
    scores = hand.scores(data, estimate)
    squares = 0.0
    for name, at, rate, slope in zip(SHIFTS, hand.edges, hand.rates, hand.slopes, strict=True):
        observed = np.histogram(data[name], at)[0]
        squares += float(observed @ (slope / (rate + estimate * slope)) ** 2)
    sandwich = float(np.sum(per_event(data, scores) ** 2)) ** 0.5 / squares
    assert binned.column("sandwich_error")[0] == pytest.approx(sandwich, rel=1e-5)
    assert binned.column("claimed_error")[0] == pytest.approx(squares**-0.5, rel=1e-5)
    # Bootstrap of events by hand: 400 replicas know a spread to 1 / sqrt(2 * 400), 300 likewise.
    rng = np.random.default_rng(6)
    own = owners(data)
    drawn = [hand.fit(data, rng.poisson(1.0, 340)[own].astype(float)) for _ in range(300)]
    error = (1 / 800 + 1 / 600) ** 0.5
    assert binned.column("bootstrap_error")[0] == pytest.approx(np.std(drawn), rel=3 * error)
    # The unbinned fit; at this correlation both fits are nearly as good.
    score, information = 0.0, 0.0
    theta = unbinned.column("estimate")[0]
    for name, shift in SHIFTS.items():
        mean = np.average(nominal[name], weights=nominal["w"])
        variance = np.average((nominal[name] - mean) ** 2, weights=nominal["w"])
        score = score + shift * (data[name] - mean - shift * theta) / variance
        information += len(data["x"]) * shift**2 / variance
    robust = float(np.sum(per_event(data, np.asarray(score)) ** 2)) ** 0.5 / information
    assert unbinned.column("sandwich_error")[0] == pytest.approx(robust, rel=1e-3)
    assert unbinned.column("bootstrap_error")[0] == pytest.approx(
        robust, rel=3 * (1 / 800 + 1 / 680) ** 0.5 + 0.02
    )


def test_several_files(clustered: dict[str, Any], tmp_path: Path) -> None:
    """Rows of one event in different files, and pieces of files, count as they do in memory."""
    table = candidates(3000, 7, weighted=False)
    clustered["toys"]["unbinned"] = "none"
    whole = audit(clustered, {"nominal": table})
    half = len(table["x"]) // 2
    for i, part in enumerate([slice(None, half), slice(half, None)]):
        np.savez(tmp_path / f"{i}.npz", **{n: c[part] for n, c in table.items()})  # type: ignore[arg-type]
    clustered["samples"]["nominal"] = {"files": ["0.npz", "1.npz"], "events": ROWS}
    found = audit(clustered, base=tmp_path)
    assert found.rows == whole.rows
    assert found.checks[0].apart == whole.checks[0].apart
    assert any("belongs into identifier" in note for note in found.notes)


@pytest.mark.slow
def test_rows_that_are_events(clustered: dict[str, Any], pair: Pair) -> None:
    """One row of every event gives the same numbers with and without clusters."""
    table = pair(4000, 0.5, 8)
    table |= {"run": np.ones(4000, dtype=int), "event": np.arange(4000)}
    clustered |= {"samples": clustered["samples"] | {"data": {"in_memory": True}}}
    clustered["replicas"] = 20
    events = {"nominal": table, "data": {name: column[:900] for name, column in table.items()}}
    once = audit(clustered, events, workers=1)
    clustered["repeated"] = "refuse"
    again = audit(clustered, events, workers=1)
    for row, other in zip(once.rows, again.rows, strict=True):
        for key in ("claimed_error", "actual_error", "inflate_by_error"):
            assert getattr(row, key) == pytest.approx(getattr(other, key), rel=1e-9)
    for fit, other_fit in zip(once.data, again.data, strict=True):
        assert fit.column("sandwich_error") == pytest.approx(
            other_fit.column("sandwich_error"), rel=1e-9
        )
        assert fit.column("bootstrap_error") == pytest.approx(
            other_fit.column("bootstrap_error"), rel=1e-9
        )
    assert once.checks[0].events == 4000


def test_half_of_the_events_held_apart(clustered: dict[str, Any]) -> None:
    """Events are divided, not rows."""
    table = candidates(4000, 9, weighted=False)
    clustered["toys"] = {"n_toys": 0, "held_apart": 0.5, "unbinned": "none"}
    (nominal, *_) = read_events(
        AuditConfig.from_dict(clustered), {"nominal": table}
    ).samples.values()
    assert nominal.check.events == 4000
    assert not np.isin(nominal.rows.keys, nominal.apart.keys).any()
    assert len(np.unique(nominal.rows.keys)) + len(np.unique(nominal.apart.keys)) == 4000


def test_full_reservoir_keeps_whole_events(clustered: dict[str, Any]) -> None:
    table = candidates(2000, 10, weighted=False)
    clustered["toys"] = {"n_toys": 0, "reservoir": 1000, "unbinned": "none"}
    (nominal, *_) = read_events(
        AuditConfig.from_dict(clustered), {"nominal": table}
    ).samples.values()
    _, kept = np.unique(nominal.rows.keys, return_counts=True)
    assert 990 < len(nominal.rows) <= 1000
    assert np.bincount(kept, minlength=6).sum() == len(kept)
    rows = np.bincount(np.bincount(owners(table)), minlength=6)[1:] / 2000
    found = np.bincount(kept, minlength=6)[1:] / len(kept)
    assert np.abs(found - rows).max() < 4 * (0.2 * 0.8 / len(kept)) ** 0.5


def test_refused(clustered: dict[str, Any]) -> None:
    table = candidates(2000, 11, weighted=False)
    wrong = table | {"w": np.random.default_rng(1).uniform(0.5, 1.5, len(table["x"]))}
    with pytest.raises(
        EventsError, match=r"^samples\.nominal: the rows of \d+ of 2000 events have"
    ):
        audit(clustered | {"weight": "w"}, {"nominal": wrong})
    with pytest.raises(
        EventsError, match=r"^samples\.nominal: \d+ of \d+ rows have one identifier"
    ):
        audit(clustered | {"identifier": ["run"]}, {"nominal": table})
    with pytest.raises(StudyError, match=r'^audit: repeated = "cluster" needs to know which rows'):
        audit(clustered | {"identifier": []}, {"nominal": table})
    complaint = (
        r'identifiers are repeated; .*, or, if several rows are one event, set repeated = "cl'
    )
    with pytest.raises(EventsError, match=complaint):
        audit(clustered | {"repeated": "refuse"}, {"nominal": table})
