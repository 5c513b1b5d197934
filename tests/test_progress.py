"""The bar of a stage, as a terminal shows it."""

import io
import re
import sys

import pytest

from pullfactory.progress import bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, counts: list[int]) -> str:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr("pullfactory.progress._WHILE", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    with bar(
        "toys", 10, workers=lambda: counts.pop(0) if len(counts) > 1 else counts[0]
    ) as advance:
        advance(5)
        advance(5)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.getvalue())


def test_a_bar_says_how_many_workers_there_are_now(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "2 workers" in shown(monkeypatch, [2])
    last = shown(monkeypatch, [2, 1]).strip().splitlines()[-1]
    assert re.search(r"\b1 worker\b", last)


def test_nobody_is_asked_where_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)

    def refuse() -> int:
        raise AssertionError

    with bar("toys", 10, workers=refuse) as advance:
        advance(10)
    assert not written.getvalue()
