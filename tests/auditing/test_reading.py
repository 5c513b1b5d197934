"""What is read does not depend on how: files, chunks, workers, ways to say the same."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from pyarrow import parquet

from pullfactory import AuditConfig, AuditResult, audit
from pullfactory.auditing import Expected, build_audit_workspace, read_events
from pullfactory.auditing.reservoir import Reservoir
from pullfactory.events import open_source

Table = dict[str, NDArray[Any]]
Pair = Callable[[int, float, int], Table]


def numbers(result: AuditResult) -> dict[str, Any]:
    """The summary, but for where the events came from."""
    other = {"config", "provenance"}
    return {key: value for key, value in result.summary().items() if key not in other}


def toys(result: AuditResult) -> pa.Table:
    assert result.toys.toys is not None
    return result.toys.toys.read()


def test_files_chunks_and_workers(
    location: dict[str, Any], pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location["toys"] = {"n_toys": 40, "held_apart": 0.3}
    location["samples"]["nominal"] = {"files": ["whole.parquet"], "events": 1000.0}
    events = pa.table(pair(30_000, 0.4, 1))
    parquet.write_table(events, tmp_path / "whole.parquet")
    for i, (first, rows) in enumerate([(0, 1), (1, 9_999), (10_000, 20_000)]):
        parquet.write_table(events.slice(first, rows), tmp_path / f"part_{i}.parquet")
    whole = audit(location, base=tmp_path, workers=1)
    location["samples"]["nominal"]["files"] = ["part_*.parquet"]
    monkeypatch.setattr("pullfactory.auditing.values.open_source", partial(open_source, chunk=777))
    parts = audit(location, base=tmp_path, workers=3)
    assert numbers(parts) == numbers(whole)
    assert toys(parts).equals(toys(whole))
    assert parts.workspace == whole.workspace
    assert parts.joint_workspace == whole.joint_workspace
    assert toys(whole).num_rows == 2 * 40


def test_order_of_identified_events(mixture_config: Callable[[str | None], dict[str, Any]]) -> None:
    """Shuffled events with identifiers are the same events."""
    rng = np.random.default_rng(2)
    u = rng.standard_normal((3, 20_000))
    table = {"x": 170 + 10 * u[0], "y": 80 + 7 * u[1], "z1": 0.5 + 0.01 * u[2], "z2": u[2] * 0.1}
    table |= {"w": rng.uniform(0.5, 1.5, 20_000), "event": np.arange(20_000)}
    shift = {"m.up": 1.0, "m.down": -1.0, "jes.up": 0.7, "jes.down": -0.7, "nominal": 0.0}
    events = {role: table | {"x": table["x"] + by} for role, by in shift.items()}
    events["background.bkg"] = table | {"y": table["y"] + 5}
    config = AuditConfig.from_dict(mixture_config(None))
    order = rng.permutation(20_000)
    shuffled = {
        role: {name: column[order] for name, column in given.items()}
        for role, given in events.items()
    }
    first, second = (read_events(config, given) for given in (events, shuffled))
    for axis, other_axis in zip(first.axes, second.axes, strict=True):
        np.testing.assert_array_equal(axis.edges, other_axis.edges)
    for role, sample in first.samples.items():
        other = second.samples[role]
        np.testing.assert_array_equal(sample.rows.values, other.rows.values)
        # Sums of the same numbers in another order.
        for o in range(3):
            np.testing.assert_allclose(sample.counts.channels[o], other.counts.channels[o])
        for key, pairs in sample.counts.pairs.items():
            np.testing.assert_allclose(pairs, other.counts.pairs[key])
        for pattern, joint in sample.counts.joint.items():
            np.testing.assert_allclose(joint, other.counts.joint[pattern])


def test_held_apart(location: dict[str, Any], pair: Pair) -> None:
    """Templates and toys have no event in common, whatever the sample."""
    location["toys"] = {"held_apart": 0.4}
    table = pair(20_000, 0.4, 3)
    location["identifier"] = ["event"]
    table["event"] = np.random.default_rng(4).permutation(20_000)
    other = {"x": table["x"][::-1], "y": table["y"][::-1], "event": table["event"][::-1]}
    location["samples"]["background"] = {"b": {"in_memory": True, "scale": 0.01}}
    location["parameter"].append({"name": "k"})
    location["samples"]["k"] = {s: {"in_memory": True} for s in ("up", "down")}
    events: dict[str, object] = {"nominal": table, "k.up": other, "k.down": table}
    events["background.b"] = table
    config = AuditConfig.from_dict(location)
    read = read_events(config, events).samples
    for role, sample in read.items():
        apart, kept = set(sample.apart.values[:, 0]), set(sample.rows.values[:, 0])
        assert not apart & kept
        assert len(apart) + len(kept) == 20_000
        assert abs(len(apart) - 8_000) < 4 * (20_000 * 0.24) ** 0.5, role  # binomial
        assert sample.counts.events.sum() == len(kept)
    keys = {role: set(sample.rows.keys.tolist()) for role, sample in read.items()}
    assert keys["nominal"] == keys["k.up"] == keys["k.down"] == keys["t.up"]
    assert keys["nominal"] != keys["background.b"]
    # What is expected is of all events, not of those kept.
    expected = Expected.of(config, read_events(config, events))
    assert expected.n_events == pytest.approx(1000 + 0.01 * 20_000)


def test_noise_of_templates_shows_in_toys_of_other_events(
    location: dict[str, Any], pair: Pair
) -> None:
    """The mean of the estimates is off by about the noise that is told, else by none of it."""
    table = pair(4_000, 0.0, 5)
    off = {}
    for apart in (0.0, 0.5):
        location["toys"] = {"n_toys": 500, "held_apart": apart, "unbinned": "none"}
        result = audit(location, {"nominal": table})
        (row,) = result.rows
        (pulls,) = (p.pulls for p in result.pulls)
        assert row.template_noise is not None
        assert pulls.bias is not None
        # Two halves of the events differ by sqrt(2) times the noise of one.
        allowed = np.hypot(
            3 * row.actual_error / 500**0.5, 3 * 2**0.5 * row.template_noise * (apart > 0)
        )
        off[apart] = abs(pulls.bias) / allowed
        # 1 / sqrt(events) of the Fisher information, in the ratio of the numbers of events
        expected = row.actual_error * (1000 / (4_000 * (1 - apart))) ** 0.5
        assert row.template_noise == pytest.approx(expected, rel=0.05)
    assert off[0.0] < 1
    assert off[0.5] < 1
    assert any("noise of the nominal templates is" in note for note in result.notes)


def test_composed_corners(location: dict[str, Any], pair: Pair) -> None:
    """Two expressions one after the other are the samples of both steps written out."""
    table = pair(20_000, 0.4, 6)
    location["workspace"] = {"morphing": "additive_cross"}
    location["toys"] = {"n_toys": 0, "unbinned": "none"}
    location["parameter"] += [{"name": "k"}, {"name": "s", "constraint": "free"}]
    factor = {"up": 1.02, "down": 0.98}
    location["samples"]["k"] = {side: {"columns": {"x": f"x * {f}"}} for side, f in factor.items()}
    location["samples"]["s"] = {
        side: {"observables": {"y": f"y * {f} + 1"}} for side, f in factor.items()
    }
    composed = audit(location, {"nominal": table})
    shift = {"up": (2, 0.5), "down": (-2, -0.5)}

    def moved(t: str | None, k: str | None, s: str | None) -> Table:
        x = table["x"] * factor[k] if k else table["x"]
        y = table["y"] * factor[s] + 1 if s else table["y"]
        return {"x": x + shift[t][0], "y": y + shift[t][1]} if t else {"x": x, "y": y}

    explicit = copy.deepcopy(location)
    events: dict[str, object] = {"nominal": table}
    given = {"in_memory": True, "same_events": True}
    sides = ("up", "down")
    samples: dict[str, Any] = {"nominal": location["samples"]["nominal"]}
    for name in ("t", "k", "s"):
        samples[name] = {side: dict(given) for side in sides}
        for side in sides:
            events[f"{name}.{side}"] = moved(**{**dict.fromkeys("tks"), name: side})
    for first, second in (("t", "k"), ("s", "k"), ("t", "s")):
        for one in sides:
            samples[first][one][second] = {other: dict(given) for other in sides}
            for other in sides:
                steps = {**dict.fromkeys("tks"), first: one, second: other}
                events[f"{first}.{one}.{second}.{other}"] = moved(**steps)
    explicit["samples"] = samples
    written = audit(explicit, events)
    assert written.workspace == composed.workspace
    assert written.joint_workspace == composed.joint_workspace
    names = {s["name"] for s in written.workspace["channels"][0]["samples"]}
    assert names == {"signal", "signal_t", "signal_s", "signal_t_s"}
    for row, other_row in zip(written.rows, composed.rows, strict=True):
        assert row.claimed_error_error == pytest.approx(other_row.claimed_error_error, rel=1e-9)


def test_scale_and_events(location: dict[str, Any], pair: Pair) -> None:
    """Events expected are those said, or the weights times the scale."""
    table = pair(10_000, 0.0, 7)
    location["samples"]["nominal"] = {"in_memory": True, "scale": 0.05}
    location["samples"]["background"] = {"b": {"in_memory": True}}
    few = {name: column[:300] for name, column in table.items()}
    config = AuditConfig.from_dict(location)
    expected = Expected.of(config, read_events(config, {"nominal": table, "background.b": few}))
    assert expected.n_events == pytest.approx(0.05 * 10_000 + 300)
    channels = build_audit_workspace(expected)["channels"]
    rates = np.sum([[sum(s["data"]) for s in c["samples"]] for c in channels], axis=0)
    # In each of two channels: signal, what t adds to it, background.
    assert rates == pytest.approx([2 * 500, 0, 2 * 300], abs=1e-6)


def test_samples_that_stand_for_other_numbers_of_events_are_told(
    location: dict[str, Any], pair: Pair
) -> None:
    location["samples"]["nominal"] = {"in_memory": True, "scale": 0.1}
    location["samples"]["t"] = {side: {"in_memory": True} for side in ("up", "down")}
    location["toys"] = {"n_toys": 0, "unbinned": "none"}
    sizes = {"nominal": 10_000, "t.up": 5_000, "t.down": 10_200}
    events: dict[str, object] = {role: pair(n, 0.0, n) for role, n in sizes.items()}
    (told,) = (said for said in audit(location, events).warnings if "stands for" in said)
    assert told.startswith("samples.t.up: stands for 500 events, samples.nominal for 1000. If that")
    location["samples"]["t"]["up"]["events"] = 1000.0
    assert not any("stands for" in said for said in audit(location, events).warnings)


def test_selection_changes_the_rate_of_the_same_events_only(
    location: dict[str, Any], pair: Pair
) -> None:
    table = pair(20_000, 0.0, 8)
    location["selection"] = "x > 90"
    location["parameter"].append({"name": "k"})
    location["samples"]["k"] = {
        side: {"columns": {"x": f"x {sign} 1"}} for side, sign in (("up", "+"), ("down", "-"))
    }
    independent = {name: column + 3 for name, column in table.items()}
    location["samples"]["t"] = {side: {"in_memory": True} for side in ("up", "down")}
    events = {"nominal": table, "t.up": independent, "t.down": independent}
    config = AuditConfig.from_dict(location)
    expected = Expected.of(config, read_events(config, events))
    values = expected.histogram(1).values().sum(axis=1)
    rates = dict(zip(expected.factors, values, strict=True))
    selected = {by: np.sum(table["x"] + by > 90) for by in (-1, 0, 1)}
    assert rates["nominal"] == pytest.approx(1000)
    assert rates["t.up"] == pytest.approx(1000)
    for side, by in (("up", 1), ("down", -1)):
        assert rates[f"k.{side}"] == pytest.approx(1000 * selected[by] / selected[0])


def test_reservoir() -> None:
    """A part that does not depend on order and pieces, and is not chosen by the values."""
    rng = np.random.default_rng(9)
    keys = rng.integers(2**63, size=50_000, dtype=np.uint64)
    values, weights = rng.standard_normal((50_000, 2)), rng.random(50_000)
    kept = []
    for order, pieces in ((np.arange(50_000), 1), (rng.permutation(50_000), 137)):
        reservoir = Reservoir(5_000, 2)
        for part in np.array_split(order, pieces):
            reservoir.add(values[part], weights[part], keys[part])
        kept.append(reservoir.rows())
    first, second = kept
    assert len(first) == 5_000
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.weights, second.weights)
    assert np.all(np.abs(first.values.mean(axis=0)) < 4 / 5_000**0.5)
