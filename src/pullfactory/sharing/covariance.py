"""The covariance of all bins of a workspace, for other tools."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.sharing.answer import Answers
from pullfactory.sharing.filled import MappedEvents
from pullfactory.sharing.pairs import numbers_in_common
from pullfactory.sharing.point import Point


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Covariance:
    """Counts of all bins that share events, and the estimates that come of them.

    Attributes:
        channels: Name of the channel of each bin.
        bins: Number of each bin in its channel, shape (bins,).
        observed: Counts, shape (bins,).
        expected: Counts at the fitted point, shape (bins,).
        counts: Covariance of the counts, shape (bins, bins).
        parameters: Names.
        estimates: Shape (parameters,).
        claimed: Covariance of the estimates as the fit claims it, shape (parameters, parameters).
        actual: The same with what the channels share.
        events: Numbers of events, simulated ones if these are quoted, that are in both of two bins,
            on the diagonal in one, shape (bins, bins); None in files of earlier versions.
        edges: Of the bins, lower and upper ones, shape (bins, 2), in the units of the observables;
            NaN where nobody gave them.
    """

    channels: tuple[str, ...]
    bins: NDArray[np.int_]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    counts: NDArray[np.float64]
    parameters: tuple[str, ...]
    estimates: NDArray[np.float64]
    claimed: NDArray[np.float64]
    actual: NDArray[np.float64]
    events: NDArray[np.int_] | None = None
    edges: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, point: Point, answers: Answers, given: MappedEvents) -> Self | None:
        """At a point, of the events that are quoted; None without events.

        Args:
            point: Of the workspace.
            answers: Of events.
            given: The events.
        """
        best = answers.best
        if best is None:
            return None
        channels = point.likelihood.channels
        quoted = [given.data] if answers.simulated is None else given.simulated.values()
        sides = [
            np.stack([given.edges[name][:-1], given.edges[name][1:]], axis=1)
            if name in given.edges
            else np.full((size, 2), np.nan)
            for name, size in channels
        ]
        return cls(
            channels=tuple(name for name, size in channels for _ in range(size)),
            bins=np.concatenate([np.arange(size) for _, size in channels]),
            observed=point.likelihood.observed[: len(point.rates)],
            expected=point.rates,
            counts=np.diag(point.rates) + best.joint,
            parameters=point.parameters,
            estimates=point.theta,
            claimed=point.inverse,
            actual=best.whole.covariance,
            events=np.sum([numbers_in_common(each) for each in quoted], axis=0),
            edges=np.concatenate(sides),
        )

    def write(self, path: Path) -> None:
        """Write all arrays, under the names of the attributes.

        Args:
            path: Ends in .npz.
        """
        there = {name: getattr(self, name) for name in self.__slots__}
        arrays = {name: np.array(each) for name, each in there.items() if each is not None}
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read what `write` wrote.

        Args:
            path: Of the file, which may be missing.
        """
        if not path.exists():
            return None
        with np.load(path, allow_pickle=False) as found:
            arrays: dict[str, Any] = {name: found[name] for name in found.files}
        names = {key: tuple(arrays.pop(key).tolist()) for key in ("channels", "parameters")}
        return cls(**arrays | names)

    def to_hs3(self, name: str) -> dict[str, Any]:
        """Data of HS3: the counts of all bins with their standard deviations and correlations.

        HS3 (https://hep-statistics-serialization-standard.github.io) has such an uncertainty within
        one set of binned data alone, so that all channels are one set, along the number of the bin.

        Args:
            name: Of the set.
        """
        size = len(self.bins)
        sigma = np.sqrt(np.diag(self.counts))
        positive = np.where(sigma > 0, sigma, 1.0)
        correlation = self.counts / np.outer(positive, positive)
        np.fill_diagonal(correlation, 1.0)
        return {
            "metadata": {"hs3_version": "0.2"},
            "data": [
                {
                    "name": name,
                    "type": "binned",
                    "axes": [{"name": "bin", "min": 0.0, "max": float(size), "nbins": size}],
                    "contents": self.observed.tolist(),
                    "uncertainty": {
                        "type": "gaussian_uncertainty",
                        "sigma": sigma.tolist(),
                        "correlation": correlation.tolist(),
                    },
                }
            ],
        }

    def to_dict(self) -> dict[str, Any]:
        """Bins, counts and their covariance, as in `covariance.json`."""
        return {
            "channels": list(self.channels),
            "bins": self.bins.tolist(),
            "observed": self.observed.tolist(),
            "expected": self.expected.tolist(),
            "covariance": self.counts.tolist(),
            "events": None if self.events is None else self.events.tolist(),
            "edges": None if self.edges is None else _with_nulls(self.edges),
        }


def _with_nulls(edges: NDArray[np.float64]) -> list[list[float] | None]:
    """JSON has no NaN."""
    return [row.tolist() if np.isfinite(row).all() else None for row in edges]
