"""Two observables whose templates are made of the same 2000 simulated events."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.independent.streams import normals

Table = dict[str, NDArray[np.float64]]
N_EVENTS, N_SIMULATED, RHO = 2500.0, 2000, 0.85
EDGES = {
    "x": [158.0, 163.0, 167.0, 171.0, 175.0, 179.0, 184.0],
    "y": [71.0, 74.5, 77.5, 80.0, 82.5, 85.5, 89.0],
}

CONFIG: dict[str, Any] = {
    "name": "staterror",
    "poi": "m",
    "replicas": 20,
    "parameter": [{"name": "m", "constraint": "free"}, {"name": "jes"}],
    "observable": [
        {"name": name, "edges": [0.0, *edges, 500.0], "open_ends": True}
        for name, edges in EDGES.items()
    ],
    "workspace": {"staterror": True, "smooth": "none"},
    "joint": {"n_bins": 0},
    "toys": {"n_toys": 0, "unbinned": "none"},
    "samples": {
        "nominal": {"in_memory": True, "events": N_EVENTS},
        "m": {
            "up": {"observables": {"x": "x + 1.0", "y": "y + 0.1"}},
            "down": {"observables": {"x": "x - 1.0", "y": "y - 0.1"}},
        },
        "jes": {
            "up": {"observables": {"x": "x * 1.005", "y": "y * 1.006"}},
            "down": {"observables": {"x": "x * 0.995", "y": "y * 0.994"}},
        },
    },
}


def tables() -> dict[str, Table]:
    """Events by role."""
    u, v = normals(9023, 2, N_SIMULATED)
    w = RHO * u + np.sqrt(1 - RHO**2) * v
    return {"nominal": {"x": np.round(171.0 + 10.0 * u, 6), "y": np.round(80.0 + 7.0 * w, 6)}}
