"""Configurations of cabinetry: its yields, and the answer of a TOML file that says the same."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import cabinetry
import numpy as np
import pytest
import uproot
import yaml

from pullfactory import EventMap, audit_workspace, read_cabinetry
from pullfactory.errors import StudyError
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.sharing.filled import column_sums
from pullfactory.sharing.reading import read_mapped
from pullfactory.workspaces.reading import read_workspace

Settings = dict[str, Any]


def config() -> Settings:
    """As the example of cabinetry, with a second region of the same events."""
    return {
        "General": {
            "Measurement": "example",
            "POI": "Signal_norm",
            "HistogramFolder": "histograms/",
            "InputPath": "{SamplePath}",
        },
        "Regions": [
            {
                "Name": "high",
                "Variable": "jet_pt",
                "Filter": "lep_charge > 0",
                "Binning": [200, 300, 400, 500, 600],
            },
            {
                "Name": "mass",
                "Variable": "m",
                "Filter": "(lep_charge > 0) & (jet_pt <= 550)",
                "Binning": [0, 80, 120, 200],
            },
        ],
        "Samples": [
            {"Name": "Data", "Tree": "pseudodata", "SamplePath": "data.root", "Data": True},
            {
                "Name": "Signal",
                "Tree": "signal",
                "SamplePath": "prediction.root",
                "Weight": "weight",
                "Filter": "lep_charge > -2",
            },
            {
                "Name": "Background",
                "Tree": "background",
                "SamplePath": ["prediction.root"],
                "Weight": "weight",
            },
        ],
        "Systematics": [
            {
                "Name": "Luminosity",
                "Up": {"Normalization": 0.05},
                "Down": {"Normalization": -0.05},
                "Type": "Normalization",
            }
        ],
        "NormFactors": [
            {"Name": "Signal_norm", "Samples": "Signal", "Nominal": 1, "Bounds": [0, 10]}
        ],
    }


def config_of_uproot() -> Settings:
    """The same with what only uproot evaluates: numbers of jets, single precision, no weights."""
    content = config()
    high, mass = content["Regions"]
    high |= {
        "Variable": "jets[:, 0]",
        "Filter": "(lep_charge > 0) & (jets[:, 1] > 150) | ~(m < 90)",
    }
    mass |= {"Variable": "0.1 * jets[:, 1] + m", "Filter": "lep_charge // 1 & 3 == 1"}
    _, signal, background = content["Samples"]
    signal["Weight"] = "0.3"
    background["Weight"] = "0.7 * weight * where(jets[:, 0] > 250, 1.1, 1)"
    return content


def fill(file: Any, name: str, events: Settings) -> None:
    """A tree; of what uproot makes of arrays by itself, an RNTuple, it reads no expressions."""
    kinds = {key: (values.dtype, values.shape[1:]) for key, values in events.items()}
    file.mktree(name, {key: kind if kind[1] else kind[0] for key, kind in kinds.items()})
    file[name].extend(events)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ntuples, the configuration, and the workspace that cabinetry makes of both."""
    folder = tmp_path_factory.mktemp("cabinetry")
    rng = np.random.default_rng(8)

    def events(number: int, centre: float, weight: float) -> Settings:
        jet_pt = 200.0 + rng.exponential(centre, number)
        return {
            "jet_pt": jet_pt,
            "jets": np.stack([jet_pt, 0.7 * jet_pt], axis=1).astype(np.float32),
            "m": 0.3 * jet_pt + rng.normal(0.0, 10.0, number),
            "lep_charge": rng.choice([-1, 1], number),
            "weight": np.full(number, weight, dtype=np.float32),
        }

    with uproot.recreate(folder / "prediction.root") as file:
        fill(file, "signal", events(2000, 200.0, 0.05))
        fill(file, "background", events(4000, 100.0, 0.1))
    with uproot.recreate(folder / "data.root") as file:
        fill(file, "pseudodata", events(900, 110.0, 1.0))
    build(folder, config(), "config", "workspace")
    return folder


