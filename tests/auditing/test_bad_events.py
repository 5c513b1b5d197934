"""Malformed input of an audit ends with one line: value, place, remedy."""

import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pandas as pd
import pytest
import uproot
from numpy.typing import NDArray

from pullfactory import AuditConfig, audit
from pullfactory.auditing import read_events
from pullfactory.errors import PullfactoryError

Table = dict[str, NDArray[Any]]
Pair = Callable[[int, float, int], Table]
Edit = Callable[[dict[str, Any]], None]
Spoil = Callable[[Table], None]
Invoke = Callable[..., CompletedProcess[str]]

EVENTS = 2_000


def put(key: str, value: object) -> Edit:
    """Sets a dotted key; entries of lists by position."""

    def edit(config: dict[str, Any]) -> None:
        *path, last = key.split(".")
        at: Any = config
        for step in path:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        at[last] = value

    return edit


def drop(key: str) -> Edit:
    def edit(config: dict[str, Any]) -> None:
        *path, last = key.split(".")
        at: Any = config
        for step in path:
            at = at[int(step)] if isinstance(at, list) else at[step]
        del at[last]

    return edit


def both(*edits: Edit) -> Edit:
    def edit(config: dict[str, Any]) -> None:
        for one in edits:
            one(config)

    return edit


def refused(config: dict[str, Any], complaint: str, **events: object) -> None:
    """The message has this form, and is one line that can be printed."""
    with pytest.raises(PullfactoryError, match=complaint) as raised:
        audit(config, {role.replace("_", "."): table for role, table in events.items()})
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


# --- the configuration ----------------------------------------------------------------------------

