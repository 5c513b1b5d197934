"""One toy of 800 events with three observables that share a hidden number, skewed."""

from typing import Any

import numpy as np

from reference.independent.streams import normals

N_EVENTS = 800
MU, SIGMA = np.array([100.0, 50.0, 20.0]), np.array([10.0, 8.0, 3.0])
SLOPES = np.array([0.02, 0.05, -0.03])  # of the locations, relative


def data() -> dict[str, Any]:
    """Events of shape (events, 3) at shift = 0.2; no auxiliary values."""
    z = normals(4201, 4, N_EVENTS)
    shared = (np.exp(0.5 * z[3]) - np.exp(0.125)) / 0.6
    u = np.stack([0.8 * z[0] + 0.6 * shared, z[1] + 0.7 * shared, z[2] - 0.4 * shared], axis=1)
    events = np.round(MU * (1 + 0.2 * SLOPES) + SIGMA * u, 6)
    return {"events": events, "weights": None, "aux": []}