def build(folder: Path, content: Settings, name: str, workspace: str) -> None:
    """The workspace that cabinetry makes of a configuration."""
    (folder / f"{name}.yml").write_text(yaml.safe_dump(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        cabinetry.templates.build(content, method="uproot")
        cabinetry.templates.postprocess(content)
        spec = cabinetry.workspace.build(content, with_validation=False)
    (folder / f"{workspace}.json").write_text(json.dumps(spec))


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.mark.parametrize("content", [config(), config_of_uproot()], ids=["plain", "uproot"])
def test_yields_are_those_of_cabinetry(content: Settings, folder: Path) -> None:
    build(folder, content, "tried", "made")
    workspace = read_workspace("made.json")
    likelihood = BinnedLikelihood.from_pyhf(workspace)
    found = read_mapped(read_cabinetry("tried.yml"), likelihood, workspace)
    assert column_sums(found.data) == pytest.approx(likelihood.observed[:7], rel=1e-12)
    for channel in workspace["channels"]:
        for sample in channel["samples"]:
            sums = column_sums(found.simulated[sample["name"]])
            where = likelihood.channel_slice(channel["name"])
            assert sums[where] == pytest.approx(np.array(sample["data"]), rel=1e-12)


@pytest.mark.slow
def test_toml_gives_the_same_answer(
    invoke: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    regions = {
        "high": {
            "observable": "jet_pt",
            "edges": [200.0, 300.0, 400.0, 500.0, 600.0],
            "selection": "lep_charge > 0",
        },
        "mass": {
            "observable": "m",
            "edges": [0.0, 80.0, 120.0, 200.0],
            "selection": "lep_charge > 0 and jet_pt <= 550",
        },
    }
    background = {"files": "prediction.root:background", "weight": "weight"}
    signal = {
        "files": "prediction.root:signal",
        "weight": "weight",
        "selection": "lep_charge > -2",
        "own_selection": True,
    }
    mapped = EventMap.from_dict(
        {
            "data": "data.root:pseudodata",
            "simulated": {"Background": background, "Signal": signal},
            "channel": regions,
        }
    )
    by_toml = audit_workspace("workspace.json", events=mapped, n_toys=0)
    words = ("audit", "workspace.json", "--cabinetry", "config.yml", "--n-toys", "0", "--json")
    ended = invoke(*words, "-o", tmp_path / "out")
    assert (ended.returncode, ended.stderr) == (0, "")
    errors = json.loads(ended.stdout)["errors"]
    told = [row.factor for row in by_toml.rows]
    assert [row["factor"] for row in errors] == pytest.approx(told, rel=1e-12)
    assert errors[0]["factor"] != pytest.approx(1.0, abs=0.01)


def no_tree(content: Settings) -> None:
    del content["Samples"][0]["Tree"]


def no_regions(content: Settings) -> None:
    del content["Regions"]


def filtered_data(content: Settings) -> None:
    content["Samples"][0]["Filter"] = "jet_pt > 0"


def weighted_data(content: Settings) -> None:
    content["Samples"][0]["Weight"] = "weight"


def edges_of_words(content: Settings) -> None:
    content["Regions"][0]["Binning"][0] = "low"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (edges_of_words, "is no configuration of cabinetry .*'low'"),
        (weighted_data, "the data have a weight, 'weight'"),
        (no_tree, "sample 'Data' is read from histograms"),
        (no_regions, "is no configuration of cabinetry .*Regions"),
        (filtered_data, "the data have a filter of their own"),
    ],
)
def test_what_cannot_be_said_is_refused(
    spoil: Callable[[Settings], None], message: str, tmp_path: Path
) -> None:
    content = config()
    spoil(content)
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(StudyError, match=message):
        read_cabinetry(path)


def test_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("a: [")
    with pytest.raises(StudyError, match="is no YAML"):
        read_cabinetry(tmp_path / "config.yml")
    with pytest.raises(StudyError, match="cannot be read"):
        read_cabinetry(tmp_path / "other.yml")
    (tmp_path / "empty.yml").touch()
    with pytest.raises(StudyError, match="has no sections"):
        read_cabinetry(tmp_path / "empty.yml")
