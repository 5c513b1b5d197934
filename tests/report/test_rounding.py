"""Numbers are rounded as the Particle Data Group does, whatever their size."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullfactory.numbers import plain, rounded, significant


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.827, 0.119, "0.83 ± 0.12"),
        (0.827, 0.367, "0.8 ± 0.4"),
        (0.8273, 0.0354, "0.827 ± 0.035"),
        (0.8273, 0.0355, "0.83 ± 0.04"),
        (0.8273, 0.0949, "0.83 ± 0.09"),
        (0.8273, 0.0950, "0.83 ± 0.10"),
        (0.8273, 0.09997, "0.83 ± 0.10"),
        (1.0, 0.1, "1.00 ± 0.10"),
        (-0.0004, 0.02, "0.000 ± 0.020"),
        (172.52, 0.33, "172.52 ± 0.33"),
        (172.52, 5.4, "173 ± 5"),
        (56789.0, 1234.0, "56800 ± 1200"),
        (56789.0, 9600.0, "57000 ± 10000"),
        (0.0, 4e-6, "(0 ± 4)e-6"),
        (-3.21e-7, 1.1e-8, "(-3.21 ± 0.11)e-7"),
        (4.32e9, 2.5e8, "(4.32 ± 0.25)e9"),
    ],
)
def test_value_and_error_are_rounded_together(value: float, error: float, text: str) -> None:
    assert rounded(value, error) == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_absent_values_are_a_dash(value: float | None) -> None:
    assert rounded(value, 0.1) == "-"
    assert significant(value) == "-"


@pytest.mark.parametrize("error", [None, 0.0, math.nan, 1e-12])
def test_value_without_error_stands_alone(error: float | None) -> None:
    assert rounded(171.8, error) == "171.8"


def test_what_is_below_the_floor_is_nothing() -> None:
    assert rounded(-9.9e-17, 1.4e-17, floor=1e-10) == "0"
    assert rounded(0.02, 1.4e-17, floor=1e-10) == "0.02"
    assert rounded(1e-12, 0.1, floor=1e-10) == "0.00 ± 0.10"


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_rounding_moves_a_value_by_less_than_its_error(value: float, error: float) -> None:
    text = rounded(value, error)
    if "±" not in text:  # an error that is tiny beside its value
        return
    shown, shown_error = (float(part) for part in re.split(" ± ", text))
    assert abs(shown - value) < 0.2 * error
    assert shown_error == pytest.approx(error, rel=0.15)


def test_numbers_without_errors() -> None:
    assert significant(0.38) == "0.380"
    assert significant(364.2) == "364"
    assert plain(0.3) == "0.3"
    assert plain(-0.0) == "0"
