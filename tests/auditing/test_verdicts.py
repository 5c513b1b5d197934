"""Answers of audits of known truth, some of those of `benchmarks/verdicts`."""

import os
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.verdicts import LINES, Figures, Line, run_line
from benchmarks.verdicts.lines import Smooth
from benchmarks.verdicts.records import DOCUMENT, RECORD, Record, documented

AUDITS = int(os.environ.get("AUDITS", "16"))  # of each line; bounds follow
AWAY = 0.05  # parts of the answers from those of the study that the rules are from


def line(rho: float, events: int, smooth: Smooth = "none") -> Line:
    """One of the kinds of the benchmark."""
    name = Line(rho=rho, events=events, smooth=smooth).name
    (found,) = (one for one in LINES if one.name == name)
    return found


def at_least(part: float, wanted: float, audits: int = AUDITS) -> bool:
    """Whether a part of the audits is so large, three binomial errors allowed."""
    return bool(part > wanted - 3 * np.sqrt(wanted * (1 - wanted) / audits))


def check(found: Figures) -> None:
    """False answers are rare, and numbers are off by their errors.

    False yes at most 5 %, false no 1 %, beside three binomial errors. Pulls have a mean within 0.35
    and a spread within 0.25 of 1, beside three of their own errors; the factor of infinite
    simulation, a ratio of differences, is up to half its error low. Coverage is 68.3 +- 2 %, beside
    three errors from audit to audit, whose slope its data sets have in common.
    """
    audits = found.audits
    assert at_least(1 - found.false_yes, 0.95, audits)
    assert at_least(1 - found.false_no, 0.99, audits)
    for key, (mean, spread) in found.pulls.items():
        most = 0.5 if key == "factor_infinite" else 0.35
        assert abs(mean) < most + 3 * spread / np.sqrt(audits)
        assert spread == pytest.approx(1.0, abs=0.25 + 3 / np.sqrt(2 * audits))
    if found.coverage is not None and found.answers["cannot"] < 0.5:
        error = found.coverage_error or 0.0
        assert found.coverage == pytest.approx(0.683, abs=0.02 + 3 * error)


@pytest.mark.slow
def test_noise_of_templates_is_not_taken_for_knowledge() -> None:
    """About 90 s: what called nearly all of these right says none of them is."""
    found = run_line(line(0.3, 20_000), AUDITS, 1)
    check(found)
    assert found.answers["yes"] == 0.0
    assert at_least(found.answers["calibrate"], 0.98 - AWAY)
    assert at_least(found.matters["matters"], 1 - AWAY)
    few = run_line(line(0.2, 5_000), AUDITS, 2)
    check(few)
    assert few.answers["yes"] == 0.0
    assert at_least(few.answers["cannot"], 0.98 - AWAY)


@pytest.mark.slow
def test_smooth_derivatives_tell() -> None:
    """The same samples with less noise: the error is wrong as it stands, and right at rho 0."""
    correlated = run_line(line(0.3, 20_000, 5), AUDITS, 3)
    check(correlated)
    assert at_least(correlated.answers["no"], 0.84 - AWAY)
    uncorrelated = run_line(line(0.0, 50_000, 5), AUDITS, 4)
    check(uncorrelated)
    assert at_least(uncorrelated.answers["yes"], 0.99 - AWAY)
    assert at_least(uncorrelated.matters["small"], 1 - AWAY)


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 13])
def test_the_record_is_what_audits_say(number: int) -> None:
    """Parts of the answers as committed, three binomial errors of both allowed."""
    committed = Record.read(RECORD).lines[LINES[number].name]
    found = run_line(LINES[number], AUDITS, 40 + number)
    for one, part in committed.answers.items():
        both = (part * committed.audits + found.answers[one] * AUDITS) / (committed.audits + AUDITS)
        error = np.sqrt(both * (1 - both) * (1 / committed.audits + 1 / AUDITS))
        assert abs(found.answers[one] - part) <= 3 * error


@pytest.mark.parametrize("found", Record.read(RECORD).in_order(), ids=lambda found: found.name)
def test_the_record_shows_what_it_must(found: Figures) -> None:
    """Two kinds are off, and the documentation says so."""
    if "without effect" in found.name:  # what its noise might do is told: too much
        assert found.pulls["factor"][0] > 0.35
        found = replace(found, pulls={})
    if "yields" in found.name:  # without data nobody knows that the number of events is wrong
        found = replace(found, pulls={})
    check(found)


def test_the_record_has_every_line() -> None:
    names = [one.name for one in LINES]
    assert len(set(names)) == len(names)
    assert [one.name for one in Record.read(RECORD).in_order()] == names


def test_the_documentation_has_the_record() -> None:
    """`python -m benchmarks.verdicts.records` writes it."""
    text = DOCUMENT.read_text("utf-8")
    assert documented(text, Record.read(RECORD)) == text
