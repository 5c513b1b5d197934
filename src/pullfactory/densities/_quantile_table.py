"""Quantiles tabulated against a standard normal variable, for families without a closed form."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from ._family import FloatArray

CELL = 1.0 / 1024.0
"""Width in z that a cell should have; a cubic then errs by the fourth derivative times 2.4e-15."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuantileTable:
    """A cubic u(z) in each of equal cells of z, with the true values and slopes at their edges.

    It errs by at most step^4 / 384 times the fourth derivative of u(z).

    Attributes:
        start: Where the first cell begins.
        step: Width of a cell.
        cubics: Coefficients of x^0 to x^3, 0 <= x <= 1 within a cell, shape (4, cells).
    """

    start: float
    step: float
    cubics: FloatArray

    @classmethod
    def through(cls, u: FloatArray, rise: FloatArray, *, start: float, step: float) -> Self:
        """The table of a function.

        Args:
            u: Its values at the edges of the cells, shape (cells + 1,).
            rise: Its derivative there times the width of a cell, shape (cells + 1,).
            start: The first edge.
            step: Width of a cell.
        """
        whole, left, right = np.diff(u), rise[:-1], rise[1:]
        bend, twist = 3.0 * whole - 2.0 * left - right, left + right - 2.0 * whole
        return cls(start=start, step=step, cubics=np.stack([u[:-1], left, bend, twist]))

    @property
    def end(self) -> float:
        """Where the last cell ends."""
        return self.start + self.step * len(self.cubics[0])

    def __call__(self, z: FloatArray) -> FloatArray:
        """u, the shape of `z`; that of the nearest end where z is outside."""
        position = (np.clip(z, self.start, self.end) - self.start) / self.step
        cell = np.minimum(position.astype(np.intp), len(self.cubics[0]) - 1)
        x = position - cell
        c0, c1, c2, c3 = (column[cell] for column in self.cubics)
        return np.asarray(((c3 * x + c2) * x + c1) * x + c0)
