"""Signal and background in two observables, on grids of quantiles: no random numbers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.independent.audits import quantile_grid

Table = dict[str, NDArray[np.float64]]
SIDE = 240
SIGNAL, BACKGROUND = 400.0, 1200.0
EDGES = {
    "x": [154.0, 160.0, 164.0, 168.0, 172.0, 176.0, 180.0, 186.0],
    "y": [70.0, 75.0, 80.0, 85.0, 90.0],
}


def _edges(name: str) -> list[float]:
    """With ends beyond all events; the outermost bins are open."""
    return [0.0, *EDGES[name], 500.0]


CONFIG: dict[str, Any] = {
    "name": "two_processes",
    "poi": "jes",
    "workspace": {"smooth": "none"},
    "parameter": [{"name": "jes", "constraint": "normal"}],
    "observable": [{"name": name, "edges": _edges(name), "open_ends": True} for name in ("x", "y")],
    "joint": {"n_bins": 0},
    "toys": {"n_toys": 0, "unbinned": "none"},
    "replicas": 20,
    "samples": {
        "nominal": {"in_memory": True, "events": SIGNAL, "norm": "free"},
        "jes": {
            "up": {"observables": {"x": "x * 1.004", "y": "y * 1.01"}},
            "down": {"observables": {"x": "x * 0.996", "y": "y * 0.99"}},
        },
        "background": {"other": {"in_memory": True, "events": BACKGROUND, "norm": "free"}},
    },
}


def tables() -> dict[str, Table]:
    """Events by role; the observables of an event are correlated in the signal."""
    u, v = quantile_grid(SIDE, 0.4)
    s, t = quantile_grid(SIDE, 0.0)
    return {
        "nominal": {"x": 170.0 + 7.0 * u, "y": 82.0 + 6.0 * v},
        "background.other": {"x": 171.0 + 13.0 * s, "y": 78.0 + 10.0 * t},
    }
