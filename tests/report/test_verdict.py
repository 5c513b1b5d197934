"""What toys say of claimed errors, in words."""

from typing import Any

import pytest

from pullfactory.report.verdict import Verdict, answer_of, where_of


def row(actual: float, error: float, **changes: Any) -> dict[str, Any]:
    """A row of a summary: claimed error 0.5, pull width as the actual error says."""
    width = actual / 0.5
    return {
        "method": "binned",
        "rho": 0.3,
        "parameter": "m_t",
        "mean": 0.02,
        "mean_error": 0.01,
        "claimed_error": 0.5,
        "actual_error": actual,
        "width": width,
        "width_error": error * width,
        "predicted_width": None,
        "n_toys": 100,
        "n_failed": 0,
        "n_at_bound": 0,
        **changes,
    }


@pytest.mark.parametrize(
    ("actual", "error", "kind", "sentence"),
    [
        (
            0.43,
            0.011,
            "wrong",
            (
                "m_t: claimed error 0.500 GeV, actual (0.430 ± 0.005) GeV, (14.0 ± 0.9) % smaller. "
                "Multiply the claimed error by 0.860 ± 0.009."
            ),
        ),
        (
            0.6,
            0.02,
            "wrong",
            (
                "m_t: claimed error 0.500 GeV, actual (0.600 ± 0.012) GeV, (20.0 ± 2.4) % larger. "
                "Multiply the claimed error by 1.200 ± 0.024."
            ),
        ),
        (
            0.505,
            0.01,
            "right",
            (
                "m_t: claimed error 0.500 GeV, actual (0.505 ± 0.005) GeV: right within 5 %. "
                "Actual / claimed is 1.010 ± 0.010."
            ),
        ),
        (
            0.43,
            0.1,
            "unknown",
            (
                "m_t: claimed error 0.500 GeV, actual (0.43 ± 0.04) GeV: too few toys to tell. "
                "Actual / claimed is 0.86 ± 0.09."
            ),
        ),
    ],
)
def test_verdict_in_words(actual: float, error: float, kind: str, sentence: str) -> None:
    verdict = Verdict.of(row(actual, error), "GeV")
    assert verdict.kind == kind
    assert verdict.sentence == sentence


def test_prediction_is_told() -> None:
    verdict = Verdict.of(row(0.5, 0.01, predicted_width=0.998))
    assert verdict.sentence.endswith("is 1.000 ± 0.010 (predicted without toys: 0.998).")


def test_toys_without_pull_are_told() -> None:
    lost = Verdict.of(row(0.5, 0.01, n_failed=55, n_at_bound=50))
    end = " 55 of 100 toys have no pull of it, 50 of them at its bound."
    assert lost.sentence == Verdict.of(row(0.5, 0.01)).sentence + end


@pytest.mark.parametrize("missing", [("claimed_error",), ("actual_error",), ("width",)])
def test_absent_numbers_leave_it_open(missing: tuple[str, ...]) -> None:
    verdict = Verdict.of(row(0.5, 0.01, **dict.fromkeys(missing)))
    assert verdict.kind == "unknown"
    assert "nan" not in verdict.sentence


def answer(*rows: dict[str, Any], independent: bool = True) -> tuple[str, str]:
    lead = answer_of(
        [Verdict.of(each) for each in rows],
        where=where_of("binned_joint", -0.3),
        independent=independent,
    )
    return lead.mood, lead.text


def test_answer_names_the_worst() -> None:
    right, wrong = row(0.5, 0.01), row(0.43, 0.01)
    worst = row(0.25, 0.01, parameter="JSF")
    assert answer(right, wrong, worst) == (
        "bad",
        (
            "No: at ρ = −0.3 with the binned joint fit, the error of JSF is actually 50 % smaller "
            "than claimed; also wrong: m_t."
        ),
    )
    assert answer(right, row(0.5, 0.1, parameter="JSF"))[1].startswith("Perhaps: ")
    assert answer(right) == (
        "good",
        "Yes: at ρ = −0.3 with the binned joint fit, all errors are right within 5 %.",
    )
    assert answer(right, independent=False)[1].startswith("At ρ = −0.3 with")


def test_many_parameters_are_in_the_table() -> None:
    rows = [row(0.5, 0.01, parameter=f"p{i}") for i in range(40)]
    wrong = [row(0.25, 0.01, parameter=f"q{i}") for i in range(20)]
    lead = answer_of([Verdict.of(each) for each in (*rows, *wrong)], where="", independent=False)
    *named, others = lead.details
    assert all(sentence.startswith("q") for sentence in named)
    assert others == f"The other {60 - len(named)} are in the table."


@pytest.mark.parametrize(
    ("actual", "answer"),
    [
        (0.5, "No: here, the pulls are shifted: m_t by −0.350 ± 0.020."),
        (
            0.6,
            (
                "No: here, the error of m_t is actually 20 % larger than claimed; the pulls are "
                "shifted: m_t by −0.350 ± 0.020."
            ),
        ),
    ],
)
def test_shift_is_in_the_answer_with_its_cause(actual: float, answer: str) -> None:
    numbers = row(actual, 0.01, mean=-0.35, mean_error=0.02)
    cause = "the pulls of m_t are shifted by -0.35 ± 0.02, because the templates are noisy"
    remarks = [
        {"method": method, "rho": 0.3, "parameter": "m_t", "text": text}
        for method, text in (("binned", cause), ("unbinned", "nothing"))
    ]
    verdict = Verdict.of(numbers, "GeV", remarks)
    lead = answer_of([verdict], where="here", independent=True)
    assert lead.text == answer
    assert lead.mood == "bad"
    said = cause.replace("-0.35", "\N{MINUS SIGN}0.35")
    assert lead.details[0].endswith(f" T{said[1:]}.")


def test_small_shift_is_not_told() -> None:
    verdict = Verdict.of(row(0.5, 0.01, mean=0.09, mean_error=0.001), "GeV")
    assert verdict.shift is None
    lead = answer_of([verdict], where="here", independent=True)
    assert lead.text.startswith("Yes")
