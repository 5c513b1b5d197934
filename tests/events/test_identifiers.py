"""Hashes of identifiers: uniform, without collisions, and the same everywhere."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import kstest

from pullfactory.errors import EventsError
from pullfactory.events import hash_events, hash_rows


def splitmix64(state: int) -> int:
    """The reference in Python's own integers."""
    mask = 2**64 - 1
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
    return state ^ (state >> 31)


def test_reference() -> None:
    assert splitmix64(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF  # its first number for seed 0
    for number in (0, 1, 2**40, 2**64 - 1):
        (found,) = hash_events([np.array([number], dtype=np.uint64)])
        assert found == splitmix64(0x9E3779B97F4A7C15 ^ number)


def test_golden_values() -> None:
    assert hash_rows(0, 2).tolist() == [0xE220A8397B1DCDAF, 0xE4D971771B652C20]
    assert hash_rows(0, 1, salt=1).tolist() == [0xA706DD2F4D197E6F]
    columns = [np.array([1, -1]), np.array(["a", "ü"])]
    assert hash_events(columns).tolist() == [0xE66CF30E53FFF585, 0xF06BDAFBF17BF5C1]


@pytest.mark.parametrize("salt", [0, 1, -1, 2**70])
def test_uniform_and_independent(salt: int) -> None:
    hashes = hash_rows(0, 10**6, salt=salt)
    assert hashes.dtype == np.uint64
    assert len(np.unique(hashes)) == 10**6
    fractions = hashes / 2.0**64
    assert kstest(fractions, "uniform").pvalue > 1e-3
    other = hash_rows(0, 10**6, salt=salt + 1) / 2.0**64
    for a, b in ((fractions[1:], fractions[:-1]), (fractions, other)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 5e-3
    for bit in range(64):
        assert abs(np.mean((hashes >> np.uint64(bit)) & np.uint64(1)) - 0.5) < 3e-3


def test_two_columns_have_no_collisions() -> None:
    run, event = (grid.ravel() for grid in np.meshgrid(np.arange(1000), np.arange(1000)))
    hashes = hash_events([run, event])
    assert len(np.unique(hashes)) == 10**6
    assert not np.isin(hashes, hash_events([event + 1000, run])).any()
    assert kstest(hashes / 2.0**64, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("kind", ["i4", "i8", "u4", "u8", "f4", "f8", ">i8", ">f8", "O"])
def test_kinds_agree(kind: str) -> None:
    values = np.array([0, 1, 77, 2**20])
    assert hash_events([values.astype(kind)]).tolist() == hash_events([values]).tolist()


def test_signs_and_limits() -> None:
    signed = np.array([-1, -(2**63), -2, 2**62], dtype=np.int64)
    assert hash_events([signed[:3].astype(float)[:1]])[0] == hash_events([signed])[0]
    assert hash_events([signed[:1].astype(np.int8)])[0] == hash_events([signed])[0]
    unsigned = np.array([2**64 - 1, 2**63, 2**64 - 2, 2**62], dtype=np.uint64)
    same = hash_events([signed]) == hash_events([unsigned])
    assert same.tolist() == [False, False, False, True]
    assert hash_events([np.array([True, False])]).tolist() == hash_rows(0, 2).tolist()[::-1]
    assert hash_events([unsigned.astype(object)]).tolist() == hash_events([unsigned]).tolist()


def test_texts() -> None:
    words = ["a", "b", "a longer one", "ü", ""]
    wide, objects = np.array(words, dtype="U40"), np.array(words, dtype=object)
    encoded = np.array([word.encode() for word in words])
    hashes = hash_events([objects])
    assert len(set(hashes.tolist())) == 5
    assert hash_events([wide]).tolist() == hashes.tolist() == hash_events([encoded]).tolist()


def test_input_is_left_alone() -> None:
    column = np.array([3, 1, 2], dtype=np.uint64)
    hash_events([column, column])
    assert column.tolist() == [3, 1, 2]


def test_rows() -> None:
    assert hash_rows(5, 3).tolist() == hash_rows(0, 8).tolist()[5:]
    assert hash_rows(0, 0).shape == hash_events([np.empty(0, dtype=object)]).shape == (0,)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ([np.array([1.0, np.nan])], "nan in row 1 is missing or infinite; identify events by"),
        ([np.array([np.inf])], "inf in row 0 is missing or infinite"),
        ([np.array([1.0, 2.5])], "2.5 in row 1 is no whole number"),
        ([np.array([2.0**53])], "9007199254740992 in row 0 is too large to be exact as float64"),
        (
            [np.array([2.0**24], dtype="f4")],
            "16777216 in row 0 is too large to be exact as float32",
        ),
        ([np.array(["a", None])], "None in row 1 cannot identify an event"),
        ([np.array(["a", 1], dtype=object)], "1 in row 1 cannot identify an event"),
        ([np.array([1j])], "complex128 cannot identify events"),
        ([np.array(["2024-01-01"], dtype="M8[D]")], r"datetime64\[D\] cannot identify events"),
        ([], "no column; give at least one identifier"),
        ([np.ones(2), np.ones(3)], r"shapes \[\(2,\), \(3,\)\] differ"),
        ([np.ones((2, 2))], r"shapes \[\(2, 2\)\] differ"),
        ([np.array([2**70], dtype=object)], "1180591620717411303424 in row 0 cannot identify"),
    ],
)
def test_refused(columns: list[NDArray[Any]], complaint: str) -> None:
    with pytest.raises(EventsError, match=f"^sample.nominal.identifier: {complaint}"):
        hash_events(columns, place="sample.nominal.identifier")
