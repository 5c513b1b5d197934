"""The response of every sample: rate, mean and width of each observable beside nominal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected, ExpectedPoint, scatter_of
from pullfactory.auditing.strength import Effect
from pullfactory.auditing.tally import Counts
from pullfactory.described import NumberOrNaN, SizeOrNaN
from pullfactory.inference.judgement import DISCERNED, SURE
from pullfactory.numbers import finite_or_none

_ROUNDING = 1e-9  # of a number, which differences of sums may be
Quantity = Literal["rate", "mean", "width"]
Mark = Literal["", "no effect", "one direction", "curved", "weak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRow:
    """One number of one sample beside the nominal one.

    Attributes:
        role: Of the sample; `expected` for all processes together at the nominal point.
        process: Its process; empty for `expected` and `data`.
        parameter: What it varies; empty where it varies nothing.
        step: 1 up, -1 down, 0 where it varies nothing.
        observable: Name; empty for the rate.
        quantity: `rate`: number of events; `mean` and `width`, the standard deviation: of the
            values in the bins, in the unit of the observable.
        nominal: The number of the nominal sample; for `data` that of `expected`.
        value: The number of this sample.
        difference: By how much it is more than the nominal one; of a rate, relative to it.
        error: Standard error of the difference, from groups of events: what both samples have in
            common cancels.
        direction: `up` or `down` where the difference is more than three errors.
        mark: Of the whole sample: `no effect`: the same in every bin; `one direction`: up and down
            alike in everything; `curved`: more curvature than slope; `weak`: no effect that can be
            told from none; empty otherwise.
    """

    role: str
    process: str = ""
    parameter: str = ""
    step: int = 0
    observable: str
    quantity: Quantity
    nominal: NumberOrNaN
    value: NumberOrNaN
    difference: NumberOrNaN
    error: SizeOrNaN
    direction: str = ""
    mark: Mark = ""

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`; no NaN."""
        return finite_or_none(asdict(self))


class _Number(NamedTuple):
    """A number and what groups of events contribute to it.

    Attributes:
        value: The number.
        influence: What one more copy of each group adds, to first order, shape (groups,).
    """

    value: float
    influence: NDArray[np.float64]


_Numbers = dict[tuple[str, Quantity], _Number]


def measure_response(expected: Expected, effects: Sequence[Effect]) -> tuple[ResponseRow, ...]:
    """Rate, means and widths of every sample beside nominal.

    Args:
        expected: The samples.
        effects: Of `measure_effects`.

    Returns:
        What is expected of all processes together and observed, then sample by sample.
    """
    whole = _numbers(expected, expected.at({}))
    found = list(_rows(partial(ResponseRow, role="expected"), whole, whole))
    if (data := expected.data) is not None:
        found += _rows(partial(ResponseRow, role="data"), _numbers(expected, [data]), whole)
    for process in expected.processes:
        nominal = _numbers(expected, [expected.nominal_point(process)])
        row = partial(ResponseRow, process=process.name)
        found += _rows(partial(row, role=process.nominal.role), nominal, nominal)
        for effect in effects:
            if effect.process is process:
                found += _varied(row, expected, effect, nominal)
    return tuple(found)


def _varied(
    row: Callable[..., ResponseRow], expected: Expected, effect: Effect, nominal: _Numbers
) -> Iterator[ResponseRow]:
    """The rows of the samples up and down in a parameter."""
    sides = [
        [
            *_rows(
                partial(row, role=point.sample.role, parameter=effect.parameter, step=step),
                _numbers(expected, [point]),
                nominal,
            )
        ]
        for step, point in ((1, effect.up), (-1, effect.down))
    ]
    alike = effect.alike or (effect.curved and _in_one_direction(*sides))
    for point, rows in zip((effect.up, effect.down), sides, strict=True):
        mark: Mark = ""
        if point.sample.role in effect.idle:
            mark = "no effect"
        elif alike:
            mark = "one direction"
        elif effect.weak:
            mark = "weak"
        elif effect.curved:
            mark = "curved"
        yield from (replace(one, mark=mark) for one in rows)


def _in_one_direction(up: Sequence[ResponseRow], down: Sequence[ResponseRow]) -> bool:
    """Whether what changes for sure on either side changes alike on both."""
    pairs = [pair for pair in zip(up, down, strict=True) if pair[0].direction or pair[1].direction]
    opposite = [
        one.difference * other.difference < 0
        and min(abs(row.difference) - SURE * row.error for row in (one, other)) > 0
        for one, other in pairs
    ]
    both = any(one.direction and other.direction for one, other in pairs)
    return both and not any(opposite)


def _rows(
    row: Callable[..., ResponseRow], own: _Numbers, nominal: _Numbers
) -> Iterator[ResponseRow]:
    for (observable, quantity), (value, influence) in own.items():
        base, still = nominal[observable, quantity]
        difference, change = value - base, influence - still
        if quantity == "rate":
            difference, change = difference / base, (influence - value / base * still) / base
        error = float(np.sqrt(scatter_of(change)))
        size = 1.0 if quantity == "rate" else np.hypot(base, nominal[observable, "width"].value)
        if abs(difference) <= _ROUNDING * size:  # is rounding
            difference = 0.0
        if error <= _ROUNDING * size:
            error = 0.0
        sure = abs(difference) > DISCERNED * error
        yield row(
            observable=observable,
            quantity=quantity,
            nominal=base,
            value=value,
            difference=difference,
            error=error,
            direction=("up" if difference > 0 else "down") if sure else "",
        )


def _numbers(expected: Expected, points: Sequence[ExpectedPoint]) -> _Numbers:
    """Rate, means and widths of some processes together."""

    def summed(counted: Callable[[Counts], NDArray[np.float64]]) -> _Number:
        return _Number(
            float(sum(point.total(counted) for point in points)),
            np.sum([point.influence(counted) for point in points], axis=0),
        )

    found: _Numbers = {("", "rate"): summed(lambda counts: counts.events)}
    axes = zip(expected.config.observable_names, expected.events.axes, strict=True)
    for o, (name, axis) in enumerate(axes):
        events, first, second = (summed(partial(_power, o, power)) for power in range(3))
        mean, square = _ratio(first, events), _ratio(second, events)
        variance = square.value - mean.value**2
        width = float(np.sqrt(variance)) if variance > 0 else np.nan
        with np.errstate(invalid="ignore"):
            change = (square.influence - 2 * mean.value * mean.influence) / (2 * width)
        found[name, "mean"] = _Number(mean.value + axis.centre, mean.influence)
        found[name, "width"] = _Number(width, change)
    return found


def _power(o: int, power: int, counts: Counts) -> NDArray[np.float64]:
    """Sums of a power of one observable over groups of events, shape (groups,)."""
    if power == 0:
        return np.asarray(counts.channels[o].sum(axis=1))
    return counts.moments[:, o, power - 1]


def _ratio(one: _Number, other: _Number) -> _Number:
    value = one.value / other.value
    return _Number(value, (one.influence - value * other.influence) / other.value)
