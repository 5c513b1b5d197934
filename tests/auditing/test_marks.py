"""Rows that look as if several were one event are pointed out where no identifiers are named."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import awkward as ak
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from pullfactory import AuditConfig, Study, audit
from pullfactory.auditing import SampleCheck, read_events
from pullfactory.auditing.marks import Marks, RepeatedRows

Table = dict[str, NDArray[Any]]
Pair = Callable[[int, float, int], Table]
Invoke = Callable[..., CompletedProcess[str]]

ROWS = 2000
PAIRS = np.arange(ROWS) // 2  # two rows of each event


def check(config: dict[str, Any], nominal: object) -> SampleCheck:
    read = read_events(AuditConfig.from_dict(config), {"nominal": nominal})
    return read.samples["nominal"].check


@pytest.mark.parametrize(
    ("columns", "marks"),
    [
        ({"run": PAIRS // 100, "event": PAIRS % 100}, "run, event"),
        (
            {"run": 0 * PAIRS + 1, "luminosityBlock": PAIRS // 100, "event": PAIRS % 100},
            "run, luminosityBlock, event",
        ),
        ({"EventNumber": PAIRS.astype(np.uint64)}, "EventNumber"),
        ({"evt": PAIRS.astype(np.int32), "LS": 0 * PAIRS}, "evt, LS"),
        ({"event_number": PAIRS, "runNumber": PAIRS}, "event_number, runNumber"),
    ],
)
def test_pointed_out(location: dict[str, Any], pair: Pair, columns: Table, marks: str) -> None:
    found = check(location, pair(ROWS, 0.0, 1) | columns)
    assert (found.runs, found.marks) == (ROWS // 2, marks)


@pytest.mark.parametrize(
    "columns",
    [
        {"run": PAIRS},  # one run has many events
        {"event": np.zeros(ROWS, dtype=int)},  # never filled
        {"event": PAIRS + 0.5},
        {"event": PAIRS.astype(float)},
        {"event": PAIRS.astype(str)},
        {"event_weight": PAIRS, "n_event": PAIRS},
        {"event": ak.Array([[1]] * ROWS)},
    ],
)
def test_nothing_known(location: dict[str, Any], pair: Pair, columns: dict[str, Any]) -> None:
    assert check(location, pair(ROWS, 0.0, 1) | columns).runs is None


def test_one_row_of_each_event(location: dict[str, Any], pair: Pair) -> None:
    table = pair(ROWS, 0.0, 1) | {"event": np.arange(ROWS), "run": 0 * PAIRS}
    assert check(location, table).runs == 0
    # A selection that takes one row of each.
    table |= {"event": PAIRS, "best": np.arange(ROWS) % 2}
    assert check(location | {"selection": "best == 1"}, table).runs == 0
    assert check(location, table).runs == ROWS // 2


def test_an_identifier_is_trusted(location: dict[str, Any], pair: Pair) -> None:
    table = pair(ROWS, 0.0, 1) | {"event": PAIRS, "id": np.arange(ROWS)}
    assert check(location | {"identifier": ["id"]}, table).runs is None


def test_files_without_such_a_column(location: dict[str, Any], pair: Pair, tmp_path: Path) -> None:
    table = pair(ROWS, 0.0, 1) | {"event": PAIRS}
    pd.DataFrame(table).to_csv(tmp_path / "a.csv", index=False)
    location["samples"]["nominal"] = {"files": ["*.csv"], "events": 100.0}
    config = AuditConfig.from_dict(location)
    assert read_events(config, base=tmp_path).samples["nominal"].check.runs == ROWS // 2
    pd.DataFrame(table).drop(columns="event").to_csv(tmp_path / "b.csv", index=False)
    assert read_events(config, base=tmp_path).samples["nominal"].check.runs is None


def test_pieces_give_the_same_count() -> None:
    rng = np.random.default_rng(2)
    events = np.repeat(np.arange(300), rng.integers(0, 4, 300))
    whole = int(np.sum(events[1:] == events[:-1]))
    for size in (1, 2, 7, 1000):
        rows = RepeatedRows()
        for first in range(0, len(events), size):
            rows.add(Marks.of({"event": events[first : first + size]}))
        rows.add(Marks.of({"event": events[:0]}))
        assert rows.count == whole


def test_warning_of_the_command(
    location: dict[str, Any], pair: Pair, tmp_path: Path, invoke: Invoke
) -> None:
    table = pair(ROWS, 0.0, 1) | {"run": PAIRS // 100, "event": PAIRS % 100}
    pd.DataFrame(table).to_csv(tmp_path / "a.csv", index=False)
    location["samples"]["nominal"] = {"files": ["a.csv"], "events": 100.0}
    location |= {"toys": {"n_toys": 0, "unbinned": "none"}, "workspace": {"n_bins": 5}}
    location |= {"joint": {"n_bins": 3}, "replicas": 20}
    (tmp_path / "audit.toml").write_text(AuditConfig.from_dict(location).to_toml())
    done = invoke("audit", tmp_path / "audit.toml", "-o", tmp_path / "out", "--json")
    assert done.returncode == 0
    warning = "samples.nominal: 1000 of 2000 rows have the same run, event as the row before, and"
    assert f"Warning: {warning}" in done.stderr
    numbers = json.loads(done.stdout)
    assert {one["cause"] for one in numbers["gate"] if one["level"] == "warn"} == {"repeated_rows"}
    assert numbers["samples"][0]["runs"] == 1000
    remedy = Study.parse_settings(["identifier=run,event", "repeated=cluster"])
    again = audit(AuditConfig.from_dict(location).with_settings(remedy), base=tmp_path)
    assert again.warnings == ()
    assert again.checks[0].events == 1000
    assert again.rows[0].joint_error is None
    assert any(note.startswith("No joint error") for note in again.notes)
    assert again.rows[0].actual_error != numbers["errors"][0]["actual_error"]
