"""The response of samples whose truth is known, with errors that know what they share."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.auditing import Expected, ResponseRow, read_events
from pullfactory.auditing.response import measure_response
from pullfactory.auditing.strength import measure_effects
from pullfactory.settings.audit import AuditConfig

Table = dict[str, NDArray[Any]]

# Two observables of width 10 and 5: one unit of t moves x by 1, one of k widens y by 2 %.
CONFIG: dict[str, Any] = {
    "name": "response",
    "poi": "t",
    "optimal": False,  # tests of their own
    "weight": "w",
    "workspace": {"n_bins": 10},
    "joint": {"n_bins": 0},
    "toys": {"n_toys": 0, "unbinned": "none"},
    "parameter": [{"name": "t", "constraint": "free"}, {"name": "k"}],
    "observable": [{"name": "x"}, {"name": "y"}],
    "samples": {
        "nominal": {"in_memory": True, "events": 1000.0},
        "t": {"up": {"in_memory": True}, "down": {"in_memory": True}},
        "k": {
            "up": {"observables": {"y": "50 + (y - 50) * 1.02"}},
            "down": {"observables": {"y": "50 + (y - 50) / 1.02"}},
        },
    },
}


def events(rng: np.random.Generator, n: int, shift: float = 0.0, spread: float = 0.3) -> Table:
    """Weighted events of two correlated observables."""
    u, v = rng.standard_normal((2, n))
    return {
        "x": 100 + shift + 10 * u,
        "y": 50 + 5 * (0.6 * u + 0.8 * v),
        "w": rng.normal(1.0, spread, n),
    }


def rows_of(config: dict[str, Any], given: dict[str, object]) -> tuple[ResponseRow, ...]:
    """The response table of events in memory."""
    checked = AuditConfig.from_dict(config)
    expected = Expected.of(checked, read_events(checked, given))
    return measure_response(expected, measure_effects(expected))


def row(rows: tuple[ResponseRow, ...], role: str, observable: str, quantity: str) -> ResponseRow:
    """One number."""
    (found,) = (
        r for r in rows if (r.role, r.observable, r.quantity) == (role, observable, quantity)
    )
    return found


def given(rng: np.random.Generator, n: int, shift: float = 1.0) -> dict[str, object]:
    """Nominal events, and mass points of events of their own."""
    return {
        "nominal": events(rng, n),
        "t.up": events(rng, n, shift),
        "t.down": events(rng, n, -shift),
    }


def test_numbers_are_those_of_the_events() -> None:
    """With open ends every event is in a bin, so that numpy gives the same."""
    tables = given(np.random.default_rng(1), 3000)
    rows = rows_of(CONFIG, tables)
    for role in ("nominal", "t.up"):
        table: Any = tables[role]
        mean = np.average(table["x"], weights=table["w"])
        width = np.sqrt(np.average((table["x"] - mean) ** 2, weights=table["w"]))
        assert math.isclose(row(rows, role, "x", "mean").value, mean, rel_tol=1e-12)
        assert math.isclose(row(rows, role, "x", "width").value, width, rel_tol=1e-10)
        assert math.isclose(row(rows, role, "", "rate").value, 1000.0, rel_tol=1e-12)


def test_values_outside_the_edges_are_left_out() -> None:
    config = CONFIG | {"observable": [{"name": "x", "edges": [90, 95, 100, 110]}, {"name": "y"}]}
    tables = given(np.random.default_rng(2), 3000)
    table: Any = tables["nominal"]
    inside = (table["x"] >= 90) & (table["x"] < 110)
    mean = np.average(table["x"][inside], weights=table["w"][inside])
    found = row(rows_of(config, tables), "nominal", "x", "mean")
    assert math.isclose(found.value, mean, rel_tol=1e-12)


def test_paired_events_cancel_in_the_error() -> None:
    """(y - 50) * 1.02: the mean of 0.02 (y - 50) has the error 0.1 / sqrt(n), times sqrt(1.09) for
    the weights; of samples that share no event it would be 5 sqrt(2) / sqrt(n).
    """
    n = 20_000
    rows = rows_of(CONFIG, given(np.random.default_rng(3), n))
    paired, apart = row(rows, "k.up", "y", "mean"), row(rows, "t.up", "y", "mean")
    several = 4 / math.sqrt(2 * 127)  # of what 128 groups tell of an error
    assert paired.error == pytest.approx(0.1 * math.sqrt(1.09 / n), rel=several)
    assert apart.error == pytest.approx(5 * math.sqrt(2 * 1.09 / n), rel=several)
    width = row(rows, "k.up", "y", "width")
    assert width.difference == pytest.approx(0.02 * width.nominal, rel=1e-9)
    assert width.direction == "up"
    assert row(rows, "k.down", "y", "width").direction == "down"


def test_errors_are_the_spread_of_differences() -> None:
    """Differences over their errors have mean 0 and width 1, for every quantity."""
    pulls = []
    for seed in range(60):
        rows = rows_of(CONFIG, given(np.random.default_rng(seed), 1500))
        truth = {"t.up": 1.0, "t.down": -1.0}
        pulls.append(
            [
                (r.difference - (truth[r.role] if r.observable == "x" else 0.0)) / r.error
                for r in rows
                if r.role in truth and r.quantity == "mean"
            ]
        )
    found = np.array(pulls)
    n = found.size / 2  # up and down share the nominal events
    assert abs(found.mean()) < 4 / math.sqrt(n)
    assert found.std() == pytest.approx(1.0, abs=4 / math.sqrt(2 * n))


@pytest.mark.parametrize(("yields", "changes"), [("events", False), ("scale", True)])
def test_rates(yields: str, changes: bool) -> None:
    """A sample normalised to a number of events has no other rate; one with a scale has."""
    config = {**CONFIG, "samples": {**CONFIG["samples"]}}
    config["samples"]["nominal"] = {"in_memory": True, yields: 1000.0 if yields == "events" else 1}
    tables = given(np.random.default_rng(4), 2000)
    tables["t.up"] = events(np.random.default_rng(5), 2400)
    found = row(rows_of(config, tables), "t.up", "", "rate")
    if not changes:
        assert (found.difference, found.error) == (0.0, 0.0)
        return
    error = 1.2 * math.sqrt(1.09 * (1 / 2000 + 1 / 2400))
    assert found.error == pytest.approx(error, rel=4 / math.sqrt(2 * 127))
    assert abs(found.difference - 0.2) < 4 * error
    assert found.direction == "up"


def test_a_selection_changes_the_rate_of_the_same_events() -> None:
    """Dropping a part p of the events: the error of the rate is sqrt(p (1 - p) / n), binomial."""
    n = 20_000
    config = {**CONFIG, "samples": {**CONFIG["samples"], "k": {}}, "weight": ""}
    config["samples"]["k"] = {
        "up": {"selection": "y < 58"},
        "down": {"weight": "where(y >= 58, 2, 1)"},
    }
    tables = given(np.random.default_rng(6), n)
    found = row(rows_of(config, tables), "k.up", "", "rate")
    part = float(np.mean(np.asarray(tables["nominal"]["y"]) >= 58))  # type: ignore[index]
    assert found.difference == pytest.approx(-part, rel=1e-9)
    error = math.sqrt(part * (1 - part) / n)
    assert found.error == pytest.approx(error, rel=4 / math.sqrt(2 * 127))


def test_data_beside_what_is_expected() -> None:
    config = {**CONFIG, "samples": {**CONFIG["samples"], "data": {"in_memory": True}}}
    config["samples"]["background"] = {"b": {"in_memory": True, "events": 500.0}}
    tables = given(np.random.default_rng(7), 20_000)
    tables["background.b"] = events(np.random.default_rng(8), 20_000, 6.0)
    tables["data"] = events(np.random.default_rng(9), 1600, 2.0, 0.0)
    rows = rows_of(config, tables)
    number = row(rows, "data", "", "rate")
    assert number.value == 1600.0
    assert number.nominal == pytest.approx(1500.0)
    assert number.error == pytest.approx(math.sqrt(1600) / 1500, rel=4 / math.sqrt(2 * 127))
    mean = row(rows, "data", "x", "mean")
    own = [row(rows, role, "x", "mean").value for role in ("nominal", "background.b")]
    assert mean.nominal == pytest.approx((1000 * own[0] + 500 * own[1]) / 1500, rel=1e-12)
    assert row(rows, "expected", "x", "mean").value == mean.nominal


Marked = Callable[[dict[str, Any]], None]


@pytest.mark.parametrize(
    ("up", "down", "mark"),
    [
        ({"x": "x + 0"}, {"x": "x - 1"}, ("no effect", "")),
        ({"x": "x + 1"}, {"x": "x + 1"}, ("one direction",) * 2),
        ({"x": "x + 2"}, {"x": "x + 1.5"}, ("one direction",) * 2),
        ({"x": "x + 1"}, {"x": "x - 1"}, ("",) * 2),
        ({"x": "x + 3", "y": "y + 0.1"}, {"x": "x + 3", "y": "y - 0.1"}, ("curved",) * 2),
    ],
)
def test_marks(up: dict[str, str], down: dict[str, str], mark: tuple[str, str]) -> None:
    config = {**CONFIG, "samples": {**CONFIG["samples"]}}
    config["samples"]["k"] = {"up": {"observables": up}, "down": {"observables": down}}
    rows = rows_of(config, given(np.random.default_rng(10), 20_000))
    for side, expected in zip(("up", "down"), mark, strict=True):
        assert {r.mark for r in rows if r.role == f"k.{side}"} == {expected}


def test_swapped_mass_points_show_in_the_directions() -> None:
    tables = given(np.random.default_rng(11), 20_000)
    tables["t.up"], tables["t.down"] = tables["t.down"], tables["t.up"]
    rows = rows_of(CONFIG, tables)
    assert row(rows, "t.up", "x", "mean").direction == "down"
    assert row(rows, "t.down", "x", "mean").direction == "up"
