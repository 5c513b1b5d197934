"""Files and tables that cannot be used end with one line: value, place, remedy."""

import gzip
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import uproot
from pyarrow import parquet

from pullfactory.errors import EventsError
from pullfactory.events import open_source

ROWS = 1000


def write_ttree(path: Path) -> None:
    generator = np.random.default_rng(1)
    with uproot.recreate(path) as file:
        tree = file.mktree("events", {"x": "f8", "m_top": "f8"})
        for _ in range(5):
            # Few different values, since what cannot be compressed has no checksum.
            tree.extend(
                {name: generator.integers(9, size=ROWS // 5) / 8 for name in ("x", "m_top")}
            )


def write_rntuple(path: Path) -> None:
    generator = np.random.default_rng(1)
    with uproot.recreate(path) as file:
        ntuple = file.mkrntuple("events", {"x": "f8", "m_top": "f8"})
        for _ in range(5):
            ntuple.extend({name: generator.normal(size=ROWS // 5) for name in ("x", "m_top")})


def write_parquet(path: Path) -> None:
    x = np.random.default_rng(1).normal(size=ROWS)
    table = pa.table({"x": x, "m_top": x})
    parquet.write_table(table, path, row_group_size=200, write_page_checksum=True)


def write_csv(path: Path) -> None:
    x = np.random.default_rng(1).normal(size=ROWS)
    pd.DataFrame({"x": x, "m_top": x}).to_csv(path, index=False)


def write_npz(path: Path) -> None:
    x = np.random.default_rng(1).normal(size=ROWS)
    np.savez_compressed(path, x=x, m_top=x)


FILES: Mapping[str, Callable[[Path], None]] = {
    "tree.root": write_ttree,
    "ntuple.root": write_rntuple,
    "table.parquet": write_parquet,
    "table.csv": write_csv,
    "table.csv.gz": write_csv,
    "table.npz": write_npz,
}
BINARY = [name for name in FILES if name != "table.csv"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_refused(complaint: str, data: object, *columns: str, tree: str | None = None) -> None:
    """The message must have this form."""
    with pytest.raises(EventsError, match=f"^{complaint}$") as raised:
        for _ in open_source(data, place="s", tree=tree, chunk=100).chunks(columns or ("x",)):
            pass
    assert str(raised.value).isprintable()


# --- paths ------------------------------------------------------------------------------------


def test_paths(here: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_csv(here / name)
    (here / "folder.root").mkdir()
    (here / "empty.root").touch()
    (here / "text.txt").write_text("x\n1\n")
    (here / "broken.csv").symlink_to("nothing.csv")
    (here / "same.csv").symlink_to("a.csv")
    os.mkfifo(here / "pipe.csv")
    refused: list[tuple[object, str]] = [
        ("no.root", "file 'no.root' is missing in the folder where you are; mend the path"),
        ("no/no.csv", "file 'no/no.csv' is missing in the folder where you are; mend the path"),
        ("a.csv/b.csv", r"file 'a.csv/b.csv' cannot be opened \(Not a directory\); .*"),
        ("broken.csv", "file 'broken.csv' is missing in the folder where you are; mend the path"),
        ("no*.root", r"no file matches 'no\*.root'; mend the pattern"),
        ("folder.root", "file 'folder.root' is a folder; name the files in it"),
        ("pipe.csv", "file 'pipe.csv' is no regular file; name one"),
        ("empty.root", "file 'empty.root' is empty; write it again"),
        ("text.txt", "file 'text.txt' has an unknown ending; use one of .root, .parquet, .*"),
        ("text", "file 'text' has an unknown ending; .*"),
        (
            "a.root:events",
            "file 'a.root:events' is no path; name the file 'a.root' and the tree .*",
        ),
        ("root://eos//a.root", "file 'root://eos//a.root' is not on this machine; copy it here"),
        ("", "'' is no path; name a file"),
        ([], "no file is given; give one or more"),
        (["a.csv", "./a.csv"], r"file './a.csv' is given twice \(also as 'a.csv'\); keep one"),
        (["a.csv", "a.csv"], "file 'a.csv' is given twice; keep one"),
        (["[ab].csv", "b.csv"], "file 'b.csv' is given twice; keep one"),
        (["a.csv", "same.csv"], r"file 'same.csv' is given twice \(also as 'a.csv'\); keep one"),
    ]
    for data, complaint in refused:
        assert_refused(f"s: {complaint}", data)


def test_without_permission(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(here / "a.csv")

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    complaint = r"s: file 'a.csv' cannot be opened \(Permission denied\); make it readable"
    assert_refused(complaint, "a.csv")


def test_chunk_of_nothing() -> None:
    with pytest.raises(EventsError, match=r"^s: chunk = 0 must be at least 1; raise it$"):
        open_source({}, place="s", chunk=0)


# --- content ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_missing_column(here: Path, name: str) -> None:
    FILES[name](here / name)
    tree = ", tree 'events'" if name.endswith("root") else ""
    place = f"file '{name}'{tree}: "
    assert_refused(f"{place}column 'm_tob' is missing; use for example 'm_top'", name, "x", "m_tob")
    assert_refused(f"{place}column 'q' is missing; use for example 'x', 'm_top'", name, "q")
    with pytest.raises(EventsError, match="no column is asked for; name at least one"):
        list(open_source(name, place="s").chunks([]))


def test_column_missing_in_the_second_file(here: Path) -> None:
    write_csv(here / "a.csv")
    (here / "b.csv").write_text("y\n1\n")
    assert_refused("file 'b.csv': column 'x' is missing; use for example 'y'", "?.csv")


@pytest.mark.parametrize("name", BINARY)
def test_content_of_another_kind(here: Path, name: str) -> None:
    (here / name).write_text("x,m_top\n1,2\n")
    kind = {".root": "ROOT", ".parquet": "Parquet", ".gz": "CSV", ".npz": "NPZ"}[Path(name).suffix]
    assert_refused(f"s: file '{name}' is no {kind} file; write it again or rename it", name)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("name", BINARY)
def test_file_cut_short(here: Path, name: str, share: float) -> None:
    FILES[name](here / name)
    content = (here / name).read_bytes()
    (here / name).write_bytes(content[: int(len(content) * share)])
    remedy = "; (it is damaged or of another kind, so )?write or copy it again"
    assert_refused(f"file '{name}'.*(is cut short, .* bytes|cannot be read .*){remedy}", name)


@pytest.mark.parametrize("name", ["tree.root", "table.parquet", "table.csv.gz", "table.npz"])
def test_bytes_changed_in_the_middle(here: Path, name: str) -> None:
    FILES[name](here / name)
    content = bytearray((here / name).read_bytes())
    start, length = len(content) // 3, 400
    if name == "tree.root":
        with uproot.open(name) as file:
            start, length = int(file["events"]["x"].member("fBasketSeek")[2]) + 150, 20
    middle = slice(start, start + length)
    content[middle] = bytes(byte ^ 0x5A for byte in content[middle])
    (here / name).write_bytes(content)
    complaint = f"file '{name}'.*: cannot be read .*; it is damaged .* copy it again"
    assert_refused(complaint, name, "x", "m_top")


@pytest.mark.parametrize("name", FILES)
def test_random_bytes_changed(here: Path, name: str) -> None:
    generator = np.random.default_rng(2)
    FILES[name](here / name)
    content = (here / name).read_bytes()
    for _ in range(40):
        changed = np.frombuffer(content, dtype=np.uint8).copy()
        places = generator.integers(4, len(content), size=3)
        changed[places] ^= generator.integers(1, 256, size=3, dtype=np.uint8)
        (here / name).write_bytes(changed.tobytes())
        try:
            chunks = list(open_source(name, place="s", chunk=100).chunks(["x"]))
        except EventsError as error:
            assert str(error).startswith(f"file '{name}'")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
        else:
            rows = sum(len(chunk["x"]) for chunk in chunks)
            assert rows == ROWS or name == "table.csv"


# --- ROOT -------------------------------------------------------------------------------------


def test_root_file_without_tree(here: Path) -> None:
    with uproot.recreate(here / "a.root") as file:
        file["note"] = "nothing"
    assert_refused("file 'a.root': holds no TTree and no RNTuple; write one", "a.root")


def test_missing_tree(here: Path) -> None:
    write_ttree(here / "a.root")
    complaint = "file 'a.root': tree '{}' is missing; use 'events'"
    for name in ("Events", "nominal", "/events"):
        assert_refused(complaint.format(name), "a.root", tree=name)


@pytest.mark.parametrize("kind", ["mktree", "mkrntuple"])
def test_branch_with_several_values(here: Path, kind: str) -> None:
    with uproot.recreate(here / "a.root") as file:
        data = {"jets": ak.Array([[1.0], [], [2.0, 3.0]]), "x": np.ones(3)}
        if kind == "mktree":
            data["pair"] = np.ones((3, 2))
            file.mktree("t", data)
        else:
            data["pair"] = ak.zip({"a": np.ones(3), "b": np.ones(3)})
            file.mkrntuple("t", data)
    for name in ("jets", "pair"):
        complaint = (
            f"file 'a.root', tree 't': column '{name}' has not one value per event; "
            "write one number per event into a column of its own"
        )
        assert_refused(complaint, "a.root", "x", name)
    assert len(next(open_source("a.root", place="s").chunks(["x"]))["x"]) == 3


@pytest.mark.parametrize("library", ["uproot", "cramjam"])
def test_without_uproot(here: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    write_ttree(here / "a.root")
    monkeypatch.setitem(sys.modules, library, None)
    assert_refused(r"file 'a.root': needs uproot .*; run pip install 'pullfactory\[io\]'", "a.root")


# --- Parquet, CSV, NPZ ------------------------------------------------------------------------


def test_parquet_columns_without_use(here: Path) -> None:
    columns = {"x": [[1.0], [2.0, 3.0]], "pair": [{"a": 1}, {"a": 2}], "n": [1, 2]}
    parquet.write_table(pa.table(columns), here / "a.pq")
    for name, why in (("x", "has not one value per event"), ("pair", "is a struct .of 'a'.")):
        assert_refused(f"file 'a.pq': column '{name}' {why}; .*", "a.pq", name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x,y\n1,2\n3\n", r"a row has not one .* \(Expected 2 columns, got 1\); .*"),
        ("x\n1\n\xff\n", r"line 3 is no UTF-8 \(byte 0xff at its beginning\); save the .*"),
        (
            "x,\xe9nergie\n1,2\n",
            r"line 1 is no UTF-8 \(byte 0xe9 after 'x,'\); save the file as UTF-8",
        ),
        ("x\0,y\n1,2\n", "line 1 holds a null byte; save the file as UTF-8"),
        ("x,y\n1,2\n\0\n", r"a row has not one .* \(Expected 2 columns, got 1\); .*"),
        ("x;y\n1;2\n", "semicolons separate its columns; .*"),
        ("x,x\n1,2\n", "2 columns are named 'x'; rename them"),
        ("\n\n", r"cannot be read \(.*Empty CSV file.*\); .*"),
    ],
)
def test_csv(here: Path, text: str, complaint: str) -> None:
    (here / "a.csv").write_text(text, encoding="latin-1")
    assert_refused(f"file 'a.csv': {complaint}", "a.csv")


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "latin-1"])
def test_csv_of_another_encoding(here: Path, encoding: str, ending: str) -> None:
    """Refused where names are looked for, too."""
    name = f"a{ending}"
    opener: Callable[..., Any] = gzip.open if ending == ".csv.gz" else open
    with opener(here / name, "wb") as stream:
        stream.write("x,\xe9\n1,2\n".encode(encoding))
    found = {
        "utf-16": "is UTF-16 text",
        "utf-32": "is UTF-32 text",
        "utf-16-le": "line 1 holds a null byte",
        "latin-1": r"line 1 is no UTF-8 \(byte 0xe9 after 'x,'\)",
    }[encoding]
    complaint = f"file '{name}': {found}; save the file as UTF-8"
    assert_refused(complaint, name)
    with pytest.raises(EventsError, match=complaint):
        open_source(name, place="s").names()


def test_csv_with_a_byte_order_mark(here: Path) -> None:
    (here / "a.csv").write_text("x,\xe9\n1,2\n", encoding="utf-8-sig")
    (chunk,) = open_source("a.csv", place="s").chunks(["x", "\xe9"])
    assert {name: values.tolist() for name, values in chunk.items()} == {"x": [1], "\xe9": [2]}


def test_csv_text_of_another_encoding_that_is_not_read(here: Path) -> None:
    (here / "a.csv").write_text("x,y\n1,\xe9\n", encoding="latin-1")
    (chunk,) = open_source("a.csv", place="s").chunks(["x"])
    assert chunk["x"].tolist() == [1]


def test_npz(here: Path) -> None:
    np.savez(
        here / "a.npz",
        x=np.array([1, None]),
        short=np.ones(1),
        long=np.ones(2),
        wide=np.ones((2, 2)),
        scalar=np.array(1.0),
    )
    refused = {
        ("long", "x"): "column 'x' holds Python objects, which could run code; save numbers, .*",
        ("long", "short"): "column 'short' has 1 rows, column 'long' 2; give each event .*",
        ("wide",): "column 'wide' has not one value per event; .*",
        ("scalar",): "column 'scalar' is no array but ndarray; give one value per event",
    }
    for columns, complaint in refused.items():
        assert_refused(f"file 'a.npz': {complaint}", "a.npz", *columns)
    with ZipFile(here / "b.npz", "w") as archive:
        archive.writestr("x.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", b"")
    assert_refused("file 'b.npz': 2 columns are named 'x'; rename them", "b.npz")


# --- tables in memory -------------------------------------------------------------------------

TWICE = pd.DataFrame(np.ones((2, 2)), columns=["x", "x"])
TABLES: list[tuple[object, str]] = [
    (3, "s: int is no table with named columns; give paths of files, a mapping of arrays, .*"),
    (None, "s: NoneType is no table .*"),
    (b"a.csv", "s: bytes is no table .*"),
    ([1, 2], "s: list is no table .*"),
    (np.ones(3), "s: ndarray is no table .*"),
    (ak.Array([1.0, 2.0]), "s: Array is no table .*"),
    (pd.Series([1.0]), "s: Series is no table .*"),
    ({}, "s: column 'x' is missing; there are none"),
    ({"y": [1]}, "s: column 'x' is missing; use for example 'y'"),
    ({1: [1]}, "s: column 1 has no text for a name; rename it"),
    (pd.DataFrame([[1]]), "s: column 0 has no text for a name; rename it"),
    (TWICE, "s: two columns are named 'x'; rename one"),
    ({"x": [1, 2], "y": [1]}, "s: column 'y' has 1 rows, column 'x' 2; give each event .*"),
    ({"x": 1.0}, "s: column 'x' is no array but float; give one value per event"),
    ({"x": "abc"}, "s: column 'x' is no array but str; .*"),
    ({"x": (i for i in range(3))}, "s: column 'x' is no array but generator; .*"),
    ({"x": np.ones((2, 2))}, "s: column 'x' has not one value per event; .*"),
    ({"x": [[1], [1, 2]]}, "s: column 'x' has not one value per event; .*"),
    ({"x": [[1], None]}, "s: column 'x' has not one value per event; .*"),
    ({"x": pd.Series([[1], [1, 2]])}, "s: column 'x' has not one value per event; .*"),
    (ak.Array({"x": [[1], [1, 2]]}), "s: column 'x' has not one value per event; .*"),
    (ak.Array({"x": [{"a": 1}]}), "s: column 'x' has not one value per event; .*"),
    (pa.table({"x": [[1], [1, 2]]}), "s: column 'x' has not one value per event; .*"),
    (np.ones(2, dtype=[("x", "f8", 2)]), "s: column 'x' has not one value per event; .*"),
]


@pytest.mark.parametrize(("data", "complaint"), TABLES, ids=range(len(TABLES)))
def test_table(data: object, complaint: str) -> None:
    assert_refused(complaint, data)


def test_integers_beyond_numpy_defaults_stay_exact() -> None:
    for values in ([2**64 - 1, 5], (5, 2**63)):
        (chunk,) = open_source({"id": values}, place="s").chunks(["id"])
        assert chunk["id"].tolist() == list(values)
        assert chunk["id"].dtype == np.uint64
