"""How often intervals from the profile likelihood ratio have the true value."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.described import Count, Part, Rho, Size
from pullfactory.fitting.fits import FitBatch
from pullfactory.fitting.intervals import SIGMAS
from pullfactory.inference.pulls import wilson_interval
from pullfactory.numbers import finite_or_none


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CoverageSums:
    """Sums over toys from which coverage follows; sums of two sets of toys add.

    Attributes:
        toys: Number of toys.
        counted: Toys with a ratio at the true value, plain and corrected, shape (2, parameters).
        within: Those whose intervals of one and of two standard deviations have it, shape (2, 2,
            parameters).
        scales: Sum of lambda, shape (parameters,).
    """

    toys: int
    counted: NDArray[np.int64]
    within: NDArray[np.int64]
    scales: NDArray[np.float64]

    @classmethod
    def of(cls, fits: FitBatch) -> Self | None:
        """Sum over one batch; None where nothing was tested.

        Args:
            fits: With ratios.
        """
        if fits.ratios is None:
            return None
        ratios = fits.ratios
        with np.errstate(invalid="ignore", divide="ignore"):
            scales = ratios[0] / ratios[1]
        return cls(
            toys=ratios.shape[1],
            counted=np.isfinite(ratios).sum(axis=1),
            within=np.stack([(ratios < sigma**2).sum(axis=1) for sigma in SIGMAS], axis=1),
            scales=np.where(np.isfinite(scales), scales, 0.0).sum(axis=0),
        )

    def __add__(self, other: Self) -> Self:
        """Sums of both sets of toys together."""
        mine = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        return type(self)(**mine)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageRow:
    """How often the intervals of one parameter, with one method at one rho, have the true value.

    They are from the profile likelihood ratio; corrected ones from that divided by lambda. What
    cannot be had is None, and what is corrected of a method that knows the dependence. Limits have
    68.27 % confidence (Wilson).

    Attributes:
        method: As in the study.
        rho: Correlation.
        parameter: Name.
        n_toys: Toys thrown.
        n_failed: Toys without an interval.
        coverage_68: Fraction whose interval of one standard deviation has it; nominal 0.6827.
        coverage_68_low: Lower limit.
        coverage_68_high: Upper limit.
        coverage_95: The same of two standard deviations; nominal 0.9545.
        coverage_95_low: Lower limit.
        coverage_95_high: Upper limit.
        corrected_coverage_68: As `coverage_68`, corrected.
        corrected_coverage_68_low: Lower limit.
        corrected_coverage_68_high: Upper limit.
        corrected_coverage_95: As `coverage_95`, corrected.
        corrected_coverage_95_low: Lower limit.
        corrected_coverage_95_high: Upper limit.
        scale: Mean of lambda.
        scale_source: Whether lambda is of the `events` of each toy, or of a `simulation`, as where
            there are fewer than 30 events; None where there is none.
    """

    method: str
    rho: Rho
    parameter: str
    n_toys: Count
    n_failed: Count
    coverage_68: Part | None
    coverage_68_low: Part | None
    coverage_68_high: Part | None
    coverage_95: Part | None
    coverage_95_low: Part | None
    coverage_95_high: Part | None
    corrected_coverage_68: Part | None
    corrected_coverage_68_low: Part | None
    corrected_coverage_68_high: Part | None
    corrected_coverage_95: Part | None
    corrected_coverage_95_low: Part | None
    corrected_coverage_95_high: Part | None
    scale: Size | None
    scale_source: Literal["events", "simulation"] | None

    @classmethod
    def of(
        cls, method: str, rho: float, parameter: str, sums: CoverageSums, k: int, *, few: bool
    ) -> Self:
        """From sums over toys.

        Args:
            method: Name.
            rho: Correlation.
            parameter: Name.
            sums: Over the toys.
            k: Position of the parameter in them.
            few: Whether there are so few events that lambda is of a simulation.
        """
        numbers: dict[str, Any] = {}
        for i, prefix in enumerate(("", "corrected_")):
            n = int(sums.counted[i, k])
            for level, within in zip(("68", "95"), sums.within[i, :, k], strict=True):
                key = f"{prefix}coverage_{level}"
                low, high = wilson_interval(int(within), n) if n else (None, None)
                part = int(within) / n if n else None
                numbers |= {key: part, f"{key}_low": low, f"{key}_high": high}
        corrected = int(sums.counted[1, k])
        return cls(
            method=method,
            rho=rho,
            parameter=parameter,
            n_toys=sums.toys,
            n_failed=sums.toys - int(sums.counted[0, k]),
            scale=float(sums.scales[k] / corrected) if corrected else None,
            scale_source=("simulation" if few else "events") if corrected else None,
            **numbers,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in `summary.json`."""
        return finite_or_none(asdict(self))
