"""The points at which calibration samples exist."""

import itertools

import numpy as np
from numpy.typing import NDArray

from pullfactory.random import Stream, generator
from pullfactory.settings.study import Study

__all__ = [
    "base_normals",
    "calibration_points",
    "is_resimulated",
    "label_point",
    "sample_index",
]

_STEP_BITS = 32  # of a step in thousandths


def is_resimulated(study: Study) -> NDArray[np.bool_]:
    """Which parameters are varied by simulating anew, shape (parameters,).

    Free parameters and the POI are properties of the generated process: their points are
    independent samples. The others vary the reconstruction of the same events.
    """
    poi = np.array([name == study.poi for name in study.parameter_names])
    return np.asarray(~study.constrained | poi)


def calibration_points(study: Study) -> NDArray[np.float64]:
    """All points of the grid, shape (points, parameters), in calibration steps.

    The nominal point comes first. `full` is {-1, 0, +1}^n; `needed` is what the templates need:
    the nominal point, +-1 of each parameter and, for cross terms, the corners of each free
    parameter with every other one. The further points of a parameter are on its axis.
    """
    n = len(study.parameter)
    grid = [np.array(point) for point in itertools.product((-1.0, 0.0, 1.0), repeat=n)]
    if study.calibration.grid == "needed":
        free = ~study.constrained
        corners = study.workspace.morphing == "additive_cross"
        grid = [
            point
            for point in grid
            if np.count_nonzero(point) < 2
            or (corners and np.count_nonzero(point) == 2 and np.any(free & (point != 0)))
        ]
    grid.sort(key=lambda point: (np.count_nonzero(point), *-point))
    further = [
        step * unit
        for unit, name in zip(np.eye(n), study.parameter_names, strict=True)
        for step in study.calibration_steps(name)
        if abs(step) not in (0.0, 1.0)
    ]
    return np.array([*grid, *further])


def label_point(study: Study, point: NDArray[np.float64]) -> str:
    """Name of a point, such as "nominal", "JSF+1" or "m_t-1,JRF+1"."""
    parts = [
        f"{name}{step:+g}" for name, step in zip(study.parameter_names, point, strict=True) if step
    ]
    return ",".join(parts) or "nominal"


def sample_index(study: Study, points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the independent sample that each point is made of, shape (points,).

    The number of a sample does not depend on which others there are.
    """
    steps = points[:, is_resimulated(study)]
    powers = 3 ** np.arange(steps.shape[1])
    on_grid = np.isin(steps, (-1.0, 0.0, 1.0))
    number = np.where(on_grid, steps, 0.0).astype(np.int64) % 3 @ powers
    thousandths = np.rint(1000 * steps).astype(np.int64)
    zigzag = np.where(thousandths < 0, -2 * thousandths - 1, 2 * thousandths)
    which = np.arange(1, 1 + steps.shape[1]) << _STEP_BITS
    further = np.where(on_grid, 0, which + zigzag).max(axis=1, initial=0)
    return np.asarray(np.where(on_grid.all(axis=1), number, 3 ** steps.shape[1] + further))


def base_normals(study: Study, sample: int, replica: int = 0) -> NDArray[np.float64]:
    """What one independent sample is made of: standard normals, shape (observables, events)."""
    rng = (
        generator(study.seed, Stream.REPLICAS, replica, sample)
        if replica
        else generator(study.seed, Stream.CALIBRATION, sample)
    )
    return rng.standard_normal((len(study.observable), study.calibration.events_per_point))
