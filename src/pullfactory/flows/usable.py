"""Which calibration events a flow can be learnt from."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import CalibrationError
from pullfactory.flows.sums import FlowSample
from pullfactory.numbers import plain

Array = NDArray[np.float64]

_FEWEST = 100  # effective events of a point
_SAME = 1e-7  # eigenvalue of the correlation matrix of observables that determine each other
_FIXED = 1e-9  # normal scores: what rounding leaves of no variation
_LOOKED_AT = 2**17  # events whose correlation is taken
_PART = 0.1  # of an observable in such a combination


def refuse_unusable(sample: FlowSample, observables: Sequence[str], order: Sequence[int]) -> None:
    """Refuse events that no flow can be learnt from.

    Args:
        sample: Of one point.
        observables: Names, in the study's order.
        order: Positions of the observables in the order of the map.

    Raises:
        CalibrationError: If weights are negative or no numbers, observables are missing, events are
            too few, or one observable is the same in all, or known from the others.
    """
    names = [observables[o] for o in order]
    where = f"at theta = ({', '.join(map(plain, sample.theta))})"
    weights = np.ones(sample.events) if sample.weights is None else sample.weights
    if negative := int(np.sum(weights < 0.0)):
        raise CalibrationError(
            f"{negative} of {sample.events} calibration events {where} have negative weights: the "
            "likelihood of a flow may have no maximum with them; remove them, or use a method "
            "other than flow"
        )
    if lost := int(np.sum(~np.isfinite(weights))):
        raise CalibrationError(
            f"{lost} of {sample.events} calibration events {where} have weights that are no finite "
            "numbers; remove them"
        )
    if lost := int(np.sum(~np.isfinite(sample.scores).all(axis=0))):
        raise CalibrationError(
            f"{lost} of {sample.events} calibration events {where} lack an observable, or have one "
            "where its density is 0; a flow wants all of an event: leave these out"
        )
    counted = (
        "" if sample.weights is None else f", which count as {plain(round(sample.effective, 1))},"
    )
    if sample.effective < _FEWEST:
        raise CalibrationError(
            f"{sample.events} calibration events {where}{counted} are too few to learn a flow "
            f"from; give at least {_FEWEST}, better more than a data set has"
        )
    _refuse_same(sample.scores[:, :_LOOKED_AT], names, where)


def _refuse_same(scores: Array, names: Sequence[str], where: str) -> None:
    """Refuse observables that do not vary, or are linear in others."""
    for name, row in zip(names, scores, strict=True):
        if np.ptp(row) <= _FIXED:
            raise CalibrationError(
                f"observable {name!r} is the same in all calibration events {where}; leave it out"
            )
    values, vectors = np.linalg.eigh(np.atleast_2d(np.corrcoef(scores)))
    if values[0] < _SAME:
        told = [name for name, part in zip(names, vectors[:, 0], strict=True) if abs(part) > _PART]
        raise CalibrationError(
            f"each of the observables {', '.join(told)} is known from the others in the "
            f"calibration events {where}; leave one of them out"
        )
