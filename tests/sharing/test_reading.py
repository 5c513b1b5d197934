"""Events of files: what a TOML file says of them, and what it may not leave out."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from pullfactory import EventMap, WorkspaceAuditResult, audit_workspace
from pullfactory.errors import EventsError, StudyError
from tests.sharing.analysis import EDGES, PROCESSES, Analysis, Columns, analysis, bins_of, generate

Settings = dict[str, Any]


@pytest.fixture(scope="module")
def made() -> Analysis:
    return analysis(2000)


@pytest.fixture(scope="module")
def folder(made: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace with data of whole events, and files of all events."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(3)
    parts = [generate(p, int(p.events / 4), rng, 0.6) for p in PROCESSES.values()]
    data = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    spec = made.with_data(bins_of(data))
    (folder / "workspace.json").write_text(json.dumps(spec))
    pq.write_table(pa.table(numbered(data)), folder / "data.parquet")
    for name, events in made.events.items():
        with uproot.recreate(folder / f"{name}.root") as file:
            file["events"] = {**numbered(events), "half": made.weights[name] / 2}
            file["other"] = {**numbered(events), "half": made.weights[name]}
    return folder


def numbered(events: Columns) -> Columns:
    """With a number for each event."""
    return {**events, "event": np.arange(len(events["x"]))}


def settings() -> Settings:
    """What is where: the outermost bins take what is beyond."""

    def clipped(column: str) -> str:
        return f"where({column} < -2.5, -2.5, {column})"

    return {
        "data": "data.parquet",
        "simulated": {
            name: {"files": f"{name}.root:events", "weight": "2 * half"} for name in PROCESSES
        },
        "channel": {
            name: {
                "observable": clipped("y" if name == "SR2" else "x"),
                "edges": edges.tolist(),
                "selection": f"in_{name}",
                "overflow": "last",
            }
            for name, edges in EDGES.items()
        },
    }


def audited(folder: Path, content: Settings, patch: pytest.MonkeyPatch) -> WorkspaceAuditResult:
    patch.chdir(folder)
    return audit_workspace("workspace.json", events=EventMap.from_dict(content), n_toys=0)


def test_files_say_what_arrays_say(
    made: Analysis, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = audited(folder, settings(), monkeypatch)
    spec = json.loads((folder / "workspace.json").read_text())
    given = audit_workspace(spec, simulated=made.bins, weights=made.weights, n_toys=0)
    assert [row.factor for row in found.rows] == pytest.approx(
        [row.factor for row in given.rows], rel=1e-12
    )
    assert found.pairs[0].data
    assert found.rows[0].factor_data


def test_channels_in_other_files_are_paired_by_identifier(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each region has a file of its own, in another order, and the identifier finds the pairs."""
    rng = np.random.default_rng(5)
    whole = audited(folder, settings(), monkeypatch)
    content = settings()
    del content["simulated"]
    table = pq.read_table(folder / "data.parquet")
    for name in EDGES:
        own = table.filter(table[f"in_{name}"])
        pq.write_table(own.take(rng.permutation(len(own))), tmp_path / f"{name}.parquet")
        content["channel"][name]["data"] = str(tmp_path / f"{name}.parquet")
    with pytest.raises(EventsError, match=r"'CR' and 'SR1' are in different files, .* \(id\)"):
        audited(folder, content, monkeypatch)
    found = audited(folder, {**content, "id": ["event"]}, monkeypatch)
    assert [row.factor for row in found.rows] == pytest.approx(
        [row.factor_data for row in whole.rows], rel=1e-9
    )


def test_channel_without_events_is_disjoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = settings()
    whole = audited(folder, content, monkeypatch)
    content["channel"]["CR"] = {"disjoint": True}
    found = audited(folder, content, monkeypatch)
    assert found.rows[0].factor_data == pytest.approx(whole.rows[0].factor_data, rel=1e-12)
    assert found.rows[0].largest_factor < whole.rows[0].largest_factor
    del content["channel"]["CR"]
    with pytest.raises(EventsError, match=r"channel 'CR' of the workspace is not in the event"):
        audited(folder, content, monkeypatch)


def set_channel(content: Settings, **keys: object) -> object:
    content["channel"]["SR1"] |= keys
    return content


def repeat_identifiers(content: Settings) -> None:
    content["id"] = ["in_SR1"]


