"""The points at which calibration samples exist."""

import itertools

import numpy as np
from numpy.typing import NDArray

from pullfactory.study import Study

__all__ = ["calibration_points", "is_resimulated", "label_point", "sample_index"]


def is_resimulated(study: Study) -> NDArray[np.bool_]:
    """Which parameters are varied by simulating anew, shape (parameters,).

    Free parameters and the POI are properties of the generated process: their points are
    independent samples. The others vary the reconstruction of the same events.
    """
    poi = np.array([name == study.poi for name in study.parameter_names])
    return np.asarray(~study.constrained | poi)


def calibration_points(study: Study) -> NDArray[np.int64]:
    """All points of the grid, shape (points, parameters), in calibration steps.

    The nominal point comes first. `full` is {-1, 0, +1}^n; `needed` is what the templates need:
    the nominal point, +-1 of each parameter, and the corners of each free parameter with every
    other one.
    """
    n = len(study.parameter)
    grid = [np.array(point) for point in itertools.product((-1, 0, 1), repeat=n)]
    if study.calibration.grid == "needed":
        free = ~study.constrained
        grid = [
            point
            for point in grid
            if np.count_nonzero(point) < 2
            or (np.count_nonzero(point) == 2 and np.any(free & (point != 0)))
        ]
    return np.array(sorted(grid, key=lambda point: (np.count_nonzero(point), *-point)))


def label_point(study: Study, point: NDArray[np.int64]) -> str:
    """Name of a point, such as "nominal", "JSF+1" or "m_t-1,JRF+1"."""
    parts = [
        f"{name}{step:+d}" for name, step in zip(study.parameter_names, point, strict=True) if step
    ]
    return ",".join(parts) or "nominal"


def sample_index(study: Study, points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the independent sample that each point is made of, shape (points,)."""
    digits = points[:, is_resimulated(study)] % 3
    return np.asarray(digits @ (3 ** np.arange(digits.shape[1])))
