"""What the gate says to samples that are right, and to each way to get them wrong."""

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.auditing import Expected, Finding, GateError, look, read_events
from pullfactory.inference.judgement import DISCERNED
from pullfactory.settings.audit import AuditConfig

Table = dict[str, NDArray[Any]]
Tables = dict[str, Table]
Change = Callable[[dict[str, Any], Tables], None]

N = 8000
CONFIG: dict[str, Any] = {
    "name": "gate",
    "poi": "m",
    "optimal": False,  # tests of their own
    "weight": "w",
    "identifier": ["event"],
    "workspace": {"n_bins": 8},
    "joint": {"n_bins": 0},
    "toys": {"n_toys": 0, "unbinned": "none"},
    "parameter": [{"name": "m", "unit": "GeV", "constraint": "free", "step": 2.0}, {"name": "j"}],
    "observable": [{"name": "x", "unit": "GeV"}, {"name": "y"}],
    "samples": {
        "nominal": {"in_memory": True, "events": 900.0},
        "m": {"up": {"in_memory": True}, "down": {"in_memory": True}},
        "j": {
            "up": {"observables": {"x": "x * 1.01", "y": "y * 1.02"}},
            "down": {"observables": {"x": "x / 1.01", "y": "y / 1.02"}},
        },
        "background": {"b": {"in_memory": True, "events": 100.0, "norm": 0.2}},
        "data": {"in_memory": True},
    },
}


def events(rng: np.random.Generator, n: int, m: float = 0.0, *, first: int = 0) -> Table:
    """Events with a mass of 170 + m and a width of 10; y is correlated, and knows no mass."""
    u, v = rng.standard_normal((2, n))
    return {
        "x": 170 + m + 10 * u,
        "y": 50 + 5 * (0.5 * u + 0.87 * v),
        "w": rng.normal(1.0, 0.3, n),
        "event": first + np.arange(n),
    }


def healthy(seed: int, n: int = N) -> tuple[dict[str, Any], Tables]:
    """A configuration with nothing wrong, and its events."""
    rng = np.random.default_rng(seed)
    data = [events(rng, 900, 0.5), events(rng, 100, 15.0, first=900)]
    return copy.deepcopy(CONFIG), {
        "nominal": events(rng, n),
        "m.up": events(rng, n, 2.0, first=10 * n),
        "m.down": events(rng, n, -2.0, first=20 * n),
        "background.b": events(rng, n, 15.0),
        "data": {key: np.concatenate([one[key] for one in data]) for key in data[0]},
    }


def findings(config: dict[str, Any], given: dict[str, Any]) -> tuple[Finding, ...]:
    """What the gate finds, refused or not."""
    checked = AuditConfig.from_dict(config)
    expected = Expected.of(checked, read_events(checked, given))
    try:
        return look(expected, given).findings
    except GateError as error:
        return error.gate.findings


def found(config: dict[str, Any], given: dict[str, Any]) -> dict[str, set[str]]:
    """Places by cause, of what is not fine; each with its level before it."""
    causes: dict[str, set[str]] = {}
    for one in findings(config, given):
        if one.level != "fine":
            causes.setdefault(f"{one.level} {one.cause}", set()).add(one.place)
    return causes


def test_healthy_samples_pass() -> None:
    every = findings(*healthy(0))
    assert {one.level for one in every} == {"fine"}
    assert len({one.cause for one in every}) == len(every) >= 9


@pytest.mark.parametrize("n", [1500, 6000])
def test_healthy_samples_hardly_ever_alarm(n: int) -> None:
    """Nothing is refused. Up, down and both of two parameters are looked at, none of which is near
    what it is compared with: more alarms than 6 tests at 3 standard errors give are none of chance.
    """
    audits, causes = 25, []
    for seed in range(audits):
        causes += [cause for cause in found(*healthy(seed, n)) if "noise_in_slopes" not in cause]
    often = audits * 6 * math.erfc(DISCERNED / math.sqrt(2)) / 2
    assert not [cause for cause in causes if cause.startswith("refuse")]
    assert len(causes) <= often + 4 * math.sqrt(often)


def put(path: str, value: Any) -> Change:
    """Set one key of the configuration."""

    def change(config: dict[str, Any], _tables: Tables) -> None:
        *above, key = path.split(".")
        place: Any = config
        for name in above:
            place = place[int(name) if isinstance(place, list) else name]
        place[key] = value

    return change


def take(role: str, other: str) -> Change:
    """Give a sample the events of another, in a table of its own."""

    def change(_config: dict[str, Any], tables: Tables) -> None:
        tables[role] = {key: column.copy() for key, column in tables[other].items()}

    return change


def alter(role: str, key: str, new: Callable[[NDArray[Any]], NDArray[Any]]) -> Change:
    """Change one column of one sample."""

    def change(_config: dict[str, Any], tables: Tables) -> None:
        tables[role] = tables[role] | {key: new(tables[role][key])}

    return change


