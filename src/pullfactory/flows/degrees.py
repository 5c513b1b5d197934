"""The degrees of a map, chosen by the likelihood of events that it has not seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pullfactory.errors import CalibrationError
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.sums import FlowSample, log_densities
from pullfactory.flows.training import train_map

_HELD_OUT = 5  # one event in so many
_MOST = 300  # coefficients of a map: what they cost grows as the square


@dataclass(frozen=True, slots=True, kw_only=True)
class DegreeRow:
    """One map that was tried, of one observable.

    Attributes:
        observable: Position in the order of the map.
        shift_degree: Of the polynomials of a.
        shape_degree: Of those of b_m.
        size: Number of coefficients.
        gain: Held-out log likelihood per event above that of the first one tried.
        gain_error: Its standard error, from the paired differences.
        chosen: Whether it is the one.
    """

    observable: int
    shift_degree: int
    shape_degree: int
    size: int
    gain: float
    gain_error: float
    chosen: bool


def choose_map(
    before: int, limit: int, samples: Sequence[FlowSample]
) -> tuple[Conditional, tuple[DegreeRow, ...]]:
    """The map of an observable with the highest likelihood of held-out events.

    The last fifth of the events of each point is held out. Maps that the others do not determine
    are passed over.

    Args:
        before: Number of observables before it.
        limit: Largest degree.
        samples: One point of each independent sample.

    Returns:
        The map, and all that were tried.

    Raises:
        CalibrationError: If the events determine none.
    """
    first, *further = _candidates(before, limit)
    if not further:
        return first, ()
    cuts = [sample.events - sample.events // _HELD_OUT for sample in samples]
    seen = [one.part(slice(0, cut)) for one, cut in zip(samples, cuts, strict=True)]
    held = [one.part(slice(cut, None)) for one, cut in zip(samples, cuts, strict=True)]
    weights = [np.ones(one.events) if one.weights is None else one.weights for one in held]
    weight = np.concatenate(weights)
    unchanging = (False,) * len(samples[0].theta)
    tried, values = [], []
    for conditional in (first, *further):
        try:
            rows = train_map(conditional, seen, unchanging).coefficients[0]
        except CalibrationError:
            if conditional is first:
                raise
            continue
        tried.append(conditional)
        values.append(np.concatenate([log_densities(conditional, one, rows) for one in held]))
    gains = [weight * (value - values[0]) for value in values]
    means = [float(gain.sum() / weight.sum()) for gain in gains]
    best = int(np.argmax(means))
    return tried[best], tuple(
        DegreeRow(
            observable=before,
            shift_degree=conditional.shift_degree,
            shape_degree=conditional.shape_degree,
            size=conditional.size,
            gain=means[i],
            gain_error=float(
                np.sqrt(np.sum(np.square(gains[i] - weight * means[i]))) / weight.sum()
            ),
            chosen=i == best,
        )
        for i, conditional in enumerate(tried)
    )


def _candidates(before: int, limit: int) -> Iterator[Conditional]:
    """Maps of odd degrees up to the limit, and the limit; the b_m have one degree less."""
    if before == 0:
        yield Conditional(before=0, shift_degree=0, shape_degree=0)
        return
    for degree in sorted({*range(1, limit + 1, 2), limit}):
        found = Conditional(before=before, shift_degree=degree, shape_degree=degree - 1)
        if degree == 1 or found.size <= _MOST:
            yield found
