"""Audits of earlier versions: one answer, by the factor without the noise of the templates."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import pullfactory as pf
from pullfactory.inference.judgement import judge_error
from pullfactory.report.audit_table import has_answers

NEW = (
    *("slope", "slope_error", "whole_error", "factor", "factor_error", "factor_infinite"),
    *("factor_infinite_error", "calibrated_error", "simulated_events", "answer", "correlation"),
)


@pytest.fixture
def folder(tiny_audit: pf.AuditResult, tmp_path: Path) -> Path:
    """A folder whose numbers lack what came later."""
    absent: dict[str, Any] = dict.fromkeys(NEW)
    rows = tuple(replace(row, **absent) for row in tiny_audit.rows)
    config = tiny_audit.config.with_settings({"workspace.smooth": "none"})
    earlier = replace(tiny_audit, rows=rows, config=config)
    path = earlier.write(tmp_path / "earlier", figures=("png",)) / "audit.json"
    numbers = json.loads(path.read_text(encoding="utf-8"))
    del numbers["config"]["workspace"]["smooth"]
    for row in numbers["errors"]:
        for key in NEW:
            del row[key]
    path.write_text(json.dumps(numbers), encoding="utf-8")
    return path.parent


def test_they_answer_as_before(folder: Path) -> None:
    result = pf.AuditResult.read(folder)
    (own,) = (row for row in result.rows if row.parameter == "m_t")
    assert judge_error(own.inflate_by, own.inflate_by_error) == "wrong"
    size = "small" if own.inflate_by > 1 else "large"
    assert f"No: the claimed error of m_t is too {size}, multiply it by" in result.title
    assert result.independent is False
    assert result.judgements["m_t"] == "wrong"
    assert not has_answers([row.to_dict() for row in result.rows])
    assert [column.key for column in result.table.columns][:4] == [
        *("method", "parameter", "claimed_error", "actual_error")
    ]
    assert result.config.workspace.smooth == "none"


def test_their_page_has_no_word_of_the_new(folder: Path) -> None:
    text = pf.write_report(folder).read_text(encoding="utf-8")
    assert 'id="table-verdict"' in text
    assert 'id="table-whole"' not in text
    assert "multiply the claimed error by it" in text
    for word in ("as it stands", "correlation alone", "infinite simulation", "what would change"):
        assert word not in text
