"""What is in samples besides their noise: numbers from halves of the events.

A number that is linear in the noise of one half of the events of all samples and in that of the
other has the right mean. The events are halved several times, so that all pairs of them come
apart; halves are balanced as in McCarthy 1969 (doi:10.2307/1402116): the bits of a group's number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.tally import GROUPS


def half_signs() -> NDArray[np.float64]:
    """Which half each group of events is in, for every way to halve them: 1 or -1.

    Returns:
        Shape (splits, groups).
    """
    number = np.arange(GROUPS, dtype=np.int64)
    bits = np.arange(GROUPS.bit_length() - 1)[:, None]
    return 2.0 * (number >> bits & 1).astype(np.float64) - 1.0


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
