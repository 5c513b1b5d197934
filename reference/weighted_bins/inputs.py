"""The templates of the case row_bootstrap, and 2500 events of data with log-normal weights."""

import copy
from typing import Any

import numpy as np

from reference.independent.streams import normals
from reference.row_bootstrap.inputs import CONFIG as UNWEIGHTED
from reference.row_bootstrap.inputs import Table, simulation

N_ROWS = 2500

CONFIG: dict[str, Any] = copy.deepcopy(UNWEIGHTED)
CONFIG["samples"]["data"]["weight"] = "w"


def tables() -> dict[str, Table]:
    """Events by role; the weights of the data have a logarithm of width 0.9."""
    u, v, s = normals(9018, 3, N_ROWS)
    w = -0.3 * u + np.sqrt(0.91) * v
    data = {
        "x": np.round(169.5 + 10.0 * u, 6),
        "y": np.round(82.3 + 7.0 * w, 6),
        "w": np.round(np.exp(0.9 * s), 6),
    }
    return {"nominal": simulation(), "data": data}


CONFIG["samples"]["nominal"]["events"] = float(np.round(tables()["data"]["w"].sum(), 3))
