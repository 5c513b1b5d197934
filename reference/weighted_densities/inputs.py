"""2000 events of one mass, and 2000 of another with the weight 0.001."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.independent.audits import quantile_grid
from reference.independent.streams import normals

Table = dict[str, NDArray[np.float64]]
N_EVENTS, SIDE = 2000, 200

CONFIG: dict[str, Any] = {
    "name": "weighted",
    "seed": 4,
    "poi": "m",
    "replicas": 2000,
    "parameter": [{"name": "m", "constraint": "free", "bounds": [-20.0, 20.0]}],
    "observable": [{"name": "x", "density": "normal"}, {"name": "y", "density": "normal"}],
    "workspace": {"n_bins": 8, "smooth": "none"},
    "joint": {"n_bins": 0},
    "toys": {"n_toys": 0, "unbinned": "declared"},
    "samples": {
        "nominal": {"in_memory": True, "events": 2002.0},
        "m": {
            "up": {"observables": {"x": "x + 1.0", "y": "y + 0.3"}},
            "down": {"observables": {"x": "x - 1.0", "y": "y - 0.3"}},
        },
        "data": {"in_memory": True, "weight": "w"},
    },
}


def tables() -> dict[str, Table]:
    """Events by role."""
    u, v = quantile_grid(SIDE, 0.6)
    p, q = normals(9019, 2, 2 * N_EVENTS)
    mass = np.repeat([-0.4, 8.0], N_EVENTS)
    data = {
        "x": np.round(170.0 + mass + 10.0 * p, 6),
        "y": np.round(80.0 + 0.3 * mass + 6.0 * (0.6 * p + 0.8 * q), 6),
        "w": np.repeat([1.0, 0.001], N_EVENTS),
    }
    return {"nominal": {"x": 170.0 + 10.0 * u, "y": 80.0 + 6.0 * v}, "data": data}