def swap(one: str, other: str) -> Change:
    """Give two samples each the events of the other."""

    def change(_config: dict[str, Any], tables: Tables) -> None:
        tables[one], tables[other] = tables[other], tables[one]

    return change


def fresh(role: str, seed: int) -> Change:
    """Give a sample nominal events of its own."""

    def change(_config: dict[str, Any], tables: Tables) -> None:
        tables[role] = events(np.random.default_rng(seed), N, first=seed * 10**6)

    return change


def fewer(role: str, n: int) -> Change:
    """Leave a sample its first events only."""

    def change(_config: dict[str, Any], tables: Tables) -> None:
        tables[role] = {key: column[:n] for key, column in tables[role].items()}

    return change


def both(*changes: Change) -> Change:
    """One change after the other."""

    def change(config: dict[str, Any], tables: Tables) -> None:
        for each in changes:
            each(config, tables)

    return change


J_UP, J_DOWN = "samples.j.up.observables", "samples.j.down.observables"


WRONG: dict[str, tuple[Change, str, str]] = {
    "mass point is nominal": (take("m.up", "nominal"), "refuse no_effect", "samples.m.up"),
    "down does nothing": (put(J_DOWN, {"x": "x + 0"}), "refuse no_effect", "samples.j.down"),
    "down is nominal in weight": (
        put("samples.j", {"up": {"weight": "w + 1e-3 * x"}, "down": {"weight": "w"}}),
        "refuse no_effect",
        "samples.j.down",
    ),
    "one mass point twice": (take("m.down", "m.up"), "refuse same_up_down", "samples.m.down"),
    "up twice": (
        put(J_DOWN, {"x": "x * 1.01", "y": "y * 1.02"}),
        "refuse same_up_down",
        "samples.j.down",
    ),
    "both up": (
        put(J_DOWN, {"x": "x * 1.008", "y": "y * 1.03"}),
        "refuse one_direction",
        "samples.j.down",
    ),
    "mass points on one side": (
        alter("m.down", "x", lambda x: x + 3.5),
        "refuse one_direction",
        "samples.m.down",
    ),
    "one observable both up": (
        put(J_DOWN, {"x": "x * 1.01", "y": "y / 1.002"}),
        "warn curvature",
        "samples.j.up",
    ),
    "down hardly varies": (
        put(J_DOWN, {"x": "x / 1.001", "y": "y / 1.002"}),
        "warn lopsided",
        "samples.j.up",
    ),
    "steps of 1 and 3": (
        put(J_DOWN, {"x": "x / 1.03", "y": "y / 1.06"}),
        "warn lopsided",
        "samples.j.down",
    ),
    "mass points without mass": (
        both(alter("m.up", "x", lambda x: x - 2), alter("m.down", "x", lambda x: x + 2)),
        "warn unmeasured",
        "parameter.m",
    ),
    "independent samples without effect": (
        both(
            put("samples.j", {side: {"in_memory": True} for side in ("up", "down")}),
            put("samples.j.up.same_events", value=False),
            put("samples.j.down.same_events", value=False),
            fresh("j.up", 11),
            fresh("j.down", 12),
        ),
        "warn weak_response",
        "parameter.j",
    ),
    "mass points swapped": (swap("m.up", "m.down"), "warn falling", "samples.m.up"),
    "two parameters of one sample": (
        both(
            put("samples.j", {side: {"in_memory": True} for side in ("up", "down")}),
            put("samples.j.up.same_events", value=False),
            put("samples.j.down.same_events", value=False),
            take("j.up", "m.up"),
            fresh("j.down", 13),
        ),
        "refuse same_samples",
        "samples.j.up",
    ),
    "no scale": (put("samples.nominal", {"in_memory": True}), "refuse unscaled", "samples.nominal"),
    "background without scale": (
        put("samples.background.b", {"in_memory": True}),
        "refuse unscaled",
        "samples.background.b",
    ),
    "nominal as data": (take("data", "nominal"), "warn simulated_data", "samples.data"),
    "mass point as data": (take("data", "m.up"), "warn simulated_data", "samples.data"),
    "data as nominal": (take("nominal", "data"), "warn simulated_data", "samples.data"),
    "processes swapped": (
        swap("nominal", "background.b"),
        "refuse one_direction",
        "samples.m.down",
    ),
    "placeholder in simulation": (
        alter("nominal", "y", lambda y: np.where(np.arange(len(y)) % 40 == 0, -999.0, y)),
        "warn placeholder",
        "samples.nominal",
    ),
    "placeholder in data": (
        alter("data", "y", lambda y: np.where(np.arange(len(y)) % 40 == 0, -999.0, y)),
        "warn placeholder",
        "samples.data",
    ),
    "edges elsewhere": (
        put("observable.0.edges", [100, 120, 145, 150, 155]),
        "warn outside",
        "samples.nominal",
    ),
    "data in another unit": (
        both(
            put("observable.0.edges", [130, 160, 170, 180, 210]),
            alter("data", "x", lambda x: x * 1.3),
        ),
        "warn outside",
        "samples.data",
    ),
    "one observable twice": (
        put("observable.1.expression", "2 * x"),
        "refuse same_observables",
        "samples.nominal",
    ),
    "another selection up": (
        put("samples.j.up.selection", "y > 52"),
        "warn lopsided",
        "samples.j.up",
    ),
    "weight twice up": (
        put("samples.j.up.weight", "w * w * 1.2"),
        "warn uneven_rate",
        "samples.j.up",
    ),
    "twice the rate": (
        both(
            put("samples.nominal", {"in_memory": True, "scale": 0.1}),
            alter("m.up", "w", lambda w: 2 * w),
        ),
        "warn other_rate",
        "samples.m.up",
    ),
    "few events shared": (
        both(
            put("samples.j", {side: {"in_memory": True} for side in ("up", "down")}),
            take("j.up", "nominal"),
            take("j.down", "nominal"),
            alter("j.up", "x", lambda x: x + 1.0),
            alter("j.down", "x", lambda x: x - 1.0),
            alter("j.up", "event", lambda e: np.where(e < N / 2, e, e + 10**6)),
        ),
        "warn few_shared",
        "samples.j.up",
    ),
    "too few events": (
        both(*(fewer(role, 60) for role in ("nominal", "background.b", "m.up", "m.down"))),
        "warn starved_bins",
        "observable.x",
    ),
    "noise as sensitivity": (
        both(*(fewer(role, 300) for role in ("m.up", "m.down"))),
        "warn noise_in_slopes",
        "parameter.m",
    ),
    "rows of one event": (
        both(put("identifier", []), alter("nominal", "event", lambda e: e // 2)),
        "warn repeated_rows",
        "samples.nominal",
    ),
    "a mirror image of two": (
        put("parameter.1.symmetrise", value=True),
        "warn mirrored",
        "samples.j.down",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_samples_are_told(name: str) -> None:
    config, tables = healthy(1)
    change, cause, place = WRONG[name]
    change(config, tables)
    causes = found(config, tables)
    assert place in causes.get(cause, set()), causes


def test_the_same_table_in_memory() -> None:
    config, tables = healthy(2)
    tables["data"] = tables["nominal"]
    assert found(config, tables)["refuse same_files"] == {"samples.data"}
    config, tables = healthy(2)
    tables["background.b"] = tables["nominal"]
    assert found(config, tables)["refuse same_files"] == {"samples.background.b"}
    config["samples"]["background"]["b"]["selection"] = "y > 50"
    assert "refuse same_files" not in found(config, tables)


def test_the_same_files(tmp_path: Path) -> None:
    """Patterns, folders and links lead to the same file."""
    config, tables = healthy(3)
    for role in ("nominal", "m.up", "m.down", "background.b"):
        np.savez(tmp_path / f"{role}.npz", **tables[role])  # type: ignore[arg-type]
        where = config["samples"]
        for part in role.split("."):
            where = where[part]
        where |= {"in_memory": False, "files": [f"{role}.npz"]}
    (tmp_path / "link.npz").symlink_to(tmp_path / "nominal.npz")
    for files in (["nominal.npz"], ["nom*.npz"], ["link.npz"], [str(tmp_path / "nominal.npz")]):
        config["samples"]["data"] = {"files": files}
        checked = AuditConfig.from_dict(config)
        expected = Expected.of(checked, read_events(checked, base=tmp_path))
        with pytest.raises(
            GateError, match=r"samples\.data: is made of the same file 'nominal"
        ) as e:
            look(expected, base=tmp_path)
        assert len(e.value.gate.refused) == 1


def test_all_refusals_are_told_at_once() -> None:
    config, tables = healthy(4)
    take("m.up", "nominal")(config, tables)
    config["samples"]["nominal"].pop("events")
    checked = AuditConfig.from_dict(config)
    expected = Expected.of(checked, read_events(checked, tables))
    with pytest.raises(GateError) as refused:
        look(expected, tables)
    assert [one.cause for one in refused.value.gate.refused] == ["no_effect", "unscaled"]
    assert len(refused.value.lines) == 2
    assert all(one.remedy and one.text for one in refused.value.gate.refused)
    assert {row.role for row in refused.value.gate.response} >= {"nominal", "m.up", "data"}


def test_values_far_away_that_are_few_or_near_are_no_placeholders() -> None:
    config, tables = healthy(5)
    y = tables["nominal"]["y"]
    y[:: len(y) // 50] = -999.0  # less than 1 %
    tables["data"]["y"][::20] = tables["data"]["y"].min() - 1.0  # no further than the others
    assert "warn placeholder" not in found(config, tables)


@pytest.mark.parametrize(("heaviest", "told"), [(1e4, True), (5.0, False)])
def test_one_event_with_nearly_all_weight_is_told(heaviest: float, *, told: bool) -> None:
    config, tables = healthy(1)
    config["samples"]["data"]["weight"] = "heavy"
    weights = np.ones(len(tables["data"]["x"]))
    weights[3] = heaviest
    tables["data"] = tables["data"] | {"heavy": weights}
    assert ("samples.data" in found(config, tables).get("warn heavy_weights", ())) == told
