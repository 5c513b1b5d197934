"""Errors whose correlation is not known: where they are right, and how wrong they can be.

For whoever has no paired events. A product of marginals claims the same error at every correlation,
so that its predictions for all of them say for which it is right, and bound how wrong it can be
(bounds of this kind: arXiv:2410.22333).
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.described import Rho, SizeOrNaN
from pullfactory.inference.judgement import TOLERATED
from pullfactory.inference.prediction import PredictedPull
from pullfactory.numbers import finite_or_none
from pullfactory.settings.study import Study

_POINTS = 41
_EDGE = 1e-3  # of the range, at its ends: the correlation matrix is nearly singular there


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyRho:
    """What is known of the error of one parameter, with one method, whatever the correlation is.

    Attributes:
        method: That takes the observables as independent.
        parameter: Name.
        right: Ranges of rho in which the claimed error is right within 5 %, each its low and high
            end.
        largest: Largest factor by which the actual error exceeds the claimed one.
        largest_at: The rho that has it.
        smallest: Smallest factor; below 1 the claimed error is too large.
        smallest_at: The rho that has it.
    """

    method: str
    parameter: str
    right: tuple[tuple[float, float], ...]
    largest: SizeOrNaN
    largest_at: Rho
    smallest: SizeOrNaN
    smallest_at: Rho

    def to_dict(self) -> dict[str, Any]:
        """One row, as in `prediction.json`; no NaN."""
        return finite_or_none(asdict(self) | {"right": [list(pair) for pair in self.right]})


def every_rho(study: Study) -> tuple[float, ...]:
    """A line through all rho for which the correlation matrix is positive definite.

    Args:
        study: Its matrix is scaled.
    """
    values = np.linalg.eigvalsh(study.correlation(1.0) - np.eye(len(study.observable)))
    low = -1.0 if values[-1] <= 1.0 else -1.0 / float(values[-1])
    high = 1.0 if values[0] >= -1.0 else -1.0 / float(values[0])
    if study.ensemble.dependence == "class_mixture" and len(study.observable) > 2:
        low = 0.0
    inside = 1.0 - _EDGE
    return tuple(np.linspace(inside * low, inside * high, _POINTS).tolist())


def judge_any_rho(rows: Iterable[PredictedPull]) -> tuple[AnyRho, ...]:
    """Where errors are right, and how wrong they can be.

    Args:
        rows: Predictions for `every_rho`; those whose width is not known are left out.
    """
    lines: dict[tuple[str, str], list[PredictedPull]] = {}
    for row in rows:
        if np.isfinite(row.predicted_width):
            lines.setdefault((row.method, row.parameter), []).append(row)
    return tuple(_judged(*key, line) for key, line in lines.items())


def _judged(method: str, parameter: str, line: Sequence[PredictedPull]) -> AnyRho:
    ordered = sorted(line, key=lambda row: row.rho)
    rho = np.array([row.rho for row in ordered])
    width = np.array([row.predicted_width for row in ordered])
    most, least = int(width.argmax()), int(width.argmin())
    return AnyRho(
        method=method,
        parameter=parameter,
        right=_ranges(rho, width),
        largest=float(width[most]),
        largest_at=float(rho[most]),
        smallest=float(width[least]),
        smallest_at=float(rho[least]),
    )


def _ranges(
    rho: NDArray[np.float64], width: NDArray[np.float64]
) -> tuple[tuple[float, float], ...]:
    """Where the width is near 1, on straight lines between points."""
    edges = {float(rho[0]), float(rho[-1])}
    for limit in (1.0 - TOLERATED, 1.0 + TOLERATED):
        off = width - limit
        for i in np.flatnonzero(off[:-1] * off[1:] < 0):
            part = off[i] / (off[i] - off[i + 1])
            edges.add(float(rho[i] + part * (rho[i + 1] - rho[i])))
    found: list[tuple[float, float]] = []
    ordered = sorted(edges)
    for low, high in itertools.pairwise(ordered):
        if abs(np.interp((low + high) / 2, rho, width) - 1.0) <= TOLERATED:
            joins = found and found[-1][1] == low
            found[-1:] = [(found[-1][0], high)] if joins else [*found[-1:], (low, high)]
    return tuple(found)
