"""Toys at the fitted point of a workspace: whether it fits its observations."""

import numpy as np

from pullfactory.errors import EventsError
from pullfactory.fitting import FitBatch, fit_toys
from pullfactory.inference.goodness import (
    Compared,
    Distances,
    Goodness,
    is_fitted,
    judge_fit,
    measure_distances,
)
from pullfactory.progress import Progress
from pullfactory.random import Stream, generator
from pullfactory.sharing import Answer, Point, throw_paired

_AT_ONCE = 256  # toys


def workspace_goodness(
    point: Point, fit: FitBatch, answer: Answer, toys: int, seed: int, progress: Progress
) -> Goodness:
    """Throw and fit toys of whole events at the fitted point, and compare the observations.

    Args:
        point: The fitted one.
        fit: Of the observations.
        answer: Of the events that share bins.
        toys: How many; 0 for none.
        seed: Of the toys.
        progress: Shows the stage `toys`.
    """
    likelihood = point.likelihood
    compared = Compared(
        likelihood=likelihood,
        names=tuple(name for name, _ in likelihood.channels),
        measured=np.ones(len(likelihood.aux_index), dtype=bool),
        counted=False,
    )
    data = measure_distances(compared, likelihood.observed[None], fit)
    if not (toys and is_fitted(fit.status[0])):
        return judge_fit(compared, fit, data, None, "n_toys = 0")
    parts = []
    try:
        with progress("toys", toys) as advance:
            for block, first in enumerate(range(0, toys, _AT_ONCE)):
                size = min(_AT_ONCE, toys - first)
                rng = generator(seed, Stream.SHARING, block)
                thrown = throw_paired(point, answer, size, rng)
                parts.append(measure_distances(compared, thrown, fit_toys(likelihood, thrown)))
                advance(size)
    except EventsError as error:
        return judge_fit(compared, fit, data, None, str(error))
    return judge_fit(compared, fit, data, Distances.join(parts, toys), None)
