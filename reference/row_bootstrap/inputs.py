"""Templates from a grid of quantiles, and 3000 events of data with two observables."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.independent.audits import Histograms, Model, quantile_grid
from reference.independent.streams import normals

Table = dict[str, NDArray[np.float64]]
SIDE, N_EVENTS = 200, 3000
EDGES = {
    "x": [155.0, 160.0, 164.0, 168.0, 172.0, 176.0, 180.0, 185.0],
    "y": [72.0, 76.0, 79.0, 82.0, 85.0, 88.0, 92.0],
}
HISTOGRAMS = Histograms(edges=tuple(np.array(each) for each in EDGES.values()))
PARAMETERS = ("m", "jes")

CONFIG: dict[str, Any] = {
    "name": "data",
    "seed": 3,
    "poi": "m",
    "workspace": {"smooth": "none"},
    "replicas": 8000,
    "parameter": [{"name": "m", "constraint": "free"}, {"name": "jes"}],
    "observable": [
        {"name": name, "edges": [0.0, *edges, 500.0], "open_ends": True}
        for name, edges in EDGES.items()
    ],
    "joint": {"n_bins": 0},
    "toys": {"n_toys": 0, "unbinned": "none"},
    "samples": {
        "nominal": {"in_memory": True, "events": N_EVENTS},
        "m": {
            "up": {"observables": {"x": "x + 1.0"}},
            "down": {"observables": {"x": "x - 1.0"}},
        },
        "jes": {
            "up": {"observables": {"x": "x * 1.004", "y": "y * 1.012"}},
            "down": {"observables": {"x": "x * 0.996", "y": "y * 0.988"}},
        },
        "data": {"in_memory": True},
    },
}


def simulation() -> Table:
    """Nominal events."""
    u, v = quantile_grid(SIDE, 0.5)
    return {"x": 170.0 + 10.0 * u, "y": 82.0 + 7.0 * v}


def tables() -> dict[str, Table]:
    """Events by role."""
    u, v = normals(9017, 2, N_EVENTS)
    w = 0.5 * u + np.sqrt(0.75) * v
    data = {"x": np.round(170.6 + 10.0 * u, 6), "y": np.round(82.5 + 7.0 * w, 6)}
    return {"nominal": simulation(), "data": data}


def model(n_events: float) -> Model:
    """Rates between the templates."""
    events = simulation()
    weights = np.full(SIDE**2, n_events / SIDE**2)

    def template(m: float, jes: float) -> NDArray[np.float64]:
        x, y = events["x"] * (1 + 0.004 * jes) + m, events["y"] * (1 + 0.012 * jes)
        return HISTOGRAMS.fill(HISTOGRAMS.bins(x, y), weights)

    return Model(
        nominal=template(0, 0),
        linear=0.5 * (template(1, 0) - template(-1, 0))[None],
        sides=np.array([[template(0, 1), template(0, -1)]]),
    )
