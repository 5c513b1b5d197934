"""Every format gives the same arrays, whatever the size of the chunks."""

import csv
import gzip
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import uproot
from numpy.typing import NDArray
from pyarrow import parquet

from pullfactory.errors import EventsError
from pullfactory.events import Source, open_source

Columns = dict[str, NDArray[Any]]
ROWS = 1000
TYPES = {"x": "f8", "y": "f4", "n": "i4", "id": "u8", "flag": "?"}


@pytest.fixture(scope="module")
def table() -> Columns:
    """Floats, integers up to 2^64, and booleans."""
    generator = np.random.default_rng(20240912)
    return {
        "x": generator.normal(scale=1e-3, size=ROWS),
        "y": generator.normal(size=ROWS).astype(np.float32),
        "n": generator.integers(-5, 5, size=ROWS, dtype=np.int32),
        "id": generator.integers(2**63, 2**64, size=ROWS, dtype=np.uint64),
        "flag": generator.random(ROWS) < 0.5,
    }


def parts(table: Mapping[str, NDArray[Any]], *, size: int = 300) -> list[Columns]:
    rows = range(0, ROWS, size)
    return [{name: values[i : i + size] for name, values in table.items()} for i in rows]


def write_ttree(path: Path, table: Columns) -> None:
    with uproot.recreate(path) as file:
        tree = file.mktree("events", TYPES)
        for part in parts(table):
            tree.extend(part)


def write_rntuple(path: Path, table: Columns) -> None:
    with uproot.recreate(path) as file:
        first, *others = parts(table)
        ntuple = file.mkrntuple("events", first)
        for part in others:
            ntuple.extend(part)


def write_parquet(path: Path, table: Columns) -> None:
    parquet.write_table(pa.table(table), path, row_group_size=300)


def write_csv(path: Path, table: Columns) -> None:
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table)
        columns = (
            values.astype("f8" if name == "y" else values.dtype) for name, values in table.items()
        )
        writer.writerows(zip(*(c.tolist() for c in columns), strict=True))


def write_npz(path: Path, table: Columns) -> None:
    np.savez_compressed(path, allow_pickle=False, **table)


FILES: Mapping[str, Callable[[Path, Columns], None]] = {
    "tree.root": write_ttree,
    "ntuple.root": write_rntuple,
    "table.parquet": write_parquet,
    "table.csv": write_csv,
    "table.csv.gz": write_csv,
    "table.npz": write_npz,
}
OBJECTS: Mapping[str, Callable[[Columns], object]] = {
    "mapping": dict,
    "mapping of lists": lambda table: {name: c.tolist() for name, c in table.items()},
    "mapping of anything": lambda table: {
        **table,
        "x": pd.Series(table["x"], index=range(ROWS, 0, -1)),
        "y": ak.Array(table["y"]),
        "n": pa.array(table["n"]),
        "id": table["id"].astype(">u8"),
    },
    "pandas": lambda table: pd.DataFrame(table, index=range(ROWS, 0, -1)),
    "nullable pandas": lambda table: pd.DataFrame(table).convert_dtypes(),
    "pandas of Arrow": lambda table: pd.DataFrame(table).convert_dtypes(dtype_backend="pyarrow"),
    "awkward": ak.Array,
    "arrow": pa.table,
    "record batch": pa.RecordBatch.from_pydict,
    "structured": lambda table: pd.DataFrame(table).to_records(index=False),
}


def read(source: Source, names: tuple[str, ...], *, chunk: int) -> Columns:
    chunks = list(source.chunks(names))
    for columns in chunks:
        assert tuple(columns) == names
        (rows,) = {values.shape for values in columns.values()}
        assert 1 <= rows[0] <= chunk
    return {name: np.concatenate([c[name] for c in chunks]) for name in names}


def assert_same(found: Columns, table: Columns) -> None:
    for name, values in found.items():
        assert values.dtype.isnative
        assert np.array_equal(values.astype(table[name].dtype), table[name])
        assert np.array_equal(values.astype(np.float64), table[name].astype(np.float64))


@pytest.mark.parametrize("chunk", [1, 7, 300, 333, 2**18])
@pytest.mark.parametrize("name", FILES)
def test_file(tmp_path: Path, table: Columns, name: str, chunk: int) -> None:
    table = table if chunk > 1 else {key: values[:50] for key, values in table.items()}
    FILES[name](tmp_path / name, table)
    source = open_source(name, place="sample", base=tmp_path, chunk=chunk)
    assert set(source.names()) == set(table)
    assert source.place.startswith(f"file '{name}'")
    assert_same(read(source, ("id", "x", "flag", "n", "y"), chunk=chunk), table)
    assert_same(read(source, ("n",), chunk=chunk), table)


