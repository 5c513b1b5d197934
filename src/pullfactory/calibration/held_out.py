"""Events of calibration points that no calibration has seen, with all observables together."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration.grid import sample_index
from pullfactory.random import Stream, generator
from pullfactory.settings.study import Study
from pullfactory.simulation.model import EventModel

_ALL_PAIRS = 4  # parameters of which every pair is looked at


class HeldOut(NamedTuple):
    """Events of one calibration point.

    Attributes:
        theta: Where, shape (parameters,), in the parameters' units.
        events: Shape (events, observables), in the observables' units.
        weights: Of the events, shape (events,); None for ones.
        sample: Number of the independent sample. Points of one number have the same events, in the
            same order.
    """

    theta: NDArray[np.float64]
    events: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None
    sample: int = 0


def axis_points(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nominal point and those that differ from it in one parameter.

    Args:
        points: Of a calibration, shape (points, parameters), in calibration steps.
    """
    return np.asarray(points[np.count_nonzero(points, axis=1) < 2])


def corner_points(free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Points where two parameters are at +-1: all pairs, or, of many, those with a free one.

    Args:
        free: Which parameters are not constrained, shape (parameters,).

    Returns:
        Shape (points, parameters), in calibration steps.
    """
    n = len(free)
    pairs = [
        pair
        for pair in itertools.combinations(range(n), 2)
        if n <= _ALL_PAIRS or free[list(pair)].any()
    ]
    found = np.zeros((4 * len(pairs), n))
    for rows, pair in zip(np.split(found, max(len(pairs), 1)), pairs, strict=False):
        rows[:, pair] = list(itertools.product((1.0, -1.0), repeat=2))
    return found


def held_out_events(
    study: Study, rho: float, points: NDArray[np.float64], events: int
) -> Iterator[HeldOut]:
    """Draw events of some calibration points.

    As in calibration samples, a parameter that varies the reconstruction varies the same events.

    Args:
        study: Its true response and dependence are used to simulate.
        rho: Factor of the off-diagonal part of the correlation matrix.
        points: Where, shape (points, parameters), in calibration steps.
        events: Of each point.

    Yields:
        One sample for each point, in their order if those of one sample follow each other.
    """
    model, cholesky = EventModel.of(study), study.cholesky(rho)
    samples = sample_index(study.resimulated, points)
    for sample in dict.fromkeys(samples.tolist()):
        normals = generator(study.seed, Stream.HELD_OUT, sample, 0).standard_normal(
            (len(model.observables), events)
        )
        hidden = generator(study.seed, Stream.HELD_OUT, sample, 1)
        standard = model.mixer(normals, hidden)(cholesky)
        for point in points[samples == sample]:
            placed = np.stack(model.place(point, standard), axis=-1)
            yield HeldOut(theta=point, events=placed, sample=int(sample))
