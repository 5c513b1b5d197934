"""Differences of mean gradients, their covariance and Wald's test, against numpy."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.flows.wald import Side, find_difference, wald_test

Array = NDArray[np.float64]


def side(gradients: Array, weights: Array, some: int) -> Side:
    """Events of one point, some at a time."""

    def each() -> Iterator[tuple[Array, Array]]:
        for first in range(0, len(weights), some):
            yield gradients[:, first : first + some], weights[first : first + some]

    return Side(each, weights.sum(), weights.sum() ** 2 / np.sum(weights**2))


@pytest.mark.parametrize("paired", [True, False])
def test_covariance_is_that_of_shares_of_events(paired: bool) -> None:
    """An event adds w (g - mean of g) / sum of w to a mean; events of both points add to both."""
    rng = np.random.default_rng(3)
    common = rng.standard_normal((4, 60))
    gradients = [common + 0.3 + 0.5 * rng.standard_normal((4, 60)) for _ in range(2)]
    weights = [rng.exponential(size=60) for _ in range(2)]
    both = zip(gradients, weights, strict=True)
    found = find_difference(*(side(g, w, 20) for g, w in both), paired=paired)
    means = [np.average(g, axis=1, weights=w) for g, w in zip(gradients, weights, strict=True)]
    np.testing.assert_allclose(found.value, 0.5 * (means[0] - means[1]), rtol=1e-12)
    shares = [
        0.5 * (g - mean[:, None]) * w / w.sum()
        for g, mean, w in zip(gradients, means, weights, strict=True)
    ]
    parts = [shares[0] - shares[1]] if paired else shares
    expected = sum(part @ part.T for part in parts)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-10, atol=1e-16)
    assert found.events == pytest.approx(min(w.sum() ** 2 / np.sum(w**2) for w in weights))


def test_equal_gradients_differ_by_rounding_alone() -> None:
    """Of the same events a coefficient whose gradients are the same at both points has no test."""
    rng = np.random.default_rng(4)
    one = rng.standard_normal((3, 400))
    other = one * (1.0 + 1e-15)
    other[1] += 0.1 + 0.2 * rng.standard_normal(400)
    ones = np.ones(400)
    found = find_difference(side(one, ones, 400), side(other, ones, 400), paired=True)
    assert found.differs.tolist() == [False, True, False]
    test = wald_test(found)
    assert (test.dof, test.p_value < 1e-6) == (1, True)
    assert wald_test(found, np.array([True, False, True])) == (0.0, 0, 1.0)


def test_p_values_of_few_events_are_uniform() -> None:
    """8 coefficients from 30 events, 400 times: parts below 0.01 and 0.2 within 4 errors of each.

    The chi-square distribution alone has 0.05 of them below 0.01; with more coefficients than
    events nothing is told.
    """
    rng, ones = np.random.default_rng(5), np.ones(30)
    values = []
    for _ in range(400):
        up, down = (side(rng.standard_normal((8, 30)), ones, 30) for _ in range(2))
        values.append(wald_test(find_difference(up, down, paired=True)).p_value)
    for part in (0.01, 0.2):
        error = np.sqrt(part * (1 - part) / len(values))
        assert np.mean(np.array(values) < part) == pytest.approx(part, abs=4 * error)
    up, down = (side(rng.standard_normal((40, 30)), ones, 30) for _ in range(2))
    assert wald_test(find_difference(up, down, paired=True)).p_value == 1.0
