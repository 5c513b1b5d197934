"""700 events with one to four rows each, which share what happened in the event."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.independent.audits import Histograms, Model, quantile_grid
from reference.independent.streams import normals, uniforms

Table = dict[str, NDArray[Any]]
N_EVENTS, SIDE = 700, 200
EDGES = {
    "x": [156.0, 162.0, 166.0, 170.0, 174.0, 178.0, 184.0],
    "y": [73.0, 77.0, 80.0, 83.0, 87.0],
}
HISTOGRAMS = Histograms(edges=tuple(np.array(each) for each in EDGES.values()))


def tables() -> dict[str, Table]:
    """Events by role."""
    u, v = quantile_grid(SIDE, 0.5)
    rows = 1 + np.floor(4 * uniforms(9020, N_EVENTS)).astype(np.int64)
    event = np.repeat(np.arange(N_EVENTS), rows)
    shared = normals(9021, 2, N_EVENTS)[:, event]
    p, q = np.sqrt(0.7) * shared + np.sqrt(0.3) * normals(9022, 2, len(event))
    data = {
        "x": np.round(170.3 + 9.0 * p, 6),
        "y": np.round(80.2 + 6.0 * (0.5 * p + np.sqrt(0.75) * q), 6),
        "event": event,
    }
    nominal = {"x": 170.0 + 9.0 * u, "y": 80.0 + 6.0 * v, "event": np.arange(SIDE**2)}
    return {"nominal": nominal, "data": data}


N_ROWS = len(tables()["data"]["event"])

CONFIG: dict[str, Any] = {
    "name": "clustered",
    "seed": 5,
    "poi": "m",
    "workspace": {"smooth": "none"},
    "replicas": 2000,
    "identifier": ["event"],
    "repeated": "cluster",
    "parameter": [{"name": "m", "constraint": "free"}],
    "observable": [
        {"name": name, "density": "normal", "edges": [0.0, *edges, 500.0], "open_ends": True}
        for name, edges in EDGES.items()
    ],
    "joint": {"n_bins": 0},
    "toys": {"n_toys": 0, "unbinned": "declared"},
    "samples": {
        "nominal": {"in_memory": True, "events": float(N_ROWS)},
        "m": {
            "up": {"observables": {"x": "x + 1.0", "y": "y + 0.4"}},
            "down": {"observables": {"x": "x - 1.0", "y": "y - 0.4"}},
        },
        "data": {"in_memory": True},
    },
}


def model() -> Model:
    """Rates between the templates."""
    events = tables()["nominal"]
    weights = np.full(SIDE**2, N_ROWS / SIDE**2)

    def template(side: float) -> NDArray[np.float64]:
        bins = HISTOGRAMS.bins(events["x"] + side, events["y"] + 0.4 * side)
        return HISTOGRAMS.fill(bins, weights)

    return Model(
        nominal=template(0.0),
        linear=0.5 * (template(1.0) - template(-1.0))[None],
        sides=np.empty((0, 2, HISTOGRAMS.size)),
    )
