"""What an audit says of a workspace whose samples leave too much open."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pullfactory import AuditResult, audit

PARAMETERS = ("mass", "jes")
MU, SIGMA = np.array([100.0, 50.0]), np.array([10.0, 5.0])


def location(theta: NDArray[np.float64], slopes: NDArray[np.float64]) -> NDArray[np.float64]:
    """In units of the width."""
    return np.asarray(MU * np.prod(1 + slopes * theta, axis=1))


def audited(slopes: list[list[float]], n_events: float, **changes: Any) -> AuditResult:
    """Two Gaussian observables whose locations alone respond; the same events at every point."""
    normal = np.random.default_rng(4).standard_normal((2, 20_000))
    steps = np.array(slopes)

    def events(theta: list[float]) -> dict[str, NDArray[np.float64]]:
        moved = location(np.array(theta), steps)
        return {name: moved[o] + SIGMA[o] * normal[o] for o, name in enumerate("xy")}

    tables = {"nominal": events([0.0, 0.0])}
    samples: dict[str, Any] = {"nominal": {"in_memory": True, "events": n_events}}
    for k, name in enumerate(PARAMETERS):
        samples[name] = {}
        for side, sign in (("up", 1.0), ("down", -1.0)):
            theta = [0.0, 0.0]
            theta[k] = sign
            tables[f"{name}.{side}"] = events(theta)
            samples[name][side] = {"in_memory": True, "same_events": True}
    return audit(
        {
            "name": "closure",
            "poi": "mass",
            "replicas": 20,
            "toys": {"n_toys": 0},
            "joint": {"n_bins": 0},
            "parameter": [
                {"name": "mass", "constraint": "free"},
                {"name": "jes", "constraint": "normal"},
            ],
            "observable": [{"name": "x"}, {"name": "y"}],
            "samples": samples,
            **changes,
        },
        tables,
        workers=1,
    )


SMALL = [[0.005, 0.004], [0.0, 0.005]]
LARGE = [[0.02, 0.06], [0.002, 0.09]]  # up to 0.9 widths in one step


@pytest.fixture(scope="module")
def far() -> AuditResult:
    return audited(LARGE, 4000.0)


def test_small_shifts_close() -> None:
    result = audited(SMALL, 500.0)
    for row in result.closure:
        assert row.closes
        assert row.reason is None
    assert not any("close" in note for note in result.notes)


def test_large_shifts_are_told(far: AuditResult) -> None:
    summary = json.loads(json.dumps(far.summary(), allow_nan=False))
    judged = summary["closure"][0]
    assert judged["parameter"] == "mass"
    assert judged["closes"] is False
    assert judged["bias"] > 0.1
    assert judged["reason"] in summary["notes"]


def test_products_are_told() -> None:
    """Nobody knows which of the two is right; here the products are."""
    result = audited(LARGE, 4000.0, workspace={"morphing": "multiplicative"})
    mass = result.closure[0]
    assert mass.closes is None
    assert mass.bias is not None
    assert mass.bias > 0.1
    assert mass.reason is not None
    assert "cannot be known" in mass.reason
