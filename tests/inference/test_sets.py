"""Sets of observables: what chance may do is no improvement."""

import numpy as np
import pytest

from pullfactory.inference import PredictedPull
from pullfactory.inference.rows import SetRow
from pullfactory.inference.sets import compared_sets, idle_observables


def row(names: str, actual: float, error: float | None = None) -> SetRow:
    pull = PredictedPull.of("binned", np.nan, "t", 1.0, actual)
    return SetRow(
        observables=tuple(names), pull=pull, difference=actual - 1.0, difference_error=error
    )


@pytest.mark.parametrize(
    ("behind", "error", "idle", "unsure"),
    [
        (0.05, 0.01, "", ""),  # five standard errors: z pays
        (0.003, 0.0009, "", ""),  # little, and discerned
        (0.0005, 0.0001, "z", ""),  # discerned, and not worth it
        (0.003, 0.002, "z", ""),  # chance, and at most 0.7 %
        (0.003, 0.006, "", "z"),  # chance, and may be 1.5 %
        (0.02, 0.01, "", "z"),
    ],
)
def test_what_an_observable_is_worth(behind: float, error: float, idle: str, unsure: str) -> None:
    rows = [row("xz", 1.0, 0.0), row("x", 1.0 + behind, error), row("z", 3.0, 0.1)]
    assert idle_observables(rows, ("x", "z")) == (tuple(idle), tuple(unsure))


def test_one_of_two_that_say_the_same_is_taken() -> None:
    rows = [row("xy", 1.0, 0.0), row("x", 1.0001, 1e-5), row("y", 1.0002, 1e-5)]
    assert idle_observables(rows, ("x", "y")) == (("y",), ())


def test_sets_of_an_earlier_version_have_no_errors() -> None:
    pulls = [PredictedPull.of("binned", np.nan, "t", 1.0, one) for one in (1.0, 1.002)]
    rows = [
        SetRow(observables=names, pull=pull)
        for names, pull in zip((("x", "y"), ("x",)), pulls, strict=True)
    ]
    assert idle_observables(rows, ("x", "y")) == ((), ())


def test_an_error_that_is_large_and_vague_is_no_match() -> None:
    """Ten times the lowest, known to 40 %: two and a half of its own errors, and far away."""
    rows = [row("xy", 1.0, 0.0), row("x", 1.05, 0.01), row("y", 11.0, 4.0)]
    assert idle_observables(rows, ("x", "y")) == ((), ())


def test_replicas_are_paired() -> None:
    """What all sets have in common is in their errors, and not in their differences."""
    common = np.random.default_rng(1).normal(1.0, 0.1, 400)
    own = np.random.default_rng(2).normal(0.0, 0.002, 400)
    replicas = np.stack([common, common * (1.01 + own)])
    best, other = compared_sets([row("xy", 1.0), row("x", 1.01)], replicas)
    assert (best.difference, best.difference_error) == (0.0, 0.0)
    assert other.difference == pytest.approx(0.01)
    assert other.difference_error == pytest.approx(own.std(ddof=1), rel=1e-9)
    assert other.actual_error_error == pytest.approx(0.1, rel=5 / 800**0.5)


def test_a_set_that_most_replicas_do_not_determine_has_no_error() -> None:
    replicas = np.array([[1.0, 1.1, 0.9, 1.0], [1.0, np.nan, np.nan, np.nan]])
    _, other = compared_sets([row("xy", 1.0), row("x", 1.01)], replicas)
    assert other.actual_error_error is None
    assert idle_observables((row("xy", 1.0, 0.0), other), ("x", "y")) == ((), ("y",))
