"""Inputs that are wrong in one way: none ends in an answer without a word of doubt.

What is said of each stands in a table of the documentation; `python -m tests.auditing.wrong` writes
it anew.
"""

from pathlib import Path

import pytest

from tests.auditing.wrong import DOCUMENT, Wrong, config, outcome_of, row_of, tables, wrong_inputs

pytestmark = pytest.mark.slow


def test_what_is_right_is_answered_without_doubt(tmp_path: Path) -> None:
    outcome = outcome_of(config(), tables(), tmp_path)
    assert outcome.level == "answered"
    assert not outcome.text


@pytest.mark.parametrize("wrong", wrong_inputs(), ids=lambda wrong: wrong.name)
def test_what_is_wrong_is_told(wrong: Wrong, tmp_path: Path) -> None:
    outcome = wrong.outcome(tmp_path)
    assert outcome.level in ("refused", "withheld", "warned")
    assert wrong.said in outcome.text
    assert row_of(wrong, outcome) in DOCUMENT.read_text(encoding="utf-8")
