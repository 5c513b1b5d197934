"""The sentence that a run ends with."""

from typing import Any

import pytest

from pullfactory.report.study_verdict import study_answers

UNSHIFTED = "; no pulls are shifted as far as the toys tell."
QUESTION = "May x and y be fitted as if they were independent? "


def row(method: str, rho: float, name: str, factor: float, **other: Any) -> dict[str, Any]:
    numbers = {
        "claimed_error": 1.0,
        "actual_error": factor,
        "predicted_width": None,
        "width": factor,
        "width_error": 0.01,
        "mean": 0.0,
        "mean_error": 0.02,
        "n_toys": 5000,
        "n_failed": 0,
        "n_at_bound": 0,
    }
    return {"method": method, "rho": rho, "parameter": name, **numbers, **other}


def answers(*rows: dict[str, Any]) -> list[str]:
    return list(study_answers(rows, ("x", "y"), "t"))


def test_the_worst_is_told_and_where_it_is_right() -> None:
    wide = {-0.9: 0.7, 0.0: 1.0, 0.5: 1.2, 0.9: 1.43}
    rows = [row("binned", rho, "t", factor) for rho, factor in wide.items()]
    assert answers(*rows) == [
        (
            f"{QUESTION}No: with the binned fit the error of t is actually up to 43 % larger than "
            "claimed at rho = 0.9 and 30 % smaller at rho = -0.9, right within 5 % at rho = 0"
            f"{UNSHIFTED}"
        )
    ]


def test_the_workspace_is_first_and_joint_fits_are_left_out() -> None:
    names = ("unbinned", "unbinned_joint", "binned")
    first, second = answers(*(row(name, 0.3, "t", 1.0) for name in names))
    right = f"fit all claimed errors are right within 5 % at rho = 0.3{UNSHIFTED}"
    assert first == f"{QUESTION}Yes: with the binned {right}"
    assert second == f"Yes: with the unbinned {right}"


def test_the_parameter_of_interest_is_first() -> None:
    (said,) = answers(row("binned", 0.3, "s", 1.5), row("binned", 0.3, "t", 0.8))
    assert "No: with the binned fit the error of t is actually 20 % smaller than claimed" in said
    assert said.endswith(f"; also wrong: s{UNSHIFTED}")


def test_bias_alone_is_a_no() -> None:
    rows = [row("binned", rho, "t", 1.0, mean=m) for rho, m in ((0.0, 0.15), (0.5, -0.21))]
    assert answers(*rows) == [
        (
            f"{QUESTION}No: with the binned fit the pulls of t are shifted by "
            "\N{MINUS SIGN}0.210 ± 0.020 at rho = 0.5."
        )
    ]


@pytest.mark.parametrize("mean", [0.0, 0.5])
def test_too_few_toys(mean: float) -> None:
    rows = [row("binned", 0.3, "t", 1.02, width_error=0.1, n_toys=50, mean=mean)]
    (said,) = answers(*rows)
    assert said.startswith(QUESTION + ("No" if mean else "Perhaps"))
    assert said.endswith("50 toys are too few to tell for t" + ("." if mean else UNSHIFTED))


def test_one_observable_has_no_question() -> None:
    (said,) = study_answers([row("binned", 0.0, "t", 1.0)], ("x",), "t")
    assert said.startswith("Yes: with the binned fit")
