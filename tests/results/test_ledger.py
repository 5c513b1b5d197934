"""Toys in parts are one table, whatever reads it."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import pullfactory as pf
from pullfactory.results.ledger import PartFolder
from pullfactory.results.part import Head


@pytest.fixture(scope="module")
def result() -> pf.ToysResult:
    likelihood = pf.BinnedLikelihood.from_pyhf(pf.read_workspace("workspaces/poster.json"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pullfactory.runs.toys._TOGETHER", 1)
        return pf.run_toys(likelihood, 1000, 1)


@pytest.fixture(scope="module")
def table(result: pf.ToysResult) -> pa.Table:
    return result.toys.read()


@pytest.fixture(scope="module")
def folder(result: pf.ToysResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = result.write(tmp_path_factory.mktemp("toys") / "out", figures=())
    assert len(list((out / "toys.parquet").iterdir())) == 4
    return out / "toys.parquet"


def test_rows_are_the_toys_in_order(table: pa.Table) -> None:
    assert table["toy"].to_pylist() == [toy for toy in range(1000) for _ in range(3)]


def test_pyarrow(folder: Path, table: pa.Table) -> None:
    assert pq.read_table(folder).equals(table)
    assert ds.dataset(folder).to_table().equals(table)


def test_pandas(folder: Path, table: pa.Table) -> None:
    pd = pytest.importorskip("pandas")
    assert pd.read_parquet(folder).equals(table.to_pandas())


def test_polars(folder: Path, table: pa.Table) -> None:
    pl = pytest.importorskip("polars")
    columns = ["toy", "estimate", "error", "nll"]
    found = pl.read_parquet(folder).select(columns)
    assert found.to_dict(as_series=False) == table.select(columns).to_pydict()


def test_duckdb(folder: Path, table: pa.Table) -> None:
    duckdb = pytest.importorskip("duckdb")
    columns = ["toy", "parameter", "estimate", "error"]
    query = f"SELECT {', '.join(columns)} FROM '{folder}/*.parquet'"
    found, expected = sorted(duckdb.sql(query).fetchall()), table.select(columns).to_pydict()
    assert found == sorted(zip(*expected.values(), strict=True))


def test_pages_have_checksums(folder: Path, tmp_path: Path) -> None:
    part = min(folder.iterdir())
    content = bytearray(part.read_bytes())
    with part.open("rb") as file:
        metadata = pq.ParquetFile(file).metadata
    at = metadata.row_group(0).column(5).data_page_offset + 100
    content[at] ^= 1
    copy = tmp_path / "toys.parquet"
    copy.mkdir()
    (copy / part.name).write_bytes(content)
    with pytest.raises(OSError, match="CRC"):
        PartFolder(path=copy).read()


def test_what_a_part_says_of_itself(folder: Path, result: pf.ToysResult) -> None:
    heads = []
    for part in sorted(folder.iterdir()):
        with part.open("rb") as file:
            heads.append(Head.of(file))
    assert len({head.identity for head in heads}) == 1
    told = json.loads(heads[0].identity)
    assert told["seed"] == 1
    assert told["versions"] == result.versions
    counts = [sums["pulls"].toys for head in heads for sums in head.unpacked().values()]
    assert counts == [256, 256, 256, 232]
