"""One toy of 20 000 events with three observables of which any two correlate with 0.6."""

from typing import Any

import numpy as np

from reference.independent.streams import normals

N_EVENTS, RHO = 20_000, 0.6
MU, SIGMA = np.array([100.0, 50.0, 20.0]), np.array([10.0, 8.0, 3.0])
SLOPES = np.array([0.02, 0.05, -0.03])  # of the locations, relative


def data() -> dict[str, Any]:
    """Events of shape (events, 3) at shift = 0.2; no auxiliary values."""
    z = normals(977, 4, N_EVENTS)
    u = np.sqrt(1.0 - RHO) * z[:3] + np.sqrt(RHO) * z[3]
    events = np.round(MU * (1 + 0.2 * SLOPES) + SIGMA * u.T, 6)
    return {"events": events, "weights": None, "aux": []}
