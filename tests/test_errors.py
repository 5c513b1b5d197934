"""What is told of an error is one line, and no endless one."""

import pytest

from pullfactory.errors import StudyError


@pytest.mark.parametrize("length", [1, 999, 1000])
def test_a_line_is_told_whole(length: int) -> None:
    assert str(StudyError("é" * length)) == "é" * length


@pytest.mark.parametrize("length", [1001, 100_000])
@pytest.mark.parametrize("letter", ["a", "\x1b", "\n"])
def test_of_an_endless_line_the_middle_is_left_out(length: int, letter: str) -> None:
    told = str(StudyError(f"study 'x': {letter * length}; mend it"))
    assert told.isprintable()
    assert told.startswith("study 'x': ")
    assert told.endswith("; mend it")
    assert " ... " in told
    assert len(told) <= 1000
