"""What is refused before anything is fitted."""

import itertools

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.reading import ReadEvents
from pullfactory.errors import EventsError
from pullfactory.settings.audit import AuditConfig

_ROUNDING = 1e-5  # of the range of an observable, which float32 keeps
_FEWEST = 10  # events that have both


def refuse_same(config: AuditConfig, read: ReadEvents) -> None:
    """Refuse two observables of which one follows from the other event by event.

    Equal numbers, and numbers in two units or with another origin, are one measurement: a fit of
    both claims an error that no data can give. Nothing else is refused, whatever the correlation.

    Args:
        config: Names the observables.
        read: The events, of which those in memory are looked at.

    Raises:
        EventsError: If there are such observables.
    """
    nominal = [process.nominal.role for process in config.sample_set.processes]
    groups = [nominal, *([["data"]] if config.sample_set.data else [])]
    names = config.observable_names
    for roles in groups:
        values = np.concatenate([read.samples[role].rows.values for role in roles])
        for i, j in itertools.combinations(range(len(names)), 2):
            pair = values[:, [i, j]]
            pair = pair[np.isfinite(pair).all(axis=1)]
            line = _line(pair)
            if line is None:
                continue
            what = (
                f"observables {names[i]!r} and {names[j]!r} are the same number"
                if np.allclose(pair[:, 0], pair[:, 1], rtol=0, atol=_ROUNDING * np.ptp(pair[:, 0]))
                else f"observable {names[j]!r} is {line[1]:.6g} * {names[i]} + {line[0]:.6g}"
            )
            raise EventsError(
                f"samples.{roles[0]}: {what} in all {len(pair)} events that have both, which "
                f"counts one measurement twice; leave one out, or mend observable.{names[i]} or "
                f"observable.{names[j]}"
            )


def _line(pair: NDArray[np.float64]) -> tuple[float, float] | None:
    """Offset and slope of the second over the first, if all events lie on one line.

    Args:
        pair: Shape (events, 2), finite.
    """
    if len(pair) < _FEWEST:
        return None
    low, high = pair[pair[:, 0].argmin()], pair[pair[:, 0].argmax()]
    reach = np.ptp(pair, axis=0)
    if not (reach > 0).all():
        return None
    slope = float((high[1] - low[1]) / (high[0] - low[0]))
    away = pair[:, 1] - low[1] - slope * (pair[:, 0] - low[0])
    if np.abs(away).max() > _ROUNDING * reach[1]:
        return None
    offset = float(low[1] - slope * low[0])
    return (offset if abs(offset) > _ROUNDING * reach[1] else 0.0), slope
