"""Histograms of a workspace as it is."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import printable

Histogram = NDArray[np.float64]
Histograms = dict[str, Histogram]
"""Histograms by channel."""

DATA = "data"
"""What the observations are called among samples."""


def templates_of(workspace: Mapping[str, Any]) -> dict[str, Histograms]:
    """Histograms of a workspace by sample, data among them.

    Args:
        workspace: Its content.
    """
    found: dict[str, Histograms] = {}
    for channel in workspace["channels"]:
        for sample in channel["samples"]:
            own = found.setdefault(printable(sample["name"]), {})
            own[printable(channel["name"])] = np.array(sample["data"], dtype=np.float64)
    found[DATA] = {
        printable(entry["name"]): np.array(entry["data"], dtype=np.float64)
        for entry in workspace["observations"]
    }
    return found
