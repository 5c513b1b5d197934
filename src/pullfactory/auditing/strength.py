"""How strong the response of a process to a parameter is, in the metric of the fit.

With a and b what the samples up and down add to the bins of all observables, and the products
<a, b> = sum a b / rate that a fit takes, half the difference d = (a - b) / 2 is what the fit knows
the parameter by, and the curvature c = (a + b) / 2 what it does not: |c|^2 - |d|^2 = <a, b>. Noise
of the samples is in all of these products. Groups of events are independent: with A_u what group u
contributes to a, centred, a product <a, b> is too large by sum_u <A_u, B_u> on average, and has the
variance tr(C_aa C_bb) + tr(C_ab C_ab), the sum over different groups of <A_u, B_v>^2 +
<A_u, B_v> <A_v, B_u>, besides that of what is linear in the noise, sum_u (<A_u, b> + <B_u, a>)^2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected, ExpectedPoint
from pullfactory.auditing.tally import GROUPS
from pullfactory.inference.judgement import DISCERNED, LOPSIDED, SAME
from pullfactory.settings.samples import ProcessSamples


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """A product of responses without the noise of the samples.

    Attributes:
        value: The product.
        noise: Its standard error if there is no response.
        error: Its standard error.
    """

    value: float
    noise: float
    error: float

    @classmethod
    def of(cls, first: NDArray[np.float64], second: NDArray[np.float64]) -> "Strength":
        """The product of two sums over groups of events.

        Args:
            first: What each group contributes, over the roots of the rates, shape (groups, bins).
            second: The same of the other.
        """
        a, b = first.sum(axis=0), second.sum(axis=0)
        one, other = first - first.mean(axis=0), second - second.mean(axis=0)
        few = GROUPS / (GROUPS - 1)
        different = ~np.eye(GROUPS, dtype=bool)
        products = one @ other.T
        scatter = few**2 * float(np.sum((products * (products + products.T))[different]))
        noise = max(scatter, 0.0)
        slopes = few * float(np.sum((one @ b + other @ a) ** 2)) - 2 * noise  # a and b have noise
        return cls(
            value=float(a @ b - few * np.sum(one * other)),
            noise=noise**0.5,
            error=(noise + max(slopes, 0.0)) ** 0.5,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Effect:
    """What a parameter does to one process.

    Attributes:
        process: The process.
        parameter: Name of the parameter.
        up: The process one step up.
        down: One step down.
        idle: Roles of those that are the nominal sample in every bin.
        alike: Whether both are the same in every bin.
        both: Product of the responses up and down: positive where the curvature is the larger.
        half: Square of half their difference.
        sides: Squares of the responses up and down.
    """

    process: ProcessSamples
    parameter: str
    up: ExpectedPoint
    down: ExpectedPoint
    idle: tuple[str, ...]
    alike: bool
    both: Strength
    half: Strength
    sides: tuple[Strength, Strength]

    @property
    def mirrored(self) -> bool:
        """Whether one side is the mirror image of the other."""
        return bool(self.up.sample.mirrored or self.down.sample.mirrored)

    @property
    def weak(self) -> bool:
        """Whether it is compatible with no effect."""
        return all(one.value <= DISCERNED * one.noise for one in (self.half, *self.sides))

    @property
    def curved(self) -> bool:
        """Whether there is more curvature than slope for sure."""
        return self.both.value > DISCERNED * self.both.error

    @property
    def lopsided(self) -> tuple[ExpectedPoint, float] | None:
        """The side that is much the stronger one for sure, and how many times."""
        for (one, other), point in zip(
            (self.sides, self.sides[::-1]), (self.up, self.down), strict=True
        ):
            more = one.value - LOPSIDED * other.value
            if more > DISCERNED * float(np.hypot(one.error, LOPSIDED * other.error)):
                least = max(other.value, other.noise, np.finfo(float).tiny)
                return point, float(np.sqrt(one.value / least))
        return None


def measure_effects(expected: Expected) -> tuple[Effect, ...]:
    """What every parameter does to every process that it varies.

    Args:
        expected: The samples.
    """
    rates = np.sum([_bins(point)[1:] for point in expected.at({})], axis=0)
    weight = 1.0 / np.sqrt(np.where(rates > 0, rates, np.inf))
    found = []
    for process in expected.processes:
        nominal = expected.nominal_point(process)
        for name in process.parameters:
            up, down = (expected.point(process, {name: side}) for side in (1, -1))
            if up is not None and down is not None:
                found.append(_effect(process, name, (nominal, up, down), weight))
    return tuple(found)


def same_templates(one: ExpectedPoint, other: ExpectedPoint) -> bool:
    """Whether two points have the same number of events in every bin, but for rounding.

    Args:
        one: A point of a process.
        other: Another one.
    """
    first, second = _bins(one), _bins(other)
    return bool(np.all(np.abs(first - second) <= SAME * np.maximum(np.abs(first), np.abs(second))))


def _effect(
    process: ProcessSamples,
    name: str,
    points: tuple[ExpectedPoint, ExpectedPoint, ExpectedPoint],
    weight: NDArray[np.float64],
) -> Effect:
    nominal, up, down = points
    a, b = (weight * _changes(point, nominal) for point in (up, down))
    return Effect(
        process=process,
        parameter=name,
        up=up,
        down=down,
        idle=tuple(p.sample.role for p in (up, down) if same_templates(p, nominal)),
        alike=same_templates(up, down),
        both=Strength.of(a, b),
        half=Strength.of((a - b) / 2, (a - b) / 2),
        sides=(Strength.of(a, a), Strength.of(b, b)),
    )


def _changes(point: ExpectedPoint, nominal: ExpectedPoint) -> NDArray[np.float64]:
    """What each group of events contributes to the change of the bins, shape (groups, bins)."""
    influence = _influences(point) - _influences(nominal)
    change = (_bins(point) - _bins(nominal))[1:]
    return np.asarray(influence + (change - influence.sum(axis=0)) / GROUPS)


def _bins(point: ExpectedPoint) -> NDArray[np.float64]:
    """Expected events, and those in the bins of all observables, shape (1 + bins,)."""
    observables = range(len(point.terms[0][1].read.counts.channels))
    return np.concatenate([[point.yields], *(point.template(o) for o in observables)])


def _influences(point: ExpectedPoint) -> NDArray[np.float64]:
    """What one more copy of each group of events adds to the bins, shape (groups, bins)."""

    def of(o: int) -> NDArray[np.float64]:
        return point.influence(lambda counts: counts.channels[o])

    observables = range(len(point.terms[0][1].read.counts.channels))
    return np.concatenate([of(o) for o in observables], axis=1)
