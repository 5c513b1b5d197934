"""The two answers of an audit in words."""

import itertools
import re
from typing import Any

import pytest

from pullfactory.inference.judgement import correlation_matters, right_as_it_stands
from pullfactory.report.audit_table import has_answers, whole_columns, whole_rows
from pullfactory.report.audit_verdict import (
    audit_answer_of,
    change_of,
    correlation_word,
    described,
    error_sentence,
    slope_matters,
    standing_mood,
    standing_word,
)

# factor, its error, slope, its error: each gives another first answer
STANDING: dict[str, tuple[float, float, float, float]] = {
    "right": (1.01, 0.01, 0.99, 0.01),
    "too small": (1.25, 0.01, 0.97, 0.01),
    "too large": (0.80, 0.01, 0.97, 0.01),
    "calibrate": (1.02, 0.01, 0.80, 0.03),
    "cannot tell": (1.02, 0.01, 0.50, 0.10),
    "unknown": (1.06, 0.02, 0.98, 0.02),
}
CORRELATION: dict[str, tuple[float | None, float | None]] = {
    "matters": (0.85, 0.01),
    "minor": (1.00, 0.01),
    "unclear": (1.04, 0.05),
}
HEADS = {
    "right": "Yes: the claimed error of m is right within 5% as it stands",
    "too small": "No: the claimed error of m is 20 % too small as it stands (multiply it by 1.25",
    "too large": "No: the claimed error of m is 25 % too large as it stands (multiply it by 0.8",
    "calibrate": "Not as it stands: divide the estimate of m by its slope, 0.800 ± 0.030; its "
    "error is then 0.400 GeV, where the fit claims 0.300 GeV",
    "cannot tell": "Cannot be told: the templates are too noisy for m: its estimate moves by "
    "0.50 ± 0.10 for each unit of truth",
    "unknown": "Perhaps: the claimed error of m may be right or wrong as it stands "
    "(whole / claimed is 1.060 ± 0.020)",
}
TAILS = {
    "matters": "% too large with infinite simulation (factor 0.850 ± 0.010)",
    "minor": "the correlation is minor (factor 1.000 ± 0.010 with infinite simulation)",
    "unclear": "whether the correlation matters is unclear (factor 1.04 ± 0.05 with infinite",
}
MOODS = {"right": "good", "too small": "bad", "too large": "large"}


def row_of(
    standing: str, correlation: str = "minor", name: str = "m", **more: Any
) -> dict[str, Any]:
    """A row with these answers, judged as an audit does; nuisances have no calibrated error."""
    factor, factor_error, slope, slope_error = STANDING[standing]
    infinite, infinite_error = CORRELATION[correlation]
    return {
        "method": "binned",
        "parameter": name,
        "claimed_error": 0.3,
        "inflate_by": 1.5,  # of the old rule, which would say "too small"
        "inflate_by_error": 0.001,
        "actual_error": 0.45,
        "whole_error": 0.3 * factor,
        "factor": factor,
        "factor_error": factor_error,
        "factor_infinite": infinite,
        "factor_infinite_error": infinite_error,
        "slope": slope,
        "slope_error": slope_error,
        "calibrated_error": 0.4 if name == "m" else None,
        "simulated_events": 50_000.0,
        "answer": right_as_it_stands(factor, factor_error, slope, slope_error),
        "correlation": correlation_matters(infinite, infinite_error),
        "reason": None,
        "closes": None,
        **more,
    }


def told(*rows: dict[str, Any], simulated: int | None = 5000) -> Any:
    return audit_answer_of(described(rows, [{"name": "m", "unit": "GeV"}], simulated), "m")


def old(row: dict[str, Any]) -> dict[str, Any]:
    """As an earlier version wrote it."""
    keys = ("method", "parameter", "claimed_error", "actual_error", "inflate_by", "reason")
    return {key: row[key] for key in (*keys, "inflate_by_error", "closes")}


ANSWERS = list(itertools.product(STANDING, CORRELATION))


@pytest.mark.parametrize(("standing", "correlation"), ANSWERS)
def test_both_answers(standing: str, correlation: str) -> None:
    row = row_of(standing, correlation)
    assert (standing_word(row), correlation_word(row)) == (standing, correlation)
    answer = told(row)
    assert answer.text.startswith(HEADS[standing])
    assert TAILS[correlation] in answer.text
    assert answer.mood == standing_mood(row) == MOODS.get(standing, "open")
    sentence = error_sentence(row, "GeV")
    if standing == "cannot tell":  # no number that no formula gives
        assert sentence.startswith(
            "m: claimed error 0.300 GeV: cannot tell, for the noise of the templates; its estimate"
        )
        (shown,) = whole_rows([row], "m")
        assert [shown[key] for key in ("whole", "ratio", "ratio_error")] == [None] * 3
        assert "divided" not in sentence
    else:
        assert f": {standing}, whole / claimed is" in sentence
    assert f", {correlation}." in sentence


def test_the_answers_share_no_word() -> None:
    first, second = (
        {word for text in texts for word in text.split()} for texts in (STANDING, CORRELATION)
    )
    assert not first & second
    heads = {head.split(":")[0] for head in HEADS.values()}
    assert not {word for head in heads for word in head.split()} & second


def test_too_small_and_too_large_have_colours_of_their_own() -> None:
    moods = [standing_mood(row_of(one)) for one in ("right", "too small", "too large", "unknown")]
    assert len(set(moods)) == 4


