"""A direction that the data hardly know: the error in rational numbers, no rounding at all."""

import json
from fractions import Fraction
from math import sqrt

from reference.cases import Value
from reference.flat_directions.make import normfactor, workspace
from reference.recording import exact, record

# Two samples of nearly one shape: the scaled information has eigenvalues near 1e-5 and 2.
FIRST = [40000, 50000, 60000, 30000]
SECOND = [40200, 49800, 60250, 29850]


def known_errors() -> dict[str, float]:
    """From the inverse of a 2 x 2 matrix."""
    rates = [a + b for a, b in zip(FIRST, SECOND, strict=True)]

    def product(one: list[int], other: list[int]) -> Fraction:
        return sum(
            (Fraction(a * b, r) for a, b, r in zip(one, other, rates, strict=True)), Fraction(0)
        )

    aa, ab, bb = product(FIRST, FIRST), product(FIRST, SECOND), product(SECOND, SECOND)
    determinant = aa * bb - ab * ab
    assert 5e-6 < float(1 - ab / Fraction(sqrt(aa * bb))) < 2e-5
    return {"mu": sqrt(bb / determinant), "other": sqrt(aa / determinant)}


def files() -> dict[str, str]:
    """`workspace.json`: the data are as expected."""
    spec = workspace({"a": (FIRST, [normfactor("mu")]), "b": (SECOND, [normfactor("other")])})
    bounds = [{"name": name, "bounds": [[-20.0, 20.0]]} for name in ("mu", "other")]
    spec["measurements"][0]["config"]["parameters"] = bounds
    return {"workspace.json": json.dumps(spec, indent=1) + "\n"}


def values() -> list[Value]:
    """Errors of both rates; estimates and pull widths are 1."""
    found = []
    for name, error in known_errors().items():
        row = {"parameter": name}
        found += [
            Value(ask="fit", row=row, key="estimate", value=1.0, scale=error),
            exact("fit", "claimed_error", error, **row),
            exact("toys", "width", 1.0, **row),
            exact("toys", "n_failed", 0, **row),
        ]
    return [*found, exact("fit", "status", "converged", fit="all")]


if __name__ == "__main__":
    record(__file__, values, files=files())
