"""The two answers of an audit at the edges of their rules."""

import pytest

from pullfactory.inference.judgement import correlation_matters, right_as_it_stands


@pytest.mark.parametrize(
    ("factor", "error", "slope", "slope_error", "answer"),
    [
        (1.0, 0.01, 1.0, 0.01, "yes"),
        (1.04, 0.006, 1.0, 0.01, "yes"),  # 0.04 + 1.645 * 0.006 = 0.04987
        (1.04, 0.007, 1.0, 0.01, "unknown"),
        (0.96, 0.006, 1.0, 0.01, "yes"),
        (1.0, 0.01, 0.9, 0.03, "yes"),  # 2 (0.1 + 1.645 * 0.03) = 0.2987
        (1.0, 0.01, 0.9, 0.031, "unknown"),
        (1.0, 0.01, 1.1, 0.031, "unknown"),
        (1.08, 0.009, 1.0, 0.01, "no"),  # 0.08 - 3 * 0.009 = 0.053
        (1.08, 0.011, 1.0, 0.01, "unknown"),
        (0.9, 0.016, 1.0, 0.01, "no"),
        (1.0, 0.01, 0.851, 0.001, "unknown"),
        (1.0, 0.01, 0.849, 0.001, "calibrate"),
        (1.2, 0.01, 0.849, 0.001, "calibrate"),  # what is wrong as it is, is mended by that
        (1.0, 0.01, 1.3, 0.01, "unknown"),
        (1.0, 0.01, 0.7, 0.01, "calibrate"),
        (1.0, 0.01, 0.699, 0.01, "cannot"),
        (1.5, 0.01, 0.699, 0.01, "cannot"),
        (1.0, 0.01, 1.0, 0.2, "unknown"),
        (1.0, 0.01, 1.0, 0.201, "cannot"),
        (None, None, 0.9, 0.1, "cannot"),
        (1.0, None, 1.0, 0.0, "cannot"),
        (1.0, 0.0, None, None, "cannot"),
    ],
)
def test_right_as_it_stands(
    factor: float | None,
    error: float | None,
    slope: float | None,
    slope_error: float | None,
    answer: str,
) -> None:
    assert right_as_it_stands(factor, error, slope, slope_error) == answer


@pytest.mark.parametrize(
    ("factor", "error", "answer"),
    [
        (0.853, 0.02, "matters"),
        (1.147, 0.02, "matters"),
        (0.889, 0.02, "matters"),  # 0.111 - 3 * 0.02 = 0.051
        (0.895, 0.02, "unknown"),
        (1.0, 0.03, "small"),  # 1.645 * 0.03 = 0.04935
        (1.0, 0.031, "unknown"),
        (1.06, 0.0, "matters"),
        (None, None, "unknown"),
        (1.0, None, "unknown"),
    ],
)
def test_correlation_matters(factor: float | None, error: float | None, answer: str) -> None:
    assert correlation_matters(factor, error) == answer