@pytest.mark.parametrize(("standing", "other"), list(itertools.product(STANDING, STANDING)))
def test_no_other_parameter_flips_the_answer(standing: str, other: str) -> None:
    alone, nuisance = told(row_of(standing)), row_of(other, "matters", "j")
    both = told(nuisance, row_of(standing))
    assert both.mood == alone.mood
    if other == "right":
        assert both == alone
    else:
        word = "too noisy" if other == "calibrate" else other
        assert both.text == f"{alone.text}; beside it: j ({word})"


def test_many_others_are_counted() -> None:
    rows = [row_of("right"), *(row_of("too small", name=f"j{i}") for i in range(5))]
    assert told(*rows).text.endswith(
        "; beside it: " + ", ".join(f"j{i} (too small)" for i in range(3)) + " and 2 more"
    )


def test_templates_with_nothing_but_noise() -> None:
    absent = ("factor", "factor_error", "whole_error", "calibrated_error", "simulated_events")
    row = row_of("cannot tell", "unclear") | dict.fromkeys(absent)
    row |= {"factor_infinite": None, "factor_infinite_error": None}
    assert told(row).text == (
        "Cannot be told: the templates know nothing of m beyond their noise; what would tell: more "
        "simulated events than 5000; whether the correlation matters is unclear"
    )
    assert error_sentence(row, "").startswith("m: claimed error 0.300: cannot tell, for")


@pytest.mark.parametrize(
    ("standing", "correlation", "change"),
    [
        ("right", "minor", ""),
        ("right", "matters", "with more simulation it becomes wrong: then multiply it by 0.85"),
        (
            "right",
            "unclear",
            "whether the correlation matters: 50000 simulated events instead",
        ),
        (
            "too small",
            "minor",
            "multiply it by 1.250 ± 0.010, or 50000 simulated events instead of",
        ),
        (
            "too large",
            "matters",
            "multiply it by 0.800 ± 0.010; with more simulation it goes to 0.850 ± 0.010",
        ),
        ("calibrate", "matters", "divide the estimate by 0.800 ± 0.030, or 50000 simulated events"),
        ("cannot tell", "unclear", "50000 simulated events instead of 5000"),
        ("unknown", "unclear", "50000 simulated events instead of 5000"),
    ],
)
def test_what_would_change_it(standing: str, correlation: str, change: str) -> None:
    (row,) = described([row_of(standing, correlation)], [], 5000)
    assert change_of(row).startswith(change)
    assert bool(change_of(row)) == bool(change)


def test_farther_mass_points_are_named_for_a_noisy_free_parameter() -> None:
    free = [{"name": "m", "constraint": "free"}]
    (noisy,) = described([row_of("calibrate")], free, 5000)
    assert change_of(noisy).endswith(", or samples three times as far from nominal")
    (quiet,) = described([row_of("too small")], free, 5000)
    assert "far" not in change_of(quiet)


def test_enough_events_are_not_asked_for_again() -> None:
    (row,) = described([row_of("unknown")], [], 60_000)
    assert change_of(row) == "more simulated events than 60000"


def test_rows_of_earlier_versions_have_the_old_answers() -> None:
    rows = [old(row_of("right")), old(row_of("right", name="j")) | {"inflate_by": 1.01}]
    assert (
        told(*rows).text
        == "No: the claimed error of m is too small, multiply it by 1.5000 ± 0.0010"
    )
    assert told(rows[1] | {"parameter": "m"}).text == "Yes: every claimed error is right within 5%"
    assert not has_answers(rows)
    words = " ".join([told(*rows).text, *(error_sentence(row, "") for row in rows)])
    assert not re.search("whole|slope|correlation|simulat|stands|beside", words)
    assert change_of(rows[0]) == ""


def test_what_does_not_close_comes_first() -> None:
    row = row_of("cannot tell", reason="m: sums of templates do not close.")
    row |= {"inflate_by": None, "inflate_by_error": None}
    assert told(row).text.startswith("That cannot be told for m: the workspace does not close")
    assert change_of(row) == ""


def test_withheld_and_doubted() -> None:
    rows = [row_of("right")]
    assert audit_answer_of(rows, "m", withheld="no fit", refused=True).mood == "bad"
    doubted = audit_answer_of(rows, "m", doubts=("only if meant so",))
    assert doubted.mood == "open"
    assert doubted.text.endswith("; but only if meant so")
    assert audit_answer_of([row_of("too large")], "m", doubts=("x",)).mood == "large"


def test_rows_begin_with_the_parameter_of_interest_and_slopes_stand_where_they_matter() -> None:
    rows = [row_of("right", name="j"), row_of("calibrate")]
    assert [row["parameter"] for row in whole_rows(rows, "m")] == ["m", "j"]
    shown = {c.heading: [c.show(r) for r in whole_rows(rows, "m")] for c in whole_columns(rows, {})}
    assert shown["slope"] == ["0.800 ± 0.030", ""]
    assert shown["divided\nby slope"] == ["0.400", ""]
    assert shown["as it\nstands"] == ["calibrate", "right"]
    assert slope_matters(rows[1])
    assert "slope" not in {column.heading for column in whole_columns(rows[:1], {})}


def test_a_row_without_answers_beside_others_has_its_actual_error() -> None:
    rows = [row_of("right"), old(row_of("right")) | {"method": "unbinned"}]
    _, unbinned = whole_rows(rows, "m")
    assert (unbinned["whole"], unbinned["ratio"]) == (0.45, 1.5)
    assert [c.show(unbinned) for c in whole_columns(rows, {})][-3:] == ["too small", "-", ""]
