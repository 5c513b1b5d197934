"""What is told of pulls beside their width, and why it is so."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from pullfactory.fitting import FitBatch
from pullfactory.inference import ClosureVerdict, PullSummary, PullSums
from pullfactory.inference.calibration_noise import CalibrationNoise
from pullfactory.inference.remarks import Remark, Shapes, causes_of, remarks, shape_rows
from pullfactory.inference.rows import PullRow
from pullfactory.inference.shapes import PullShape
from pullfactory.report.table import remark_lines

TOYS = 4000


def sums_of(pulls: np.ndarray) -> PullSums:
    fits = FitBatch(
        parameters=("JRF",),
        estimate=pulls[:, None],
        covariance=np.ones((len(pulls), 1, 1)),
        nll=np.zeros(len(pulls)),
        status=np.zeros(len(pulls), dtype=np.int8),
    )
    return PullSums.of(fits, np.zeros((len(pulls), 1)))


def row_of(pulls: np.ndarray) -> PullRow:
    (summary,) = PullSummary.from_sums(("JRF",), sums_of(pulls))
    return PullRow(method="binned", rho=0.0, pulls=summary)


def told(pulls: np.ndarray, **known: list[CalibrationNoise]) -> tuple[Remark, ...]:
    shapes: Shapes = {("binned", 0.0): PullShape.of(("JRF",), sums_of(pulls).transformed)}
    assert len(shape_rows(shapes)) == 1
    return remarks([row_of(pulls)], shapes, partial(causes_of, **known))  # type: ignore[arg-type]


NORMAL = np.random.default_rng(8).standard_normal(TOYS)
NOISE = CalibrationNoise(
    method="binned",
    rho=0.0,
    parameter="JRF",
    shift=0.3,
    width=1.2,
    events_per_point=10,
    reason=None,
)
CLOSURE = ClosureVerdict(
    parameter="JRF",
    pull_mean=-0.33,
    pull_width=1.0,
    closing_width=1.0,
    biased_from=None,
    closes=False,
)


def test_right_pulls_have_no_remark() -> None:
    assert told(NORMAL) == ()


def test_shift_is_told_with_its_cause() -> None:
    (remark,) = told(NORMAL - 0.35, noise=[NOISE])
    assert (remark.kind, remark.rho) == ("shift", 0.0)
    assert remark.text.startswith("the pulls of JRF are shifted by -0.3")
    assert remark.text.endswith(
        ", because the noise of the calibration is expected to shift them by about 0.30"
    )
    (unknown,) = told(NORMAL - 0.35)
    assert "because" not in unknown.text


def test_causes_are_those_that_can_make_the_shift() -> None:
    row = row_of(NORMAL - 0.35)
    assert len(causes_of(row, [NOISE], [CLOSURE])) == 2
    (cause,) = causes_of(row, closure=[replace(CLOSURE, closes=True)])
    assert (
        cause == "fits of exact rates are shifted by about -0.33 too, by constraints or few events"
    )
    for noise in (
        replace(NOISE, method="unbinned"),
        replace(NOISE, parameter="JSF"),
        replace(NOISE, shift=0.1),
    ):
        assert causes_of(row, [noise]) == ()
    for closure in (
        replace(CLOSURE, pull_mean=0.33),
        replace(CLOSURE, pull_mean=-0.1),
        replace(CLOSURE, pull_mean=None),
        replace(CLOSURE, parameter="JSF"),
    ):
        assert causes_of(row, closure=[closure]) == ()
    assert causes_of(replace(row, method="unbinned"), closure=[CLOSURE]) == ()
    bound = replace(row, pulls=replace(row.pulls, n_at_bound=100))
    (cause,) = causes_of(bound)
    assert cause == f"100 of {TOYS} toys end at its bound and have no pull"


def test_shape_is_told_where_mean_and_width_are_right() -> None:
    skewed = np.random.default_rng(9).exponential(size=TOYS) - 1.0
    (remark,) = told((skewed - skewed.mean()) / skewed.std())
    assert remark.kind == "shape"
    assert "have the right mean and width, and are not normal" in remark.text
    assert told(1.5 * NORMAL) == ()  # the width tells it


@pytest.mark.parametrize("count", [1, 4, 9])
def test_lines_stand_for_several_rho(count: int) -> None:
    some = [
        Remark(method="binned", rho=rho, parameter=f"p{k}", kind="shift", text=f"text {k}")
        for k in range(count)
        for rho in (0.0, 0.5)
    ]
    lines = list(remark_lines(some))
    assert lines[0] == "binned, rho 0: text 0 (also at rho 0.5)"
    assert len(lines) == min(count, 4)
    if count == 9:
        assert lines[-1] == "6 more of the kind are in summary.json"
        assert list(remark_lines(some, "audit.json"))[-1].endswith("audit.json")