WRONG: dict[str, tuple[Callable[[Settings], object], str]] = {
    "edge moved": (
        lambda c: set_channel(c, edges=[*EDGES["SR1"][:5].tolist(), 0.02, *EDGES["SR1"][6:]]),
        "in other bins: an edge is moved",
    ),
    "edge left out": (
        lambda c: set_channel(c, edges=EDGES["SR1"][1:].tolist()),
        "10 edges make 9 bins, but the workspace has 10",
    ),
    "selection missing": (
        lambda c: set_channel(c, selection=""),
        "all bins have too much: a selection is missing",
    ),
    "weight lacks a factor": (
        lambda c: c["simulated"]["sig"].update(weight="half"),
        "all bins are 0.5 times what they should be: the weight lacks a factor",
    ),
    "other tree": (
        lambda c: c["simulated"]["sig"].update(files="sig.root:other"),
        "all bins are 2 times what they should be: a file is there 2 times",
    ),
    "no such tree": (lambda c: c["simulated"]["sig"].update(files="sig.root:trees"), "trees"),
    "file twice": (
        lambda c: c["simulated"]["sig"].update(files=["sig.root:events", "./sig.root:events"]),
        "is given twice",
    ),
    "simulation as data": (
        lambda c: c.update(data="sig.root:events"),
        "they are simulated events of 'sig': give those of the data",
    ),
    "simulation as data, by its files": (
        lambda c: (
            c.update(data="sig.root:events"),
            c["simulated"]["sig"].update(selection="event < 9"),
        ),
        "they are simulated events of 'sig': give those of the data",
    ),
    "no number": (
        lambda c: set_channel(c, observable="where(event == 7, sqrt(-1 - x * x), x)", selection=""),
        "; 1 event has no number as observable in file 'sig.root', tree 'events'",
    ),
    "no weight": (
        lambda c: c["simulated"]["sig"].update(weight="log(event % 2)"),
        "events have no finite weight in file 'sig.root', tree 'events'",
    ),
    "samples swapped": (
        lambda c: c["simulated"]["sig"].update(files="bkg.root:events"),
        "what 'bkg' has: exchange them",
    ),
    "channels swapped": (
        lambda c: c["channel"].update(SR1=c["channel"]["SR2"], SR2=c["channel"]["SR1"]),
        "channel 'SR2' has: the two are exchanged",
    ),
    "edge moved, and a factor": (
        lambda c: (
            set_channel(c, edges=[*EDGES["SR1"][:5].tolist(), 0.02, *EDGES["SR1"][6:]]),
            c["simulated"]["sig"].update(weight="half"),
        ),
        "the weight lacks a factor; beside that, all events are there, in other bins",
    ),
    "samples swapped, and a factor": (
        lambda c: c["simulated"]["sig"].update(files="bkg.root:events", weight="half"),
        "it is 0.5 times what 'bkg' has: exchange them, and the weight lacks a factor",
    ),
    "rows of one identifier": (repeat_identifiers, "with the identifier of another of its rows"),
    "another channel": (
        lambda c: c["channel"].update(SR3={"disjoint": True}),
        "channel.SR3: no channel of the workspace",
    ),
    "another sample": (
        lambda c: c["simulated"].update(top="sig.root:events"),
        "simulated.top: no sample of the workspace",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_refused(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = settings()
    spoil, cause = WRONG[name]
    spoil(content)
    with pytest.raises(EventsError) as refused:
        audited(folder, content, monkeypatch)
    assert cause in "\n".join(refused.value.lines)


def test_unknown_key_of_a_sample_is_refused() -> None:
    content = settings()
    content["simulated"]["sig"]["weigth"] = "w"
    with pytest.raises(
        StudyError, match=r"simulated\.sig\.weigth: unknown key; did you mean weight"
    ):
        EventMap.from_dict(content)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"edges": [1.0]}, r"channel\.SR1: edges are missing"),
        ({"edges": [1.0, 1.0, 2.0]}, r"channel\.SR1: edges = .* must increase"),
        ({"disjoint": True}, r"channel\.SR1: disjoint = true stands for events"),
        ({"selected": "x"}, r"channel\.SR1\.selected: unknown key; did you mean selection"),
        (
            {"data": {"files": "a.root", "weight": "w"}},
            r"channel\.SR1\.data: data have files alone",
        ),
        ({"overflow": "first"}, r'channel\.SR1\.overflow = "first": must be'),
    ],
)
def test_wrong_settings_are_refused(keys: Settings, message: str) -> None:
    content = settings()
    content["channel"]["SR1"] |= keys
    with pytest.raises(StudyError, match=message):
        EventMap.from_dict(content)


def test_command(
    folder: Path, tmp_path: Path, invoke: Callable[..., CompletedProcess[str]]
) -> None:
    lines = ['data = "data.parquet"', "[simulated]"]
    lines += [
        f'{name} = {{ files = "{name}.root:events", weight = "2 * half" }}' for name in PROCESSES
    ]
    for name, channel in settings()["channel"].items():
        lines += [f"[channel.{name}]", *(f"{k} = {json.dumps(v)}" for k, v in channel.items())]
    (folder / "events.toml").write_text("\n".join(lines))
    options = ("--n-toys", "0", "-o", tmp_path / "out")
    words = ("audit", folder / "workspace.json", folder / "events.toml", *options)
    ended = invoke(*words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "May the channels be fitted as if they shared no events? For mu" in ended.stdout
    names = {"errors.csv", "shared.csv", "covariance.npz", "covariance.json", "covariance_hs3.json"}
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {*names, "manifest.json", "workspace_audit.json", "report.html", "figures"}
    figures = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert figures == {"shared.png", "errors.png"}
    told = json.loads((tmp_path / "out" / "covariance.json").read_text())
    edges = [pair for name in EDGES for pair in pairwise(EDGES[name].tolist())]
    assert told["edges"] == [list(pair) for pair in edges]
    back = WorkspaceAuditResult.read(tmp_path / "out").covariance
    assert back is not None
    assert back.edges == pytest.approx(np.array(edges))
    assert back.events is not None
    assert back.events.tolist() == told["events"]
    (folder / "events.toml").write_text("\n".join(lines).replace("2 * half", "half"))
    ended = invoke(*words)
    assert ended.returncode == 2
    assert ended.stderr.count("the weight lacks a factor") == 9
