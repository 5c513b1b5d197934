"""Pulls, and their summary from sums that add up block by block: memory stays bounded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pullfactory.described import Count, Part, Size
from pullfactory.errors import LikelihoodError
from pullfactory.fitting.fits import FitBatch
from pullfactory.fitting.slices import Slices
from pullfactory.fitting.status import FitStatus
from pullfactory.inference.shapes import transformed_counts

PULL_EDGES: NDArray[np.float64] = np.linspace(-5.0, 5.0, 81)
_CONFIDENCE = 0.682689492137086  # of the intervals that are quoted


class Fitted(Protocol):
    """What is summed of fits, a row per toy and a column per parameter; a `FitBatch` is one."""

    @property
    def estimate(self) -> NDArray[np.float64]:
        """Estimates, in the parameters' units."""

    @property
    def error(self) -> NDArray[np.float64]:
        """Claimed errors; NaN where there is none."""

    @property
    def corrected_error(self) -> NDArray[np.float64]:
        """Errors from the sandwich; NaN where there is none."""

    @property
    def status(self) -> NDArray[np.int8]:
        """`FitStatus` values, one per toy."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PullSums:
    """Sums over toys from which a summary follows; sums of two sets of toys add.

    Attributes:
        toys: Number of toys.
        status: Number of fits per `FitStatus`, shape (statuses,).
        at_bound: Fits that ended with the parameter at its bound, shape (parameters,).
        counted: Number of pulls per parameter, with the fitted and with the corrected errors,
            shape (2, parameters).
        powers: Sums of their first to fourth powers, shape (2, 4, parameters).
        within: Number of |pull| < 1 and < 2, shape (2, 2, parameters).
        residuals: Sums of first and second power of estimate - truth, shape (2, parameters).
        variance: Sums of the squared fitted and corrected errors, shape (2, parameters).
        histogram: Pulls in the bins of `PULL_EDGES`, shape (parameters, bins).
        transformed: What `transformed_counts` returns: the pulls in fine bins of equal
            probability, in slices of the toys.
    """

    toys: int
    status: NDArray[np.int64]
    at_bound: NDArray[np.int64]
    counted: NDArray[np.int64]
    powers: NDArray[np.float64]
    within: NDArray[np.int64]
    residuals: NDArray[np.float64]
    variance: NDArray[np.float64]
    histogram: NDArray[np.int64]
    transformed: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        fits: Fitted,
        truth: NDArray[np.float64],
        slices: Slices | None = None,
    ) -> Self:
        """Sum over one batch.

        Args:
            fits: Fits of shape (toys, parameters).
            truth: True parameters, same shape.
            slices: Where to divide the toys; the same for all sums that are added. None where
                true values are not drawn.

        Raises:
            LikelihoodError: If the shapes differ.
        """
        if truth.shape != fits.estimate.shape:
            raise LikelihoodError(
                f"truth has shape {truth.shape}, the fits have {fits.estimate.shape}; "
                "give one true value per toy and parameter"
            )
        ended = (fits.status <= FitStatus.AT_BOUND)[:, None]
        errors = np.stack([fits.error, fits.corrected_error])
        use = np.isfinite(errors) & ended
        residual = np.where(use[0], fits.estimate - truth, 0.0)
        pulls = np.where(use, residual / np.where(use, errors, 1.0), 0.0)
        return cls(
            toys=len(residual),
            status=np.bincount(fits.status, minlength=len(FitStatus)),
            at_bound=(~use[0] & (fits.status == FitStatus.AT_BOUND)[:, None]).sum(axis=0),
            counted=use.sum(axis=1),
            powers=np.stack([(pulls**power).sum(axis=1) for power in (1, 2, 3, 4)], axis=1),
            within=np.stack([(use & (np.abs(pulls) < k)).sum(axis=1) for k in (1, 2)], axis=1),
            residuals=np.stack([residual.sum(axis=0), (residual**2).sum(axis=0)]),
            variance=np.where(use, errors**2, 0.0).sum(axis=1),
            histogram=np.stack(
                [
                    np.histogram(pull[used], PULL_EDGES)[0]
                    for pull, used in zip(pulls[0].T, use[0].T, strict=True)
                ]
            ),
            transformed=transformed_counts(pulls, use, truth, fits.estimate, slices),
        )

    def __add__(self, other: Self) -> Self:
        """Sums of both sets of toys together."""
        mine = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return type(self)(**mine)


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSummary:
    """What the toys say about one parameter; None where a number cannot be had.

    A pull is (estimate - truth) / fitted error. Errors are one standard deviation, intervals
    have 68.27 % confidence (Wilson).

    Attributes:
        parameter: Name.
        n_toys: Toys thrown.
        n_failed: Toys without a pull of this parameter.
        n_at_bound: Those of them that ended with the parameter at its bound.
        mean: Mean pull.
        mean_error: Its standard error.
        width: Standard deviation of the pulls.
        width_error: Its standard error, from the fourth moment of the pulls.
        coverage_68: Fraction with `|pull| < 1`; nominal 0.6827.
        coverage_68_low: Lower end of its interval.
        coverage_68_high: Upper end.
        coverage_95: Fraction with `|pull| < 2`; nominal 0.9545.
        coverage_95_low: Lower end of its interval.
        coverage_95_high: Upper end.
        bias: Mean of estimate - truth, in the parameter's unit.
        claimed_error: Root mean square of the fitted errors, in the parameter's unit.
        actual_error: Standard deviation of estimate - truth, in the parameter's unit.
        predicted_width: Width predicted without toys; None for toys of a workspace.
        corrected_width: Standard deviation of the pulls with the corrected errors, those of the
            event-paired sandwich; None for toys of a workspace, also below.
        corrected_width_error: Its standard error.
        corrected_coverage_68: As `coverage_68`, with the corrected errors.
        corrected_coverage_68_low: Lower end of its interval.
        corrected_coverage_68_high: Upper end.
        corrected_coverage_95: As `coverage_95`, with the corrected errors.
        corrected_coverage_95_low: Lower end of its interval.
        corrected_coverage_95_high: Upper end.
        corrected_error: Root mean square of the corrected errors, in the parameter's unit.
    """

    parameter: str
    n_toys: Count
    n_failed: Count
    n_at_bound: Count
    mean: float | None
    mean_error: Size | None
    width: Size | None
    width_error: Size | None
    coverage_68: Part | None
    coverage_68_low: Part | None
    coverage_68_high: Part | None
    coverage_95: Part | None
    coverage_95_low: Part | None
    coverage_95_high: Part | None
    bias: float | None
    claimed_error: Size | None
    actual_error: Size | None
    predicted_width: Size | None = None
    corrected_width: Size | None = None
    corrected_width_error: Size | None = None
    corrected_coverage_68: Part | None = None
    corrected_coverage_68_low: Part | None = None
    corrected_coverage_68_high: Part | None = None
    corrected_coverage_95: Part | None = None
    corrected_coverage_95_low: Part | None = None
    corrected_coverage_95_high: Part | None = None
    corrected_error: Size | None = None

    @classmethod
    def from_sums(
        cls,
        parameters: tuple[str, ...],
        sums: PullSums,
        predicted: Mapping[str, float] | None = None,
    ) -> tuple[Self, ...]:
        """One summary per parameter.

        Args:
            parameters: Names.
            sums: Sums over the pulls.
            predicted: Predicted widths by parameter, where there are some.
        """
        return tuple(
            cls._one(name, sums, k, (predicted or {}).get(name))
            for k, name in enumerate(parameters)
        )

    @classmethod
    def _one(cls, name: str, sums: PullSums, k: int, predicted: float | None) -> Self:
        numbers: dict[str, Any] = {}
        for i, prefix in enumerate(("", "corrected_")):
            n = int(sums.counted[i, k])
            found = _moments(n, sums.powers[i, :, k])
            for level, within in zip(("68", "95"), sums.within[i, :, k], strict=True):
                found |= _coverage(f"coverage_{level}", int(within), n)
            numbers |= {f"{prefix}{key}": value for key, value in found.items()}
        del numbers["corrected_mean"], numbers["corrected_mean_error"]
        n, corrected = (int(counted) for counted in sums.counted[:, k])
        residual, square = (sums.residuals[i, k] for i in (0, 1))
        spread = (square - residual**2 / n) / (n - 1) if n > 1 else None
        return cls(
            parameter=name,
            n_toys=sums.toys,
            n_failed=sums.toys - n,
            n_at_bound=int(sums.at_bound[k]),
            bias=float(residual / n) if n else None,
            claimed_error=float(np.sqrt(sums.variance[0, k] / n)) if n else None,
            actual_error=None if spread is None else float(np.sqrt(max(spread, 0.0))),
            predicted_width=predicted,
            corrected_error=float(np.sqrt(sums.variance[1, k] / corrected)) if corrected else None,
            **numbers,
        )


def summarise_pulls(fits: FitBatch, truth: NDArray[np.float64]) -> tuple[PullSummary, ...]:
    """Summarise the pulls of one batch of fits.

    Args:
        fits: Fits of shape (toys, parameters).
        truth: True parameters, same shape, in their units.

    Returns:
        One summary per parameter.

    Raises:
        LikelihoodError: If the shapes differ.
    """
    return PullSummary.from_sums(fits.parameters, PullSums.of(fits, truth))


def _moments(n: int, powers: NDArray[np.float64]) -> dict[str, Any]:
    """Mean and standard deviation with their errors (Kendall and Stuart, vol. 1, sec. 10)."""
    if n == 0:
        return dict.fromkeys(("mean", "mean_error", "width", "width_error"))
    first, second, third, fourth = powers / n
    mean = float(first)
    if n < 2:
        return {"mean": mean, "mean_error": None, "width": None, "width_error": None}
    central_2 = max(float(second - first**2), 0.0)
    central_4 = float(fourth - 4 * first * third + 6 * first**2 * second - 3 * first**4)
    width = float(np.sqrt(central_2 * n / (n - 1)))
    variance_of_square = max(central_4 - width**4 * (n - 3) / (n - 1), 0.0) / n
    return {
        "mean": mean,
        "mean_error": width / float(np.sqrt(n)),
        "width": width,
        "width_error": float(np.sqrt(variance_of_square)) / (2 * width) if width > 0 else None,
    }


def _coverage(key: str, within: int, n: int) -> dict[str, Any]:
    if n == 0:
        return dict.fromkeys((key, f"{key}_low", f"{key}_high"))
    low, high = wilson_interval(within, n)
    return {key: within / n, f"{key}_low": low, f"{key}_high": high}


def wilson_interval(k: int, n: int) -> tuple[float, float]:
    """Interval of a fraction, of 68.27 % confidence (J. Amer. Stat. Assoc. 22 (1927) 209).

    Args:
        k: How many are counted.
        n: Of how many, at least one.
    """
    z = float(ndtri(0.5 + 0.5 * _CONFIDENCE))
    p = k / n
    norm = 2 * (n + z**2)
    centre = (2 * n * p + z**2) / norm
    half = z / norm * math.sqrt(4 * n * p * (1 - p) + z**2)
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)
