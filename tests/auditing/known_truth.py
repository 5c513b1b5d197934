"""Samples of two Gaussian observables, whose expected bin contents and correlations are known."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["config", "events", "samples"]

CENTRE, WIDTH = np.array([170.0, 83.0]), np.array([10.0, 7.0])
MASS, SCALE = np.array([0.986, 0.0249]), np.array([0.782, 0.4399])  # shifts for one step
N = 2000


def config(**more: Any) -> dict[str, Any]:
    """An audit of `samples`, whose mass points are other events, and whose scale moves the same."""
    moved = {
        side: {"observables": {name: f"{name} {sign} {shift}" for name, shift in _shifts()}}
        for side, sign in (("up", "+"), ("down", "-"))
    }
    free = {"name": "m", "constraint": "free"}
    return {
        "name": "known",
        "poi": "m",
        "optimal": False,  # tests of their own
        "n_events_law": "fixed",
        "parameter": [free, {"name": "j"}],
        "observable": [{"name": "a"}, {"name": "b"}],
        "toys": {"n_toys": 0, "unbinned": "none"},
        "joint": {"n_bins": 0},
        "samples": {
            "nominal": {"in_memory": True, "events": N},
            "m": {side: {"in_memory": True} for side in ("up", "down")},
            "j": moved,
        },
    } | more


def _shifts() -> list[tuple[str, float]]:
    return [("a", float(SCALE[0])), ("b", float(SCALE[1]))]


def events(
    rng: np.random.Generator, number: int, rho: float, mass: float = 0.0
) -> dict[str, NDArray[np.float64]]:
    """Events at one mass."""
    first, other = rng.standard_normal((2, number))
    second = rho * first + np.sqrt(1 - rho**2) * other
    values = CENTRE + MASS * mass + WIDTH * np.stack([first, second], axis=1)
    return {"a": values[:, 0], "b": values[:, 1]}


def samples(
    rng: np.random.Generator, number: int, rho: float
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Samples by role."""
    masses = {"nominal": 0.0, "m.up": 1.0, "m.down": -1.0}
    return {role: events(rng, number, rho, mass) for role, mass in masses.items()}
