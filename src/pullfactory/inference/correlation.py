"""Correlation of the estimates over toys, beside what the fits claim."""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.fitting.fits import FitBatch
from pullfactory.fitting.status import FitStatus


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Correlation:
    """How the estimates of toys go together.

    Attributes:
        toys: Number of toys whose fit ended well, parameters at their bounds included.
        over_toys: Correlation of estimate - truth over the toys, shape (parameters, parameters);
            None with fewer than two.
        fitted: Mean of the fitted correlations, NaN for pairs without any, same shape; None
            without toys.
    """

    toys: int
    over_toys: NDArray[np.float64] | None
    fitted: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CorrelationSums:
    """Sums over toys; sums of two sets of toys add.

    Attributes:
        toys: Number of toys whose fit ended well, parameters at their bounds included.
        first: Sum of estimate - truth, shape (parameters,).
        second: Sum of its outer product, shape (parameters, parameters).
        counted: Number of toys with a fitted correlation of each pair, same shape: parameters
            at a bound have none.
        claimed: Sum of these correlations, same shape.
    """

    toys: int
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    counted: NDArray[np.int64]
    claimed: NDArray[np.float64]

    @classmethod
    def of(cls, fits: FitBatch, truth: NDArray[np.float64]) -> Self:
        """Sum over one batch.

        Args:
            fits: Fits of shape (toys, parameters).
            truth: True parameters, same shape.
        """
        use = fits.status <= FitStatus.AT_BOUND
        residual = (fits.estimate - truth)[use]
        error = fits.error[use]
        correlation = fits.covariance[use] / (error[:, :, None] * error[:, None, :])
        known = np.isfinite(correlation)
        return cls(
            toys=int(use.sum()),
            first=residual.sum(axis=0),
            second=residual.T @ residual,
            counted=known.sum(axis=0),
            claimed=np.where(known, correlation, 0.0).sum(axis=0),
        )

    def __add__(self, other: Self) -> Self:
        """Sums of both sets of toys together."""
        mine = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return type(self)(**mine)

    @property
    def found(self) -> Correlation:
        """What the sums say."""
        return Correlation(toys=self.toys, over_toys=self._over_toys, fitted=self._fitted)

    @property
    def _over_toys(self) -> NDArray[np.float64] | None:
        """Correlation of estimate - truth over the toys; None with fewer than two."""
        if self.toys < 2:
            return None
        mean = self.first / self.toys
        covariance = self.second / self.toys - np.outer(mean, mean)
        spread = np.sqrt(np.diag(covariance))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(covariance / np.outer(spread, spread))

    @property
    def _fitted(self) -> NDArray[np.float64] | None:
        """Mean of the fitted correlations, NaN for pairs without any; None without toys."""
        if not self.toys:
            return None
        mean = self.claimed / np.maximum(self.counted, 1)
        return np.asarray(np.where(self.counted > 0, mean, np.nan))
