"""Files as people have them: several of one sample, several trees, events beyond the edges."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from numpy.typing import NDArray

from pullfactory import BinnedLikelihood, EventMap, read_workspace
from pullfactory.errors import EventsError, StudyError
from pullfactory.sharing import read_mapped, refuse_mismatch
from pullfactory.sharing.filled import column_sums

Columns = dict[str, NDArray[Any]]
Settings = dict[str, Any]

HT, MASS = np.array([10.0, 50.0, 100.0, 200.0]), np.array([0.0, 1.0, 2.0, 3.0])
SCALES = {"sig_a": 0.05, "sig_b": 0.02}


def events(number: int, mean: float, rng: np.random.Generator) -> Columns:
    """Some of negative weight, some beyond the edges, numbered from 0."""
    ht = rng.exponential(mean, number).astype(np.float32)
    return {
        "ht": ht,
        "m": ht / 60.0 + rng.normal(0.0, 0.4, number),
        "w": rng.choice([1.0, -0.5], number, p=[0.9, 0.1]),
        "event": np.arange(number),
    }


def counted(parts: list[tuple[Columns, NDArray[np.float64]]]) -> NDArray[np.float64]:
    """Both histograms: of ht with all that is beyond, of m with what is above."""
    whole = np.zeros(6)
    for columns, weights in parts:
        ht = np.clip(columns["ht"], HT[0], np.nextafter(HT[-1], 0.0))
        mass = np.minimum(columns["m"], np.nextafter(MASS[-1], 0.0))
        whole[:3] += np.histogram(ht, HT, weights=weights)[0]
        whole[3:] += np.histogram(mass, MASS, weights=weights)[0]
    return whole


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Files in a folder, and the histograms of them by sample."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(2)
    signal = {name: events(400, 90.0, rng) for name in SCALES}
    trees = {name: events(number, 40.0, rng) for name, number in (("t", 500), ("more", 90))}
    data = [events(150, 60.0, rng), events(250, 60.0, rng)]
    for name, columns in signal.items():
        write(folder / f"{name}.root", {"t": columns})
    write(folder / "bkg.root", trees)
    for k, columns in enumerate(data):
        write(folder / f"data_{k}.root", {"t": columns})
    return {
        "folder": folder,
        "data": counted([(each, np.ones(len(each["w"]))) for each in data]),
        "sig": counted([(signal[name], SCALES[name] * signal[name]["w"]) for name in SCALES]),
        "bkg": counted([(each, 0.1 * each["w"]) for each in trees.values()]),
    }


def write(path: Path, trees: dict[str, Columns]) -> None:
    with uproot.recreate(path) as file:
        for name, columns in trees.items():
            file.mktree(name, {key: values.dtype for key, values in columns.items()})
            file[name].extend(columns)


def settings() -> Settings:
    return {
        "data": "data_*.root:t",
        "simulated": {
            "sig": {"files": ["sig_a.root:t", "sig_b.root"], "scale": [0.05, 0.02], "weight": "w"},
            "bkg": {"files": ["bkg.root:t", "bkg.root:more"], "weight": "0.1 * w"},
        },
        "channel": {
            "HT": {"observable": "ht", "edges": HT.tolist(), "overflow": "both"},
            "M": {"observable": "m", "edges": MASS.tolist(), "overflow": "last"},
        },
    }


def read(content: Settings, wanted: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """What is in all bins, and refused if it is not in the workspace."""
    free = {"name": "mu", "type": "normfactor", "data": None}
    places = {"HT": slice(0, 3), "M": slice(3, 6)}

    def sample(name: str, place: slice) -> Settings:
        modifiers = [free] if name == "sig" else []
        return {"name": name, "data": wanted[name][place].tolist(), "modifiers": modifiers}

    spec = read_workspace(
        {
            "channels": [
                {"name": name, "samples": [sample("sig", place), sample("bkg", place)]}
                for name, place in places.items()
            ],
            "observations": [
                {"name": name, "data": wanted["data"][place].tolist()}
                for name, place in places.items()
            ],
            "measurements": [{"name": "all", "config": {"poi": "mu", "parameters": []}}],
            "version": "1.0.0",
        }
    )
    likelihood = BinnedLikelihood.from_pyhf(spec)
    found = read_mapped(EventMap.from_dict(content), likelihood, spec, base=wanted["folder"])
    refuse_mismatch(likelihood, spec, found, tolerance=1e-6)
    return {
        name: column_sums(each) for name, each in {"data": found.data, **found.simulated}.items()
    }


@pytest.mark.parametrize("language", ["pullfactory", "uproot"])
def test_all_of_it_is_counted(language: str, wanted: dict[str, Any]) -> None:
    found = read({**settings(), "language": language}, wanted)
    assert found.keys() == {"data", "sig", "bkg"}
    for name, sums in found.items():
        assert sums == pytest.approx(wanted[name], rel=1e-12)


def sig(content: Settings, **keys: object) -> object:
    content["simulated"]["sig"] |= keys
    return content


def ht(content: Settings, **keys: object) -> object:
    content["channel"]["HT"] |= keys
    return content


WRONG: dict[str, tuple[Callable[[Settings], object], str]] = {
    "one scale": (lambda c: sig(c, scale=[0.05]), "scale has 1 numbers, but there are 2 files"),
    "scales exchanged": (lambda c: sig(c, scale=[0.02, 0.05]), "another weight"),
    "scale of a channel": (
        lambda c: ht(c, files={"sig": "sig_a.root"}),
        "channel.HT.files.sig has no scale",
    ),
    "file twice": (
        lambda c: sig(c, files=["sig_a.root:t", "sig_a.root:t"]),
        "file 'sig_a.root' is given twice",
    ),
    "file twice by a pattern": (
        lambda c: sig(c, files=["sig_a.root", "sig_?.root"]),
        "file 'sig_a.root' is given twice",
    ),
    "no file": (lambda c: c.update(data="date_*.root:t"), "no file matches 'date_*.root'"),
    "a tree of two": (
        lambda c: c["simulated"].update(bkg="bkg.root"),
        "holds 2 trees; name one of 't', 'more'",
    ),
    "a tree left out": (
        lambda c: c["simulated"]["bkg"].update(files="bkg.root:t"),
        "all bins have too little: a selection is too tight, or a file is missing",
    ),
    "overflow": (
        lambda c: ht(c, overflow="drop"),
        "too little: they lack what is beyond the edges",
    ),
    "underflow": (lambda c: ht(c, overflow="last"), "too little: it lacks underflow"),
    "numbers start anew": (
        lambda c: c.update(id="event"),
        "each is in two files: give a column that tells files apart as id too",
    ),
    "no such branch": (
        lambda c: (ht(c, observable="h_t"), c.update(language="uproot")),
        "'h_t' is no branch and no function of uproot; use for example 'ht'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files_are_refused(name: str, wanted: dict[str, Any]) -> None:
    content = settings()
    spoil, cause = WRONG[name]
    spoil(content)
    with pytest.raises((EventsError, StudyError)) as refused:
        read(content, wanted)
    assert cause in "\n".join(refused.value.lines)