UP, DOWN = "samples.t.up", "samples.t.down"
CONFIGURATIONS: dict[str, tuple[Edit, str]] = {
    "unknown key": (put("n_toyz", 3), r"^audit: n_toyz: unknown key; "),
    "unknown key below": (
        put("toys.n_toyz", 3),
        r"^audit: toys.n_toyz: unknown key; did you mean n_toys\?$",
    ),
    "unknown key of an observable": (
        put("observable.0.egdes", [1.0, 2.0]),
        r"^audit: observable.x.egdes: unknown key; did you mean edges\?$",
    ),
    "unknown key of a sample": (
        put("samples.nominal.weigth", "w"),
        r"^audit: samples.nominal.weigth: unknown key; did you mean weight\?$",
    ),
    "unknown role": (
        put("samples.signal", {"in_memory": True}),
        (
            "^audit: samples.signal: unknown sample role; use nominal, data, background.NAME or a "
            r"parameter \(t\)$"
        ),
    ),
    "unknown side": (
        put("samples.t.pu", {"in_memory": True}),
        "^audit: samples.t.pu: unknown sample role; use up or down$",
    ),
    "no nominal sample": (drop("samples.nominal"), "^audit: samples.nominal: missing; add the"),
    "up without down": (
        drop(DOWN),
        r"^audit: samples.t.down: missing; add it, or set parameter\.t\.symmetrise = true to take",
    ),
    "down without up": (
        drop(UP),
        r"^audit: samples.t.up: missing; add it, or set parameter\.t\.symmetrise = true to take",
    ),
    "parameter without samples": (
        both(lambda config: config["parameter"].append({"name": "k"})),
        "^audit: parameter.k is varied by no sample; add samples.k.up and samples.k.down$",
    ),
    "nothing varies": (put(UP, {}), "^audit: samples.t.up: nothing varies; give files, columns"),
    "bins and edges": (
        both(put("observable.0.n_bins", 5), put("observable.0.edges", [1.0, 2.0, 3.0])),
        "^audit: observable.x: give n_bins or edges, not both$",
    ),
    "edges do not increase": (
        put("observable.0.edges", [1.0, 3.0, 2.0]),
        r"^audit: observable.x: edges = \[1.0, 3.0, 2.0\] must increase; sort them$",
    ),
    "edges that are no numbers": (
        put("observable.0.edges", [1.0, float("nan"), 2.0]),
        "^audit: observable.x.edges",
    ),
    "joint bins of another length": (
        put("joint.n_bins", [3, 3, 3]),
        r"^audit: joint.n_bins has 3 entries for 2 observables; give one for each$",
    ),
    "events and scale": (
        put("samples.nominal.scale", 1.0),
        "^audit: samples.nominal: give events or scale, not both$",
    ),
    "poi": (put("poi", "q"), "^audit: poi = 'q' is no parameter; use one of t$"),
    "no expression": (put("observable.0.expression", "x +"), r"observable\.x\.expression = 'x \+'"),
    "call": (
        put("observable.0.expression", "__import__('os').system('touch owned')"),
        r"observable\.x\.expression = ",
    ),
    "attribute": (put(f"{UP}.observables.x", "x.__class__"), r"samples\.t\.up\.observables\.x = "),
    "weight calls": (put("weight", "open('f')"), r"weight = "),
    "selection is a text": (put("selection", "'x'"), r"selection = "),
    "selection is a number": (put("selection", "1"), "selection = '1': is a number; write a"),
    "weight is a condition": (put("weight", "x > 0"), "weight = 'x > 0': is a condition; a number"),
    "observable that there is not": (
        put(f"{UP}.observables", {"q": "x"}),
        r"^samples.t.up.observables.q: is no observable; use one of x, y$",
    ),
    "density": (
        put("observable.0.density", "gauss"),
        "^audit: observable.x: .*gauss.*normal",
    ),
    "bounds": (put("parameter.0.bounds", [1, 2]), r"bounds = \[1.0, 2.0\] must increase and"),
    "norm of a variation": (
        put(f"{UP}.norm", "free"),
        "^audit: samples.t.up.norm: belongs to the nominal sample; move it there$",
    ),
    "events of data": (
        put("samples.data", {"in_memory": True, "events": 3.0}),
        "^audit: samples.data.events: data count as they are; leave it out$",
    ),
    "no table": (put("samples.nominal", 3), "^audit: samples.nominal = 3: must be a table of"),
    "parameter named as a key": (
        both(put("parameter.0.name", "weight"), put("poi", "weight")),
        "^audit: parameter 'weight' is a word of the sample tables; rename it$",
    ),
    "two samples at one point": (
        both(
            lambda config: config["parameter"].append({"name": "k"}),
            put("samples.k.up", {"weight": "2"}),
            put("samples.k.down", {"weight": "0.5"}),
            put("samples.k.up.t", {s: {"weight": "3"} for s in ("up", "down")}),
            put(f"{UP}.k", {s: {"weight": "3"} for s in ("up", "down")}),
        ),
        "^audit: samples.t.up.k.up and samples.k.up.t.up are the same steps; keep one$",
    ),
    "parameter named as a rate": (
        both(
            lambda config: config["parameter"].append({"name": "norm_signal"}),
            put("samples.norm_signal", {"up": {"weight": "2"}, "down": {"weight": "0.5"}}),
            put("samples.nominal.norm", 0.1),
        ),
        "^audit: parameter 'norm_signal' is what the rate of 'signal' is called; rename it$",
    ),
    "no constraint to drop": (
        put("workspace.mass_constraint", False),
        "^audit: workspace.mass_constraint = false has nothing to drop with morphing = 'additive'",
    ),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_configuration(location: dict[str, Any], pair: Pair, case: str, tmp_path: Path) -> None:
    edit, complaint = CONFIGURATIONS[case]
    edit(location)
    refused(location, complaint, nominal=pair(EVENTS, 0.0, 1))
    assert not list(tmp_path.iterdir())


# --- events in memory -----------------------------------------------------------------------------


def nan_in(column: str) -> Spoil:
    def spoil(table: Table) -> None:
        table[column][17] = np.nan

    return spoil


def test_events_given_for_no_sample(location: dict[str, Any], pair: Pair) -> None:
    table = pair(EVENTS, 0.0, 1)
    complaint = "^events are given for 'nominall', which is no sample with events of its own"
    refused(location, complaint, nominal=table, nominall=table)
    refused(location, "^events are given for 't.up', which is no sample", nominal=table, t_up=table)
    refused(location, "^samples.nominal.files: missing; name the files of its events$")
    refused(location, "^samples.nominal: int is no table with named columns", nominal=3)


EVENT_CASES: dict[str, tuple[Edit, Spoil, str]] = {
    "observable is NaN": (
        put("seed", 1),
        nan_in("x"),
        (
            "^samples.nominal: observable 'x' of 1 of 2000 events is no finite number; select them "
            "away, or say where they have one"
        ),
    ),
    "variation makes it NaN": (
        put(f"{UP}.observables.x", "log(x - 100)"),
        lambda _: None,
        r"^samples.t.up: observable 'x' of \d+ of 2000 events is no finite number",
    ),
    "weight is NaN": (
        put("weight", "w"),
        nan_in("w"),
        r"^samples.nominal: 1 of 2000 weights are no finite number \(such as nan\)",
    ),
    "squares of weights are no numbers": (
        put("weight", "w * 1e200"),
        lambda _: None,
        r"^samples.nominal: a weight of size 1e\+200, whose square no number holds; scale the",
    ),
    "squares of weights are nothing": (
        put("weight", "w * 1e-200"),
        lambda _: None,
        r"^samples.nominal: a weight of size 1e-200, whose square no number holds; scale the",
    ),
    "weight is infinite": (
        put("weight", "1 / (w - w)"),
        lambda _: None,
        r"^samples.nominal: 2000 of 2000 weights are no finite number \(such as inf\)",
    ),
    "negative total weight": (
        put("weight", "-w"),
        lambda _: None,
        (
            "^samples.nominal: the sum of the weights of 2000 events is -2000, and a template must "
            "be positive; check the weight$"
        ),
    ),
    "total weight of zero": (
        put("weight", "0 * w"),
        lambda _: None,
        "^samples.nominal: the sum of the weights of 2000 events is 0, and",
    ),
    "nothing selected": (
        put("selection", "x > 1e9"),
        lambda _: None,
        "^samples.nominal has no events: none of its 2000 rows is selected; check files and",
    ),
    "nothing selected with given edges": (
        both(
            put("observable.0.edges", [0.0, 100.0, 200.0]),
            put("observable.1.edges", [0.0, 50.0, 100.0]),
            put("joint.n_bins", 0),
            put("selection", "x > 1e9"),
        ),
        lambda _: None,
        "^samples.nominal has no events: none of its 2000 rows is selected; check files and",
    ),
    "nothing selected in a variation": (
        put(f"{UP}.selection", "x > 1e9"),
        lambda _: None,
        "^samples.t.up has no events: none of its 2000 rows is selected; check files and",
    ),
    "edges beyond the events": (
        put("observable.0.edges", [1000.0, 2000.0, 3000.0]),
        lambda _: None,
        r"^samples.nominal: no event has observable 'x' inside its edges \[1000, 3000\]; check",
    ),
    "bins without events": (
        put("observable.0.edges", [0.0, 100.0, 1000.0, 2000.0]),
        lambda _: None,
        "^channel 'x': 1 of 3 bins of the nominal templates are not positive",
    ),
    "values repeat": (
        put("observable.0.expression", "where(x > 100, 1, 0)"),
        lambda _: None,
        "^observable 'x': 20 bins of equal population cannot be formed, because values repeat",
    ),
    "column is missing": (
        put("observable.0.expression", "xx"),
        lambda _: None,
        "column 'xx' is missing; use for example 'x'",
    ),
    "column of texts": (
        put("observable.0.expression", "label"),
        lambda table: table.update(label=np.full(EVENTS, "a")),
        "column 'label' holds no numbers",
    ),
    "identifiers repeat": (
        put("identifier", ["event"]),
        lambda table: table.update(event=np.arange(EVENTS) // 2),
        "^samples.nominal: 1000 of 2000 identifiers are repeated; name the columns that identify",
    ),
    "identifier is NaN": (
        put("identifier", ["w"]),
        nan_in("w"),
        "^samples.nominal: identifier w: nan in row 17 is missing or infinite",
    ),
    "nothing left for templates": (
        put("toys.held_apart", 1 - 1e-9),
        lambda _: None,
        r"^samples.nominal: toys.held_apart = 1 of 2000 events leaves none for templates; lower",
    ),
    "free parameter without effect": (
        both(put(f"{UP}.observables", {"x": "x + 0"}), put(f"{DOWN}.observables", {"x": "x"})),
        lambda _: None,
        r"^samples\.t\.up: the same as samples\.nominal in every bin of every observable",
    ),
    "parameters with one effect": (
        lambda config: (
            config["parameter"].append({"name": "k", "constraint": "free"}),
            put("samples.t", {"up": {"weight": "x / 100"}, "down": {"weight": "2 - x / 100"}})(
                config
            ),
            put("samples.k", {"up": {"weight": "x / 50 - 1"}, "down": {"weight": "3 - x / 50"}})(
                config
            ),
        )[-1],
        lambda _: None,
        "^the templates do not tell apart a combination of '[tk]' and '[tk]'; fix one of them, or",
    ),
    "free parameter with an effect of rounding": (
        both(
            put(UP, {"weight": "w * 1.1 / 1.1"}),
            put(DOWN, {"weight": "w * 1.3 / 1.3"}),
        ),
        lambda _: None,
        r"^samples\.t\.up: the same as samples\.nominal in every bin of every observable",
    ),
    "corner samples are missing": (
        both(
            lambda config: config["parameter"].append({"name": "k"}),
            put("samples.k", {s: {"weight": f"{f} * w"} for s, f in (("up", 1.1), ("down", 0.9))}),
            put("workspace.morphing", "additive_cross"),
            put(UP, {"weight": "w * (1 + 0.01 * (x - 100))"}),
            put(DOWN, {"weight": "w * (1 - 0.01 * (x - 100))"}),
        ),
        lambda _: None,
        "^samples.t.up.k.up: missing, and morphing = 'additive_cross' needs it; add it, or use",
    ),
}


@pytest.mark.parametrize("case", EVENT_CASES)
def test_events(location: dict[str, Any], pair: Pair, case: str) -> None:
    edit, spoil, complaint = EVENT_CASES[case]
    edit(location)
    table = pair(EVENTS, 0.0, 1) | {"w": np.ones(EVENTS)}
    spoil(table)
    refused(location, complaint, nominal=table)


def test_no_rows(location: dict[str, Any]) -> None:
    refused(
        location, "^samples.nominal has no events: it has no rows; ", nominal={"x": [], "y": []}
    )


def test_identifiers_that_do_not_match(location: dict[str, Any], pair: Pair) -> None:
    location["identifier"] = ["event"]
    location["parameter"].append({"name": "k"})
    location["samples"]["k"] = {side: {"in_memory": True} for side in ("up", "down")}
    first = pair(EVENTS, 0.0, 1) | {"event": np.arange(EVENTS)}
    second = first | {"event": np.arange(EVENTS) + EVENTS}
    complaint = (
        r"^samples.k.down and samples.nominal have no identifier \(event\) in common, but should "
        "have the same events; name the right columns, or set samples.k.down.same_events = false$"
    )
    refused(location, complaint, nominal=first, k_up=first, k_down=second)
    location["samples"]["k"]["down"]["same_events"] = False
    events = {"nominal": first, "k.up": first, "k.down": second}
    read = read_events(AuditConfig.from_dict(location), events).samples
    assert read["k.up"].check.shared == 1.0
    assert read["k.down"].check.shared is None


def test_too_few_events_for_bins_in_replicas(location: dict[str, Any], pair: Pair) -> None:
    """Groups of the bootstrap may leave a bin empty: no NaN, no warning."""
    location["joint"] = {"n_bins": 0}
    result = audit(location, {"nominal": pair(60, 0.0, 1)})
    assert any("fewer than 10 effective events" in warning for warning in result.warnings)
    for row in result.rows:
        assert np.isfinite(row.claimed_error_error)
    assert np.isfinite(result.covariances["binned"]["corrected"]).all()
    assert result.withheld
    assert "no more than their noise" in result.withheld


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture
def files(
    location: dict[str, Any], pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A configuration with a ROOT file in the working folder."""
    monkeypatch.chdir(tmp_path)
    location["samples"]["nominal"] = {"files": ["n.root"], "events": 1000.0}
    with uproot.recreate("n.root") as file:
        for name in ("events", "other"):
            file.mktree(name, {"x": "f8", "y": "f8"})
            file[name].extend(pair(EVENTS, 0.0, 1))
    location["tree"] = "events"
    return location


FILE_CASES: dict[str, tuple[Edit, str]] = {
    "missing file": (
        put("samples.nominal.files", ["no.root"]),
        "samples.nominal: file 'no.root' is missing in ",
    ),
    "pattern without files": (
        put("samples.nominal.files", ["no*.root"]),
        "samples.nominal: no file matches 'no*.root'; mend the pattern",
    ),
    "missing tree": (
        put("tree", "Events"),
        "file 'n.root': tree 'Events' is missing; use 'events'",
    ),
    "missing branch": (
        put("observable.0.expression", "x + yy"),
        "file 'n.root', tree 'events': column 'yy' is missing; use for example 'y'",
    ),
    "cut short": (
        put("samples.nominal.files", ["short.root"]),
        "file 'short.root'",
    ),
    "pickled": (
        put("samples.nominal.files", ["pickled.npz"]),
        "file 'pickled.npz': column 'x' holds Python objects, which could run code; save numbers",
    ),
    "events in memory": (
        put("samples.nominal", {"in_memory": True}),
        "samples.nominal.files: missing; name the files of its events",
    ),
    "observable is NaN": (
        put("samples.nominal.files", ["nan.csv"]),
        "samples.nominal: observable 'x' of 1 of 2000 events is no finite number; select them away",
    ),
    "unknown role": (
        put("samples.sginal", {"files": ["n.root"]}),
        "audit file 'a.toml': samples.sginal: unknown sample role; use nominal, data, ",
    ),
    "unknown key": (
        put("toys.n_toyz", 1),
        "audit file 'a.toml': toys.n_toyz: unknown key; did you mean n_toys?",
    ),
    "output": (put("name", "../x"), "audit file 'a.toml': name = "),
}


@pytest.mark.parametrize("case", FILE_CASES)
def test_files(files: dict[str, Any], pair: Pair, case: str, invoke: Invoke) -> None:
    """From the command line: one line, exit code 2, and nothing is written."""
    here = Path()
    content = Path("n.root").read_bytes()
    Path("short.root").write_bytes(content[: len(content) // 2])
    np.savez("pickled.npz", x=np.array([{}] * 3), y=np.ones(3))
    table = pd.DataFrame(pair(EVENTS, 0.0, 1))
    table.loc[5, "x"] = np.nan
    table.to_csv("nan.csv", index=False)
    edit, complaint = FILE_CASES[case]
    if case in {"unknown role", "unknown key", "output"}:
        text = AuditConfig.from_dict(files).to_toml()
        edit(files)
        extra = {
            "unknown role": "[samples.sginal]\nfiles = ['n.root']\n",
            "unknown key": "",
            "output": "",
        }[case]
        text = text.replace("n_toys =", "n_toyz =") if case == "unknown key" else text + extra
        text = text.replace('name = "location"', 'name = "../x"') if case == "output" else text
    else:
        edit(files)
        text = AuditConfig.from_dict(files).to_toml()
    Path("a.toml").write_text(text)
    before = sorted(here.iterdir())
    outcome = invoke("audit", "a.toml")
    assert outcome.returncode == 2
    assert outcome.stdout == ""
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("Error")]
    assert len(lines) == 1
    assert re.match(f"Error: {re.escape(complaint)}", lines[0]), outcome.stderr
    assert outcome.stderr.splitlines()[-1] == lines[0]
    assert "Traceback" not in outcome.stderr
    assert sorted(here.iterdir()) == before
