"""Errors whose correlation is not known."""

from math import sqrt

import pytest

from pullfactory import PredictedPull, Study, predict
from pullfactory.errors import StudyError
from pullfactory.inference import every_rho, judge_any_rho

ALIKE = Study.from_dict(
    {
        "name": "alike",
        "poi": "m",
        "methods": ["unbinned"],
        "calibration": {"source": "exact"},
        "parameter": [{"name": "m", "constraint": "free"}],
        "observable": [
            {"name": name, "mu": 10.0, "sigma": 1.0, "mu_slopes": {"m": 0.01}} for name in "ab"
        ],
    }
)


def test_two_alike_have_a_closed_form() -> None:
    """The width is sqrt(1 + rho); straight lines between 41 points know its edges to 1e-3."""
    prediction = predict(ALIKE, any_rho=True, workers=1)
    (row,) = prediction.any_rho
    ((low, high),) = row.right
    assert (low, high) == pytest.approx((0.95**2 - 1, 1.05**2 - 1), abs=1e-3)
    assert (row.largest, row.largest_at) == pytest.approx((sqrt(1.999), 0.999), rel=1e-9)
    assert (row.smallest, row.smallest_at) == pytest.approx((sqrt(0.001), -0.999), rel=1e-6)
    assert len(prediction.rows) == 41
    assert prediction.weights == ()
    assert prediction.summary()["any_rho"][0]["right"] == [[low, high]]


def test_ranges_that_come_apart_are_told_apart() -> None:
    """Near 1 on either side of a hump."""
    widths = {-0.9: 1.02, -0.5: 1.04, 0.0: 1.2, 0.5: 1.04, 0.9: 0.8}
    rows = [PredictedPull.of("unbinned", rho, "m", 1.0, width) for rho, width in widths.items()]
    (row,) = judge_any_rho(rows)
    left, right = row.right
    assert left == pytest.approx((-0.9, -0.5 + 0.5 * 0.01 / 0.16))
    assert right == pytest.approx((0.5 - 0.5 * 0.01 / 0.16, 0.5 + 0.4 * 0.09 / 0.24))
    assert (row.largest_at, row.smallest_at) == (0.0, 0.9)


def test_every_rho_ends_where_the_matrix_is_singular() -> None:
    """Three observables with equal correlations have none below -1 / 2."""
    more = {**ALIKE.to_dict(), "ensemble": {"rho": [0.0]}}
    more["observable"] = [{**more["observable"][0], "name": name} for name in "abc"]
    line = every_rho(Study.from_dict(more))
    assert (line[0], line[-1]) == pytest.approx((-0.5, 1.0), rel=2e-3)
    assert line[0] > -0.5
    assert line[-1] < 1.0


def test_one_question_at_a_time() -> None:
    with pytest.raises(StudyError, match=r"rho = \[0\.1\] and any rho are both asked for"):
        predict(ALIKE, rho=[0.1], any_rho=True)
    with pytest.raises(
        StudyError, match=r"'unbinned_joint' does not take .* use unbinned or binned"
    ):
        predict(ALIKE, methods=["unbinned_joint"], any_rho=True)
