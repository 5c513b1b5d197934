"""Rates of each sample of a workspace at a point."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import printable
from pullfactory.sharing.point import Point
from pullfactory.workspaces._pyhf import PYHF_LOCK, pyhf
from pullfactory.workspaces.reading import build_model


def sample_rates(
    point: Point, workspace: pyhf.Workspace, measurement: str | None
) -> dict[str, NDArray[np.float64]]:
    """Rates of the bins by sample, as pyhf has them; they add up to those of the point.

    Args:
        point: Of the workspace.
        workspace: As it is.
        measurement: Its name; None for the first.

    Returns:
        Shape (bins,) each.
    """
    values = point.likelihood.model_values(point.theta)
    theta = [float(values[name]) for name in point.likelihood.model_names]
    with PYHF_LOCK:
        model = build_model(workspace, measurement=measurement)
        found: Any = model.main_model.expected_data(theta, return_by_sample=True)
        names = [printable(name) for name in model.config.samples]
    return dict(zip(names, np.asarray(found, dtype=np.float64), strict=True))
