"""Correlation of the estimates over toys, beside what the fits claim."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.inference.fits import FitBatch
from pullfactory.inference.status import FitStatus

__all__ = ["CorrelationSums"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorrelationSums:
    """Sums over toys with a complete covariance; sums of two sets of toys add.

    Attributes:
        toys: Number of such toys.
        first: Sum of estimate - truth, shape (parameters,).
        second: Sum of its outer product, shape (parameters, parameters).
        claimed: Sum of the fitted correlation matrices, shape (parameters, parameters).
    """

    toys: int
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    claimed: NDArray[np.float64]

    @classmethod
    def of(cls, fits: FitBatch, truth: NDArray[np.float64]) -> Self:
        """Sum over one batch.

        Args:
            fits: Fits of shape (toys, parameters).
            truth: True parameters, same shape.
        """
        use = np.isfinite(fits.error).all(axis=1) & (fits.status <= FitStatus.AT_BOUND)
        residual = (fits.estimate - truth)[use]
        error = fits.error[use]
        correlation = fits.covariance[use] / (error[:, :, None] * error[:, None, :])
        return cls(
            toys=int(use.sum()),
            first=residual.sum(axis=0),
            second=residual.T @ residual,
            claimed=correlation.sum(axis=0),
        )

    def __add__(self, other: Self) -> Self:
        """Sums of both sets of toys together."""
        mine = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return type(self)(**mine)

    @property
    def over_toys(self) -> NDArray[np.float64] | None:
        """Correlation of estimate - truth over the toys; None with fewer than two."""
        if self.toys < 2:
            return None
        mean = self.first / self.toys
        covariance = self.second / self.toys - np.outer(mean, mean)
        spread = np.sqrt(np.diag(covariance))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(covariance / np.outer(spread, spread))

    @property
    def fitted(self) -> NDArray[np.float64] | None:
        """Mean of the fitted correlation matrices; None without toys."""
        return self.claimed / self.toys if self.toys else None
