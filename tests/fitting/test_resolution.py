"""Eigenvalues of informations against what rounding allows."""

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory.fitting.resolution import flat_groups, spectrum

BINS = 40


def gram(slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    return slopes.T @ slopes


def slopes(parameters: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((BINS, parameters))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("units", [1.0, 1e-9, 1e9])
def test_a_sum_of_others_is_flat_in_any_unit(seed: int, units: float) -> None:
    matrix = slopes(5, seed)
    matrix[:, 3] = units * (matrix[:, 0] - 2.0 * matrix[:, 1])
    found = spectrum(gram(matrix), terms=BINS, size=1e4)
    assert found.flat.tolist() == [True, False, False, False, False]
    assert [sorted(group) for group in flat_groups(found)] == [[0, 1, 3]]
    assert np.isnan(found.inverse).all()


def test_groups_are_apart_and_a_parameter_without_effect_is_one() -> None:
    matrix = slopes(6, 1)
    matrix[:, 1], matrix[:, 4], matrix[:, 5] = matrix[:, 0], 3.0 * matrix[:, 2], 0.0
    found = spectrum(gram(matrix), terms=BINS, size=1e4)
    assert found.flat.sum() == 3
    assert sorted(sorted(group) for group in flat_groups(found)) == [[0, 1], [2, 4], [5]]


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-5, 3e-6])
def test_a_weak_direction_is_none_of_them_and_has_its_variance(distance: float) -> None:
    """Two columns that differ by a part of their length: against exact fractions.

    The scaled information is known to some 100 eps, so its inverse to 100 eps / eigenvalue.
    """
    matrix = np.tile([[1.0], [2.0], [4.0], [8.0]], (1, 2))
    matrix[0, 1] += distance
    exact = [[Fraction(x) for x in row] for row in matrix]
    a, b, d = (
        sum((row[i] * row[j] for row in exact), Fraction(0)) for i, j in ((0, 0), (0, 1), (1, 1))
    )
    found = spectrum(gram(matrix), terms=4, size=100.0)
    assert not found.flat.any()
    variance = float(d / (a * d - b * b))
    assert found.inverse[0, 0] == pytest.approx(
        variance, rel=100 * np.finfo(float).eps / found.values[0]
    )


def test_an_information_that_is_no_number_is_flat() -> None:
    found = spectrum(np.full((2, 2), np.nan), terms=1, size=1.0)
    assert found.flat.all()


def test_a_slope_that_is_rounding_of_large_rates_is_no_slope() -> None:
    """A column of 1e-15 beside rates of 1 came from their last digits, one of 1e-6 did not."""
    matrix = slopes(2, 3)
    matrix[:, 1] *= 1e-15
    assert spectrum(gram(matrix), terms=BINS, size=BINS).flat.tolist() == [True, False]
    matrix[:, 1] *= 1e9
    assert not spectrum(gram(matrix), terms=BINS, size=BINS).flat.any()
