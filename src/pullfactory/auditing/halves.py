"""What is in samples besides their noise: numbers from halves of the events.

A number that is linear in the noise of one half of the events of all samples and in that of the
other has the right mean. The events are halved several times, so that all pairs of them come
apart; halves are balanced as in McCarthy 1969 (doi:10.2307/1402116): the bits of a group's number.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.tally import GROUPS
from pullfactory.auditing.templates import Expected

__all__ = ["Halves", "Measured", "halves"]

_SPLITS = GROUPS.bit_length() - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A number and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Halves:
    """Numbers from halves of the events.

    Attributes:
        value: Over all halves, shape (numbers,).
        roots: Of the covariance C of their noise, which is roots^T roots, shape (splits, numbers).
    """

    value: NDArray[np.float64]
    roots: NDArray[np.float64]

    @classmethod
    def of(cls, numbers: NDArray[np.float64]) -> "Halves":
        """From the numbers of each half.

        Args:
            numbers: Shape (splits, 2, numbers).
        """
        apart = (numbers[:, 0] - numbers[:, 1]) / 2
        return cls(value=numbers.mean(axis=(0, 1)), roots=apart / np.sqrt(len(apart)))

    def mean_square(self) -> Measured:
        """Mean square of the numbers, without that of their noise.

        With numbers x = b + n and C the covariance of their noise n over P of them, x^T x / P
        exceeds b^T b / P by tr C / P, and has the variance (4 b^T C b + 2 tr C^2) / P^2 for
        Gaussian noise.
        """
        products = self.roots @ self.roots.T / len(self.value)
        noise = 2.0 * np.sum(products**2)
        along = 4.0 * np.sum((self.roots @ self.value / len(self.value)) ** 2)  # of b and n
        return Measured(
            value=float(np.mean(self.value**2) - np.trace(products)),
            error=float(np.sqrt(max(along - noise, noise))),
        )


def halves(expected: Expected) -> Iterator[tuple[Expected, Expected]]:
    """Both halves of the samples, each counted twice, for every way to halve them.

    Only bins of single observables know it, and not how much their contents scatter.

    Args:
        expected: The samples.
    """
    number = np.arange(GROUPS, dtype=np.int64)
    for bit in range(_SPLITS):
        often = 2.0 * (number >> bit & 1).astype(np.float64)
        yield _drawn(expected, often), _drawn(expected, 2.0 - often)


def _drawn(expected: Expected, often: NDArray[np.float64]) -> Expected:
    """The samples with each group of events counted so often, shape (groups,)."""
    samples, factors = {}, {}
    for role, read in expected.events.samples.items():
        channels = tuple(often[:, None] * groups for groups in read.counts.channels)
        samples[role] = replace(read, counts=replace(read.counts, channels=channels))
    for role, by in expected.normalised.items():
        factors[role] = expected.factors[role]
        if by is not None:
            events = expected.read(by).counts.events
            factors[role] *= events.sum() / (often @ events)
    return replace(expected, events=replace(expected.events, samples=samples), factors=factors)
