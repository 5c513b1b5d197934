"""Every name that a source offers is read as the library that wrote it reads it, or refused.

`two_leptons.root` was written by ROOT 6.40: two split four-vectors, lep1 and lep2, whose parts
have the same short names.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
import uproot
from numpy.typing import NDArray
from pyarrow import parquet

from pullfactory.errors import EventsError
from pullfactory.events import Source, open_source, parse_expression
from pullfactory.events._ttree import TTreeReader

SPLIT = Path(__file__).parent / "two_leptons.root"
JAGGED = "has not one value per event; write one number per event into a column of its own"
ROWS = np.arange(5.0)


def read(source: Source, name: str) -> NDArray[Any]:
    return np.concatenate([columns[name] for columns in source.chunks([name])])


def assert_as_uproot(path: Path, tree: str, *, jagged: set[str]) -> int:
    """All names, one by one and all at once; how many there are."""
    source = open_source(path, tree=tree, place="s", chunk=1500)
    names = source.names()
    assert len(set(names)) == len(names)
    usable = [name for name in names if name not in jagged]
    assert jagged <= set(names)
    with uproot.open(path) as file:
        truth = {name: file[tree][name].array(library="np") for name in usable}
    for name in usable:
        assert np.array_equal(read(source, name), truth[name]), name
    chunks = list(source.chunks(usable))
    for name in usable:
        assert np.array_equal(np.concatenate([chunk[name] for chunk in chunks]), truth[name]), name
    for name in jagged:
        with pytest.raises(EventsError, match=f"column '{name}' {JAGGED}$"):
            next(source.chunks([name]))
    return len(usable)


def test_split_objects() -> None:
    whole = {f"lep{i}{part}" for i in (1, 2) for part in ("", "/fCoordinates")}
    assert assert_as_uproot(SPLIT, "events", jagged=whole) == 8
    source = open_source(SPLIT, place="s")
    energies = [read(source, f"lep{i}/fCoordinates/fCoordinates.fT") for i in (1, 2)]
    # 4000 normal values each around 50 and 80, of widths 3 and 5.
    assert abs(energies[0].mean() - 50) < 4 * 3 / 4000**0.5
    assert abs(energies[1].mean() - 80) < 4 * 5 / 4000**0.5
    with pytest.raises(EventsError, match=r"column 'fCoordinates\.fT' is missing; use for example"):
        next(source.chunks(["fCoordinates.fT"]))


def test_two_branches_of_one_full_name() -> None:
    """ROOT allows them, and uproot reads one of them."""
    with uproot.open(SPLIT) as file:
        branch = file["events"]["lep1/fCoordinates/fCoordinates.fT"]
        tree = SimpleNamespace(
            iteritems=lambda **_options: iter([("e", branch), ("e", branch)]), num_entries=4000
        )
        reader = TTreeReader(tree=tree, place="file 'a.root'", chunk=100)
        with pytest.raises(EventsError, match=r"^file 'a\.root': 2 columns are named 'e'; rename"):
            next(reader.chunks(["e"]))


def write_ttrees(path: Path) -> None:
    """Cycles of one name, the same name in folders, and branches with odd names."""
    with uproot.recreate(path) as file:
        for step, key in enumerate(["t", "t", "deep/t", "deep/er/t", "deep/t"]):
            names = ("x", "jet.pt", "a/b", "b", "é", "x_1", "jet_*", "id")
            data: dict[str, Any] = {
                name: 10.0 * step + i + ROWS / 8 for i, name in enumerate(names)
            }
            data["id"] = np.arange(5, dtype=np.uint64) + np.uint64(2**63 + step)
            data["jets"] = ak.Array([[1.0], [], [2.0, 3.0], [], []])
            file.mktree(key, data).extend(data)


@pytest.mark.parametrize(
    "tree", ["t", "t;1", "t;2", "deep/t", "deep/t;1", "deep/t;2", "deep/er/t", "deep/er/t;1"]
)
def test_folders_and_cycles(tmp_path: Path, tree: str) -> None:
    write_ttrees(tmp_path / "a.root")
    assert assert_as_uproot(tmp_path / "a.root", tree, jagged={"jets"}) == 9


def test_cycles_are_different_trees(tmp_path: Path) -> None:
    write_ttrees(tmp_path / "a.root")
    first, second, latest = (
        read(open_source(tmp_path / "a.root", tree=tree, place="s"), "x")[0]
        for tree in ("t;1", "t;2", "t")
    )
    assert (first, second, latest) == (0.0, 10.0, 10.0)
    with pytest.raises(EventsError, match="tree 't;3' is missing; use 't', 'deep/t'"):
        open_source(tmp_path / "a.root", tree="t;3", place="s").names()


def test_ntuple_with_fields_inside_fields(tmp_path: Path) -> None:
    deep = ak.zip({"x": ROWS + 30})
    data: dict[str, Any] = {
        "x": ROWS,
        "lep1": ak.zip({"x": ROWS + 10, "deep": deep}),
        "lep2": ak.zip({"x": ROWS + 20, "y": ROWS + 21}),
        "tuple": ak.zip((ROWS + 40, ROWS + 41)),
        "jets": ak.zip({"pt": ak.Array([[1.0], [], [2.0, 3.0], [], []])}),
        "word": ["one", "two", "ü", "", "five"],
    }
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("t", data)
        file.mkrntuple("u", {"lep1": ak.zip({"x": ROWS + 50})})
        file.mkdir("deep").mkrntuple("t", {"lep1": ak.zip({"x": ROWS + 60})})
    jagged = {"lep1", "lep1.deep", "lep2", "tuple", "jets", "jets.pt"}
    path = tmp_path / "a.root"
    assert assert_as_uproot(path, "t", jagged=jagged) == 8
    assert assert_as_uproot(path, "t;1", jagged=jagged) == 8
    assert assert_as_uproot(path, "u", jagged={"lep1"}) == 1
    assert assert_as_uproot(path, "deep/t", jagged={"lep1"}) == 1


def test_ntuple_with_dots_in_names(tmp_path: Path) -> None:
    """uproot finds no field with a dot in its own name; two columns of one name are refused."""
    data: dict[str, Any] = {
        "jet.pt": ROWS,
        "lep": ak.zip({"pt": ROWS + 1, "eta": ROWS + 2}),
        "lep.pt": ROWS + 3,
    }
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("t", data)
    source = open_source(tmp_path / "a.root", place="s")
    assert read(source, "jet.pt").tolist() == ROWS.tolist()
    assert read(source, "lep.eta").tolist() == (ROWS + 2).tolist()
    with pytest.raises(EventsError, match=r"2 columns are named 'lep\.pt'; rename them"):
        next(source.chunks(["lep.pt"]))


def test_parquet_with_a_column_named_as_a_part_of_another(tmp_path: Path) -> None:
    table = pa.table({"jet": [{"pt": 1.0}] * 5, "jet.pt": ROWS, "x": ROWS + 1, "é": ROWS + 2})
    parquet.write_table(table, tmp_path / "a.pq")
    source = open_source(tmp_path / "a.pq", place="s")
    for i, name in enumerate(["jet.pt", "x", "é"]):
        assert read(source, name).tolist() == (ROWS + i).tolist()
    with pytest.raises(EventsError, match="column 'jet' is a struct"):
        next(source.chunks(["jet"]))


def test_npz_with_a_column_named_as_the_file_of_another(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"x": ROWS, "x.npy": ROWS + 1, "é": ROWS + 2}
    np.savez(tmp_path / "a.npz", **columns)
    source = open_source(tmp_path / "a.npz", place="s")
    assert source.names() == ("x", "x.npy", "é")
    for i, name in enumerate(source.names()):
        assert read(source, name).tolist() == (ROWS + i).tolist()


def test_names_that_look_alike() -> None:
    """Python's parser makes the Greek letter of the micro sign, and fi of the ligature."""
    table = {"\u00b5": ROWS, "\u03bc": ROWS + 1, "\ufb01": ROWS + 2, "fi": ROWS + 3}
    for i, name in enumerate(table):
        expression = parse_expression(f"{name} + 0 * x", place="p")
        assert set(expression.columns) == {name, "x"}
        found = expression(table | {"x": ROWS})
        assert found.tolist() == (ROWS + i).tolist()
