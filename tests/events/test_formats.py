"""Formats of files that installed packages bring."""

import json
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from pullfactory.errors import EventsError
from pullfactory.events import FileSource, open_source, sources


class JsonLines(FileSource):
    """Events in JSON, one object a line."""

    format = "JSON lines"
    endings = MappingProxyType({".jsonl": b"{", ".csv": b"{"})

    def names(self) -> tuple[str, ...]:
        with self.path.open() as file:
            return tuple(json.loads(file.readline()))

    def chunks(self, columns: Sequence[str]) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        events = [json.loads(line) for line in self.path.read_text().splitlines()]
        yield {name: np.array([event[name] for event in events]) for name in columns}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_text('{"x": 1.5, "y": 2}\n{"x": 3.5, "y": 4}\n')
    return path


def install(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    entries = EntryPoints([EntryPoint("jsonl", value, sources.GROUP)])
    monkeypatch.setattr(sources, "entry_points", lambda **_group: entries)


def test_an_installed_format_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, f"{__name__}:JsonLines")
    source = open_source(file, place="sample 'nominal'")
    assert source.names() == ("x", "y")
    (chunk,) = source.chunks(["x"])
    np.testing.assert_array_equal(chunk["x"], [1.5, 3.5])


def test_a_file_that_begins_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, f"{__name__}:JsonLines")
    path = tmp_path / "other.jsonl"
    path.write_text("[1, 2]")
    with pytest.raises(EventsError, match="is no JSON lines file"):
        open_source(path, place="sample")


def test_formats_of_the_package_stay(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though an installed one claims their ending."""
    install(monkeypatch, f"{__name__}:JsonLines")
    table = tmp_path / "events.csv"
    table.write_text("x,y\n1,2\n")
    assert open_source([table, file], place="sample").names() == ("x", "y")
    assert open_source(table, place="sample").names() == ("x", "y")


def test_unknown_ending_names_what_there_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EventsError, match=r"unknown ending; use one of \.root, .*\.npz$"):
        open_source(file, place="sample")
    install(monkeypatch, f"{__name__}:JsonLines")
    with pytest.raises(EventsError, match=r"use one of \.root, .*\.npz, \.jsonl"):
        open_source(file.with_suffix(".hdf5"), place="sample")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("nowhere:X", "format 'jsonl' of 'nowhere:X' cannot be loaded: No module named 'nowhere'"),
        ("math:pi", "is no FileSource: 3.14"),
    ],
)
def test_what_is_no_format_only_warns(
    file: Path, monkeypatch: pytest.MonkeyPatch, value: str, complaint: str
) -> None:
    """Those who need another one do not need it."""
    install(monkeypatch, value)
    with (
        pytest.warns(UserWarning, match=complaint),
        pytest.raises(EventsError, match="unknown ending"),
    ):
        open_source(file, place="sample")
