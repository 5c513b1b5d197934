"""Fits without all errors: how many there are, how they ended, and where in the truth."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pullfactory.fitting import FitStatus

MOST_LISTED = 10_000
"""Failed fits that are listed one by one, of all methods together."""

_BINS = 12  # of the truth


class Fits(Protocol):
    """Fits of some toys with one method at one rho."""

    @property
    def method(self) -> str:
        """Its name."""

    @property
    def rho(self) -> float | None:
        """Correlation; None where there is no scan."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names."""

    @property
    def toy(self) -> NDArray[np.int64]:
        """Numbers of the toys, shape (toys,)."""

    @property
    def truth(self) -> NDArray[np.float64]:
        """True parameters, shape (toys, parameters)."""

    @property
    def status(self) -> NDArray[np.int8]:
        """`FitStatus` values, shape (toys,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedFit:
    """One fit that does not give all errors.

    Attributes:
        toy: Number of the toy.
        rho: Correlation; None where there is no scan.
        method: Name of the method.
        status: How the fit ended.
        truth: True value of each parameter, by name.
    """

    toy: int
    rho: float | None
    method: str
    status: str
    truth: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TruthBins:
    """Failed fits in bins of the true value of one parameter, at all rho together.

    Attributes:
        parameter: Name.
        edges: Shape (bins + 1,).
        toys: Fits, shape (bins,).
        failed: Failed fits by status, shape (bins, statuses).
    """

    parameter: str
    edges: NDArray[np.float64]
    toys: NDArray[np.int64]
    failed: NDArray[np.int64]

    @property
    def trend(self) -> float:
        """How far the mean truth of failed fits is from that of all, in standard errors."""
        centres, failed = 0.5 * (self.edges[1:] + self.edges[:-1]), self.failed.sum(axis=1)
        mean = np.average(centres, weights=self.toys)
        spread = np.sqrt(np.average(np.square(centres - mean), weights=self.toys))
        if not (failed.sum() and spread):
            return 0.0
        off = abs(np.average(centres, weights=failed) - mean)
        return float(off / spread * np.sqrt(failed.sum()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MethodFailures:
    """Failed fits of one method.

    Attributes:
        method: Its name.
        toys: Fits by rho.
        failed: Failed fits by rho, by status, each of shape (statuses,).
        bins: Where in the truth they are, for each parameter whose truth varies.
    """

    method: str
    toys: Mapping[float | None, int]
    failed: Mapping[float | None, NDArray[np.int64]]
    bins: tuple[TruthBins, ...]

    @property
    def total(self) -> int:
        """Failed fits at all rho."""
        return int(sum(counts.sum() for counts in self.failed.values()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Failures:
    """Every fit that does not give all errors.

    Attributes:
        methods: Those with such fits.
        listed: The fits themselves, at most `MOST_LISTED`, as many of each method.
    """

    methods: tuple[MethodFailures, ...]
    listed: tuple[FailedFit, ...]

    @classmethod
    def of(cls, blocks: Callable[[], Iterable[Fits]]) -> "Failures":
        """Go through fits twice, block by block: for the ranges of the truth, and for the counts.

        Args:
            blocks: Gives all fits, each time it is called.
        """
        ranges: dict[str, _Range] = {}
        for fits in blocks():
            ranges.setdefault(fits.method, _Range(fits)).add(fits)
        sums = {name: _Sums(one.edges()) for name, one in ranges.items() if one.failed}
        listed: list[FailedFit] = []
        room = MOST_LISTED // max(len(sums), 1)
        for fits in blocks():
            if fits.method in sums:
                own = sums[fits.method]
                listed += own.listed(fits, room)
                own.add(fits)
        return cls(methods=tuple(own.done() for own in sums.values()), listed=tuple(listed))


def is_failed(status: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which fits do not give all errors.

    Args:
        status: `FitStatus` values.
    """
    return status > FitStatus.RECOVERED


class _Range:
    """Range of the truth of one method's fits, and whether any failed."""

    def __init__(self, fits: Fits) -> None:
        self.names = fits.parameters
        self.low = np.full(len(self.names), np.inf)
        self.high = np.full(len(self.names), -np.inf)
        self.failed = False

    def add(self, fits: Fits) -> None:
        self.low = np.minimum(self.low, fits.truth.min(axis=0))
        self.high = np.maximum(self.high, fits.truth.max(axis=0))
        self.failed = self.failed or bool(is_failed(fits.status).any())

    def edges(self) -> dict[str, NDArray[np.float64]]:
        """Edges of the bins of each parameter whose truth varies."""
        return {
            name: np.linspace(low, high, _BINS + 1)
            for name, low, high in zip(self.names, self.low, self.high, strict=True)
            if high > low
        }


@dataclass(slots=True, eq=False)
class _Sums:
    """What is counted of one method."""

    edges: dict[str, NDArray[np.float64]]
    method: str = ""
    n_listed: int = 0
    toys: dict[float | None, int] = field(default_factory=dict)
    failed: dict[float | None, NDArray[np.int64]] = field(default_factory=dict)
    binned: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=dict)

    def add(self, fits: Fits) -> None:
        self.method = fits.method
        kinds, failed = len(FitStatus), is_failed(fits.status)
        by_status = np.bincount(fits.status[failed], minlength=kinds)
        self.toys[fits.rho] = self.toys.get(fits.rho, 0) + len(fits.status)
        self.failed[fits.rho] = self.failed.get(fits.rho, np.zeros(kinds, np.int64)) + by_status
        for name, edges in self.edges.items():
            truth = fits.truth[:, fits.parameters.index(name)]
            where = np.clip(np.searchsorted(edges, truth, side="right") - 1, 0, _BINS - 1)
            key = where[failed] * kinds + fits.status[failed]
            own = np.bincount(key, minlength=_BINS * kinds).reshape(_BINS, kinds)
            toys, lost = self.binned.get(name, (0, 0))
            self.binned[name] = toys + np.bincount(where, minlength=_BINS), lost + own

    def listed(self, fits: Fits, room: int) -> Iterator[FailedFit]:
        """The failed fits of a block, as long as there is room for them."""
        some = np.flatnonzero(is_failed(fits.status))[: max(room - self.n_listed, 0)]
        self.n_listed += len(some)
        for i in some.tolist():
            yield FailedFit(
                toy=int(fits.toy[i]),
                rho=fits.rho,
                method=fits.method,
                status=FitStatus(int(fits.status[i])).label,
                truth=dict(zip(fits.parameters, fits.truth[i].tolist(), strict=True)),
            )

    def done(self) -> MethodFailures:
        return MethodFailures(
            method=self.method,
            toys=self.toys,
            failed=self.failed,
            bins=tuple(
                TruthBins(parameter=name, edges=self.edges[name], toys=toys, failed=failed)
                for name, (toys, failed) in self.binned.items()
            ),
        )
