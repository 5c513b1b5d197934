"""Pulls as whole distributions: the band holds what it says, and slices show what cancels."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from pullfactory.fitting import FitBatch, FitStatus
from pullfactory.fitting.slices import Slices, normal_slices
from pullfactory.inference import PullSums
from pullfactory.inference.judgement import is_shifted
from pullfactory.inference.shapes import PullShape, ecdf_band

NAMES = ("mass", "scale")
T = np.arange(1, 100) / 100


def batch(estimate: NDArray[np.float64]) -> FitBatch:
    """Fits with these estimates and errors of 1, and corrected errors twice as large."""
    toys, pars = estimate.shape
    return FitBatch(
        parameters=NAMES[:pars],
        estimate=estimate,
        covariance=np.tile(np.eye(pars), (toys, 1, 1)),
        sandwich=np.tile(4.0 * np.eye(pars), (toys, 1, 1)),
        nll=np.zeros(toys),
        status=np.full(toys, FitStatus.CONVERGED, dtype=np.int8),
    )


def shapes(
    estimate: NDArray[np.float64], truth: NDArray[np.float64], slices: Slices | None = None
) -> tuple[PullShape, ...]:
    sums = PullSums.of(batch(estimate), truth, slices)
    return PullShape.of(NAMES[: estimate.shape[1]], sums.transformed, slices)


def exceeded(z: float) -> float:
    """Probability that a standardised Brownian bridge is further off at one of the 99 edges.

    Integrated from edge to edge: it is a Markov chain whose step is normal.
    """
    x, weight = np.polynomial.legendre.leggauss(300)
    x, weight = z * x, z * weight
    density, lost = norm.pdf(x), 2 * norm.sf(z)
    for a, b in pairwise(T):
        r = np.sqrt(a * (1 - b) / (b * (1 - a)))
        s = np.sqrt(1 - r**2)
        lost += (density * weight) @ (norm.sf((z - r * x) / s) + norm.cdf((-z - r * x) / s))
        density = norm.pdf((x[:, None] - r * x) / s) / s @ (density * weight)
    return float(lost)


@pytest.mark.parametrize("z", [2.0, 3.0, 3.0639, 4.5])
def test_probability_is_that_of_a_bridge(z: float) -> None:
    """A sample that is z off at one edge alone; the table is interpolated within 1 %."""
    n = 10**8
    below = np.rint(n * T)
    below[49] += z * np.sqrt(n / 4)
    counts = np.diff(np.concatenate([[0], below, [n]])).astype(np.int64)
    counts = counts.clip(min=0)
    (shape,) = PullShape.of(("mass",), counts[None, None, None, None])
    assert shape.p_value == pytest.approx(exceeded(z), rel=0.03)
    assert exceeded(3.0639) == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize(("n", "least"), [(100, 0.01), (2000, 0.03), (100_000, 0.05)])
def test_band_holds_95_percent_of_samples(n: int, least: float) -> None:
    """Of 2000 samples up to 5 %, with a standard error of 0.5 %, leave it; of few toys fewer."""
    rng = np.random.default_rng(3)
    counts = rng.multinomial(n, np.full(100, 0.01), size=2000)
    ecdf = counts.cumsum(axis=1)[:, :-1] / n
    low, high = ecdf_band(n, T)
    left = np.asarray(((ecdf < low) | (ecdf > high)).any(axis=1))
    error = (0.05 * 0.95 / 2000) ** 0.5
    assert least - 3 * error < left.mean() < 0.05 + 3 * error
    for some, outside in zip(counts[:100], left[:100], strict=True):
        (shape,) = PullShape.of(("mass",), some[None, None, None, None])
        assert (shape.p_value < 0.05) == outside


def test_sums_add_in_any_order() -> None:
    rng = np.random.default_rng(1)
    truth = rng.standard_normal((300, 2))
    estimate = truth + rng.standard_normal((300, 2))
    slices = normal_slices(np.zeros(2), np.ones(2), np.array([False, True]))
    whole = PullSums.of(batch(estimate), truth, slices).transformed
    assert whole.shape == (2, 2, 3, 2, 100)
    parts = [
        PullSums.of(batch(estimate[rows]), truth[rows], slices)
        for rows in (slice(0, 100), slice(100, 300))
    ]
    for first, second in (parts, parts[::-1]):
        np.testing.assert_array_equal((first + second).transformed, whole)
    assert whole[0, 0].sum() == 600
    many = np.tile(truth, (1, 4))
    edges = normal_slices(np.zeros(8), np.ones(8), np.zeros(8, dtype=bool))
    wide = batch(many)
    assert PullSums.of(wide, many, edges).transformed.shape == (2, 1, 3, 8, 100)


def test_unit_normal_pulls_are_so_in_every_slice() -> None:
    """A free parameter and one that a constraint draws to 0, correlated; nothing is wrong.

    The true value of the free one and the estimate of the other are independent of the pulls.
    Of the true value of the other they are not.
    """
    rng = np.random.default_rng(4)
    toys = 20_000
    data = np.array([[4.0, 2.0], [2.0, 2.0]])  # information of the data
    prior = np.diag([0.0, 1.0])
    covariance = np.linalg.inv(data + prior)
    truth = rng.standard_normal((toys, 2)) * [0.5, 1.0]
    score = rng.multivariate_normal([0, 0], data, size=toys)
    estimate = truth + (score - truth @ prior) @ covariance
    errors = np.sqrt(np.diag(covariance))
    scaled, true = estimate / errors, truth / errors  # so that all errors are 1

    def of(constrained: list[bool]) -> list[PullShape]:
        slices = normal_slices(np.zeros(2), np.array([0.5, 1.0]) / errors, np.array(constrained))
        return [one for one in shapes(scaled, true, slices) if one.errors == "claimed"]

    right = of([False, True])
    assert len(right) == 2 * 7
    assert not any(one.off() for one in right)
    assert min(one.p_value for one in right) > 0.05 / len(right) / 3
    wrong = of([False, False])
    assert {one.sliced_by for one in wrong if one.off()} == {"scale"}
    assert not any(one.off() for one in wrong if one.sliced_by is None)


def test_opposite_biases_are_seen_in_slices_alone() -> None:
    """Pulls that move by 0.15 of an error for each width of the truth, normal in all toys."""
    rng = np.random.default_rng(5)
    toys, slope = 20_000, 0.25
    truth = rng.standard_normal((toys, 1))
    pull = slope * truth + np.sqrt(1 - slope**2) * rng.standard_normal((toys, 1))
    slices = normal_slices(np.zeros(1), np.ones(1), np.zeros(1, dtype=bool))
    whole, low, middle, high = shapes(truth + pull, truth, slices)[:4]
    assert not whole.off()
    assert (low.slice, middle.slice, high.slice) == ("low", "middle", "high")
    assert low.off()
    assert high.off()
    assert not middle.off()
    assert low.n + middle.n + high.n == toys


def test_corrected_errors_have_a_shape_of_their_own() -> None:
    rng = np.random.default_rng(6)
    truth = np.zeros((4000, 1))
    claimed, corrected = shapes(2.0 * rng.standard_normal((4000, 1)), truth)
    assert (claimed.errors, claimed.off()) == ("claimed", True)
    assert (corrected.errors, corrected.off()) == ("corrected", False)


@pytest.mark.parametrize(
    ("mean", "error", "shifted"),
    [
        (0.11, 0.02, True),
        (-0.11, 0.02, True),
        (0.09, 0.001, False),
        (0.2, 0.07, False),
        (None, None, False),
        (0.5, None, False),
    ],
)
def test_shift_is_larger_than_chance_and_than_is_tolerated(
    mean: float | None, error: float | None, shifted: bool
) -> None:
    assert is_shifted(mean, error) is shifted
