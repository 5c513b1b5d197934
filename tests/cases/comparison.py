"""Where what came out of a case is not what must come out.

Texts, whole numbers and keys have to be the same; two floating-point numbers a and b may differ by

    1e-6 max(|a|, |b|) + 1e-12.

Sums in another order, and the other instructions of another processor, change the last digits.
All cases were recorded with AVX512, AVX2 and SSE4.2 (XLA, NumPy, OpenBLAS and the C library held to
them): numbers that are not 0 but for rounding differ by less than 1e-9 of themselves, except those
of a minimum that is found by the values of a function. Such a one is known to sqrt(2.2e-16) =
1.5e-8 of its standard error, because the function changes there by less than its rounding: slopes
of the response differ by up to 2.4e-8 of themselves. 1e-6 leaves room for a number that is a
fiftieth of its error. What is 0 but for rounding was below 2e-16.

A change that is smaller shows in what `tests.cases.record` writes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["differences"]

_RELATIVE = 1e-6
_ABSOLUTE = 1e-12


def differences(expected: Mapping[str, Any], came: Mapping[str, Any]) -> list[str]:
    """What differs, one line for each place.

    Args:
        expected: What must come out.
        came: What came out.
    """
    return list(_differ(expected, came, ""))


def _differ(expected: Any, came: Any, place: str) -> Iterator[str]:
    match expected, came:
        case dict(), dict():
            for key in sorted(expected.keys() | came.keys()):
                here = f"{place} {key}".lstrip()
                if key not in came:
                    yield f"{here}: is missing"
                elif key not in expected:
                    yield f"{here}: is new"
                else:
                    yield from _differ(expected[key], came[key], here)
        case list(), list():
            if len(expected) != len(came):
                yield f"{place}: {len(came)} entries instead of {len(expected)}"
            for i, (one, other) in enumerate(zip(expected, came, strict=False)):
                yield from _differ(one, other, f"{place} [{i}]")
        case _:
            if not _same(expected, came):
                yield f"{place}: {came!r} instead of {expected!r}"


def _same(expected: Any, came: Any) -> bool:
    if type(expected) is not type(came):
        return False
    if isinstance(expected, float):
        allowed = _RELATIVE * max(abs(expected), abs(came)) + _ABSOLUTE
        return bool(abs(expected - came) <= allowed)
    return bool(expected == came)