@pytest.mark.parametrize("chunk", [7, 2**18])
@pytest.mark.parametrize("name", OBJECTS)
def test_object(table: Columns, name: str, chunk: int) -> None:
    source = open_source(OBJECTS[name](table), place="table 'mine'", chunk=chunk)
    assert source.names() == tuple(table)
    assert source.place == "table 'mine'"
    assert_same(read(source, ("id", "x", "flag", "n", "y"), chunk=chunk), table)


def test_several_files_of_several_formats(tmp_path: Path, table: Columns) -> None:
    for name, write in FILES.items():
        write(tmp_path / name, table)
    source = open_source(list(FILES), place="sample 'a'", base=tmp_path, chunk=400)
    assert source.place == "sample 'a'"
    found = read(source, ("x", "id"), chunk=400)
    assert_same(found, {name: np.tile(values, len(FILES)) for name, values in table.items()})


def test_pattern(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for i, name in enumerate(["b.csv", "a.csv", "deep/c.csv", "other.csv"]):
        (tmp_path / name).write_text(f"x\n{i}\n")
    for pattern, expected in {"?.csv": [1, 0], "**/[a-c].csv": [1, 0, 2]}.items():
        source = open_source(pattern, place="sample", base=tmp_path)
        assert read(source, ("x",), chunk=9)["x"].tolist() == expected
    absolute = open_source([tmp_path / "b.csv", f"{tmp_path}/a*"], place="sample", base=Path("no"))
    assert read(absolute, ("x",), chunk=9)["x"].tolist() == [0, 1]


def test_file_with_a_name_like_a_pattern(tmp_path: Path) -> None:
    (tmp_path / "run[1].csv").write_text("x\n1\n")
    source = open_source("run[1].csv", place="sample", base=tmp_path)
    assert read(source, ("x",), chunk=9)["x"].tolist() == [1]


def test_root_file_with_a_colon_in_its_name(tmp_path: Path, table: Columns) -> None:
    write_ttree(tmp_path / "a:b.root", table)
    assert_same(read(open_source(tmp_path / "a:b.root", place="s"), ("x",), chunk=2**18), table)


@pytest.mark.parametrize("name", ["tree.root", "ntuple.root"])
def test_named_tree_among_several(tmp_path: Path, name: str) -> None:
    make = "mktree" if name == "tree.root" else "mkrntuple"
    with uproot.recreate(tmp_path / name) as file:
        for key, value in {"one": 1.0, "deep/two": 2.0}.items():
            data = {"x": np.full(3, value)}
            if make == "mktree":
                file.mktree(key, {"x": "f8"}).extend(data)
            elif "/" not in key:
                file.mkrntuple(key, data)
            else:
                file.mkdir("deep").mkrntuple("two", data)
    for key, value in {"one": 1.0, "deep/two": 2.0}.items():
        source = open_source(name, tree=key, place="s", base=tmp_path)
        assert source.place == f"file '{name}', tree '{key}'"
        assert read(source, ("x",), chunk=9)["x"].tolist() == [value] * 3
    with pytest.raises(EventsError, match=r"holds 2 trees; name one of 'one', 'deep/two'$"):
        open_source(name, place="s", base=tmp_path).names()
    with pytest.raises(EventsError, match=r"tree 'three' is missing; use 'one', 'deep/two'$"):
        open_source(name, tree="three", place="s", base=tmp_path).names()


def test_branches_with_odd_names(tmp_path: Path) -> None:
    names = ("jet.pt", "jet_*", "jet_1", "x")
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree("t", dict.fromkeys(names, "f8"))
        tree.extend({name: np.full(4, i) for i, name in enumerate(names)})
    parquet.write_table(
        pa.table({n: np.full(4, float(i)) for i, n in enumerate(names)}), tmp_path / "a.pq"
    )
    for file_name in ("a.root", "a.pq"):
        source = open_source(file_name, place="s", base=tmp_path)
        assert set(source.names()) == set(names)
        found = read(source, ("jet_*", "jet.pt"), chunk=9)
        assert {name: set(values) for name, values in found.items()} == {
            "jet_*": {1},
            "jet.pt": {0},
        }


def test_missing_numbers_are_nan(tmp_path: Path) -> None:
    table = pa.table(
        {
            "x": pa.array([1.5, None, 3.0]),
            "n": pa.array([1, None, 3]),
            "b": pa.array([True, None, False]),
            "all": pa.nulls(3),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("x,n,b,all\n1.5,1,true,\n,,,nan\n3.0,3,false,NA\n")
    mapping = table.to_pydict()
    awkward = ak.Array({name: mapping[name] for name in mapping})
    masked = {"x": [1.5, 9, 3], "n": [1, 9, 3], "b": [True, True, False], "all": [9, 9, 9]}
    mask = {"x": [0, 1, 0], "n": [0, 1, 0], "b": [0, 1, 0], "all": [1, 1, 1]}
    arrays: dict[str, object] = {
        name: np.ma.array(masked[name], mask=np.array(mask[name], dtype=bool)) for name in masked
    }
    everything: list[object] = [
        tmp_path / "a.parquet",
        tmp_path / "a.csv",
        table,
        mapping,
        awkward,
        arrays,
        pd.DataFrame(mapping),
        pd.DataFrame(mapping).convert_dtypes(),
        table.to_pandas(types_mapper=pd.ArrowDtype),
    ]
    for data in everything:
        found = read(open_source(data, place="s"), ("x", "n", "b", "all"), chunk=9)
        expected = {"x": [1.5, 3], "n": [1, 3], "b": [1, 0], "all": []}
        for name, values in found.items():
            assert values.dtype == np.float64, (name, data)
            assert values[~np.isnan(values)].tolist() == expected[name]


def test_texts(tmp_path: Path) -> None:
    words = ["one", "two", "three"]
    parquet.write_table(pa.table({"word": words}), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("word\none\ntwo\nthree\n")
    np.savez(tmp_path / "a.npz", word=np.array(words))
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mkrntuple("t", {"word": words})
    coded = pa.table({"word": pa.array(words).dictionary_encode()})
    for data in (
        *(tmp_path / f"a.{ending}" for ending in ("parquet", "csv", "npz", "root")),
        {"word": words},
        pd.DataFrame({"word": words}),
        ak.Array({"word": words}),
        coded,
        pd.DataFrame({"word": pd.Categorical(words)}),
    ):
        assert read(open_source(data, place="s"), ("word",), chunk=9)["word"].tolist() == words


def test_csv_with_late_decimals_and_long_identifiers(tmp_path: Path) -> None:
    rows = [f"{2**63 + i}, {i}" for i in range(900)] + [f"{2**63 + 900},900.25"]
    (tmp_path / "a.csv").write_text("id, x\n" + "\n".join(rows))
    source = open_source(tmp_path / "a.csv", place="s", chunk=100)
    assert source.names() == ("id", " x")
    found = read(source, ("id", " x"), chunk=100)
    assert found["id"].tolist() == [2**63 + i for i in range(901)]
    assert found[" x"].tolist() == [*range(900), 900.25]


def test_csv_floats_are_exact(tmp_path: Path) -> None:
    bits = np.random.default_rng(1).integers(0, 2**64, size=20_000, dtype=np.uint64)
    numbers = bits.view(np.float64)
    numbers = np.append(numbers[np.isfinite(numbers)], [5e-324, 0.1, 1e308, np.inf, -np.inf, -0.0])
    (tmp_path / "a.csv").write_text("x\n" + "\n".join(map(repr, numbers.tolist())) + "\n")
    found = read(open_source(tmp_path / "a.csv", place="s"), ("x",), chunk=2**18)["x"]
    assert np.array_equal(found.view(np.uint64), numbers.view(np.uint64))


@pytest.mark.parametrize("name", FILES)
def test_no_rows(tmp_path: Path, table: Columns, name: str) -> None:
    if name == "ntuple.root":
        with uproot.recreate(tmp_path / name) as file:
            file.mkrntuple("events", {"x": "f8"})
    else:
        FILES[name](tmp_path / name, {key: values[:0] for key, values in table.items()})
    source = open_source(tmp_path / name, place="s")
    assert "x" in source.names()
    assert list(source.chunks(["x"])) == []


def test_a_column_asked_for_twice(table: Columns) -> None:
    assert list(next(open_source(table, place="s").chunks(["x", "x"]))) == ["x"]


def test_a_reading_that_stops_early_closes_the_file(tmp_path: Path, table: Columns) -> None:
    for name, write in FILES.items():
        write(tmp_path / name, table)
        chunks = open_source(tmp_path / name, place="s", chunk=10).chunks(["x"])
        next(chunks)
        chunks.close()  # type: ignore[attr-defined]


def test_importing_is_light() -> None:
    code = (
        "import sys, pullfactory.events; heavy = 'uproot awkward numexpr pandas pyarrow'; "
        "print([name for name in heavy.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
