"""The points at which calibration samples exist."""

import itertools
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pullfactory.settings.sections import Parameter, WorkspaceSettings

_STEP_BITS = 32  # of a step in thousandths


def calibration_points(
    parameters: Sequence[Parameter],
    workspace: WorkspaceSettings,
    grid: Literal["full", "needed"],
) -> NDArray[np.float64]:
    """All points of the grid, shape (points, parameters), in calibration steps.

    The nominal point comes first. The further points of a parameter are on its axis.

    Args:
        parameters: What is varied.
        workspace: What the templates are for.
        grid: `full` is {-1, 0, +1}^n; `needed` is what the templates need: the nominal point, +-1
            of each parameter and, for cross terms, the corners of each free parameter with every
            other one.
    """
    n, free = len(parameters), np.array([parameter.free for parameter in parameters])
    points = [np.array(point) for point in itertools.product((-1.0, 0.0, 1.0), repeat=n)]
    if grid == "needed":
        corners = workspace.morphing == "additive_cross"
        points = [
            point
            for point in points
            if np.count_nonzero(point) < 2
            or (corners and np.count_nonzero(point) == 2 and np.any(free & (point != 0)))
        ]
    points.sort(key=lambda point: (np.count_nonzero(point), *-point))
    units = workspace.units(parameter.name for parameter in parameters if parameter.free)
    further = [
        step * axis
        for axis, parameter in zip(np.eye(n), parameters, strict=True)
        for step in parameter.calibration_steps(units.get(parameter.name, 1.0))
        if abs(step) not in (0.0, 1.0)
    ]
    return np.array([*points, *further])


def label_point(names: Sequence[str], point: NDArray[np.float64]) -> str:
    """Name of a point, such as "nominal", "JSF+1" or "m_t-1,JRF+1".

    Args:
        names: Of the parameters.
        point: Shape (parameters,), in calibration steps.
    """
    parts = [f"{name}{step:+g}" for name, step in zip(names, point, strict=True) if step]
    return ",".join(parts) or "nominal"


def label_points(names: Sequence[str], points: NDArray[np.float64]) -> tuple[str, ...]:
    """Names of points; see `label_point`.

    Args:
        names: Of the parameters.
        points: Shape (points, parameters), in calibration steps.
    """
    return tuple(label_point(names, point) for point in points)


def sample_index(resimulated: NDArray[np.bool_], points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the independent sample that each point is made of, shape (points,).

    The number of a sample does not depend on which others there are.

    Args:
        resimulated: Which parameters are varied by simulating anew, shape (parameters,).
        points: Shape (points, parameters), in calibration steps.
    """
    steps = points[:, resimulated]
    powers = 3 ** np.arange(steps.shape[1])
    on_grid = np.isin(steps, (-1.0, 0.0, 1.0))
    number = np.where(on_grid, steps, 0.0).astype(np.int64) % 3 @ powers
    thousandths = np.rint(1000 * steps).astype(np.int64)
    zigzag = np.where(thousandths < 0, -2 * thousandths - 1, 2 * thousandths)
    which = np.arange(1, 1 + steps.shape[1]) << _STEP_BITS
    further = np.where(on_grid, 0, which + zigzag).max(axis=1, initial=0)
    return np.asarray(np.where(on_grid.all(axis=1), number, 3 ** steps.shape[1] + further))
