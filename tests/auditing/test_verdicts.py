"""Answers of audits of known truth, some of those of `benchmarks/verdicts.py`."""

import numpy as np
import pytest

from benchmarks.verdicts import LINES, Figures, Line, audited, run_line

AUDITS = 60
AWAY = 0.05  # parts of the answers from those of the study that the rules are from


def line(rho: float, events: int, smooth: str | int = "none") -> Line:
    """One of the kinds of the benchmark."""
    wanted = (rho, events, smooth, 0, True)
    (found,) = (x for x in LINES if (x.rho, x.events, x.smooth, x.apart, x.held) == wanted)
    return found


def at_least(part: float, wanted: float) -> bool:
    """Whether a part of the audits is so large, three binomial errors allowed."""
    return bool(part > wanted - 3 * np.sqrt(wanted * (1 - wanted) / AUDITS))


def check(found: Figures) -> None:
    """False answers are rare, and numbers are off by their errors.

    False yes at most 5 %, false no 1 %, beside three binomial errors. Pulls have a mean within 0.35
    and a spread within 0.25 of 1, beside three of their own errors; the factor of infinite
    simulation, a ratio of differences, is up to half its error low.
    """
    assert at_least(1 - found.false_yes, 0.95)
    assert at_least(1 - found.false_no, 0.99)
    for key, (mean, spread) in found.pulls.items():
        assert abs(mean) < (0.5 if key == "factor_infinite" else 0.35) + 3 * spread / np.sqrt(
            AUDITS
        )
        assert spread == pytest.approx(1.0, abs=0.25 + 3 / np.sqrt(2 * AUDITS))
    if found.coverage is not None:  # data sets of one audit have its slope in common
        assert found.coverage == pytest.approx(0.683, abs=0.02 + 3 * 0.465 / np.sqrt(5 * AUDITS))


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


def test_steps_of_an_audit_are_an_audit() -> None:
    """What the lines are made of is what `pullfactory.audit` tells."""
    kind = Line(rho=0.3, events=3_000, smooth=5)
    steps, fit = audited(kind, np.random.default_rng(5))
    whole, other = audited(kind, np.random.default_rng(5), whole=True)
    words = ("answer", "correlation")
    assert [whole[key] for key in words] == [steps.pop(key) for key in words]
    assert {key: whole[key] for key in steps} == pytest.approx(steps, rel=1e-9)
    np.testing.assert_allclose(other.slopes, fit.slopes, rtol=1e-9, atol=1e-9)
