"""Workspaces whose information is singular, shown with rational numbers."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from reference.cases import Value
from reference.recording import exact, record

Sample = tuple[list[int], list[dict[str, Any]]]
SIGNAL, OTHER = [30, 50, 20], [100, 60, 40]


def normfactor(name: str) -> dict[str, Any]:
    """A free factor."""
    return {"name": name, "type": "normfactor", "data": None}


def workspace(samples: Mapping[str, Sample]) -> dict[str, Any]:
    """One channel with these samples, observed as expected."""
    total = [sum(column) for column in zip(*(data for data, _ in samples.values()), strict=True)]
    return {
        "channels": [
            {
                "name": "x",
                "samples": [
                    {"name": name, "data": data, "modifiers": modifiers}
                    for name, (data, modifiers) in samples.items()
                ],
            }
        ],
        "observations": [{"name": "x", "data": total}],
        "measurements": [{"name": "fit", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def flat(slopes: list[list[int]], rates: list[int]) -> list[Fraction]:
    """Null vector of the information of Poisson bins; empty if there is none.

    Args:
        slopes: Of each parameter, its changes of the bins.
        rates: Of the bins.
    """
    n = len(slopes)
    rows = [
        [
            sum((Fraction(a * b, r) for a, b, r in zip(s, t, rates, strict=True)), Fraction(0))
            for t in slopes
        ]
        for s in slopes
    ]
    pivots: list[int] = []
    for k in range(n):
        at = len(pivots)
        below = [i for i in range(at, n) if rows[i][k] != 0]
        if not below:
            continue
        rows[at], rows[below[0]] = rows[below[0]], rows[at]
        rows[at] = [each / rows[at][k] for each in rows[at]]
        for i in range(n):
            if i != at:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[at], strict=True)]
        pivots.append(k)
    free = [k for k in range(n) if k not in pivots]
    if not free:
        return []
    vector = [Fraction(0)] * n
    vector[free[0]] = Fraction(1)
    for at, k in enumerate(pivots):
        vector[k] = -rows[at][free[0]]
    return vector


def specs() -> dict[str, dict[str, Sample]]:
    """Samples of each workspace."""
    background: Sample = (OTHER, [])
    return {
        "two_rates": {
            "signal": (SIGNAL, [normfactor("mu"), normfactor("lumi_scale")]),
            "other": background,
        },
        "rate_and_shape": {
            "signal": (SIGNAL, [normfactor("mu")]),
            "again": ([each // 2 for each in SIGNAL], [normfactor("gain")]),
            "other": background,
        },
        "no_rate": {
            "signal": (SIGNAL, [normfactor("mu")]),
            "empty": ([0, 0, 0], [normfactor("idle")]),
            "other": background,
        },
    }


def files() -> dict[str, str]:
    """The workspaces."""
    return {
        f"{name}.json": json.dumps(workspace(each), indent=1) + "\n"
        for name, each in specs().items()
    }


def values() -> list[Value]:
    """Each workspace must be refused with its flat parameters named."""
    total = [a + b for a, b in zip(SIGNAL, OTHER, strict=True)]
    half = [(3 * a) // 2 + b for a, b in zip(SIGNAL, OTHER, strict=True)]
    assert flat([SIGNAL, SIGNAL], total) == [Fraction(-1), Fraction(1)]
    assert flat([SIGNAL, [each // 2 for each in SIGNAL]], half) == [Fraction(-1, 2), Fraction(1)]
    assert flat([SIGNAL, [0, 0, 0]], total) == [Fraction(0), Fraction(1)]
    assert not flat([SIGNAL, OTHER], total)
    found = []
    for name in specs():
        found += [exact(name, "refused", True), exact(name, "unnamed", "")]
    return found


if __name__ == "__main__":
    record(__file__, values, files=files())
