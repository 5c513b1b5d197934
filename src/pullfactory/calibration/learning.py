"""What independent calibration samples tell: moments, counts and spectra at their points."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import hist
import numpy as np
from numpy.typing import NDArray

from pullfactory.binning.edges import count_events
from pullfactory.calibration.histograms import SPECTRUM_BINS, fine_edges
from pullfactory.calibration.moments import fit_location_scale, influence
from pullfactory.calibration.samples import SampleSource
from pullfactory.progress import Advance


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What samples give, for their points.

    Attributes:
        moments: Shape (points, observables, 2).
        covariance: Of those of each observable, point by point, shape (2 points, 2 points).
        counts: Of each observable, shape (points, bins).
        spectra: The same in fine regular bins.
    """

    moments: NDArray[np.float64]
    covariance: tuple[NDArray[np.float64], ...]
    counts: tuple[NDArray[np.float64], ...]
    spectra: tuple[NDArray[np.float64], ...]


class SimulatedSample:
    """One independent set of simulated events, seen at several points."""

    def __init__(self, source: SampleSource, points: NDArray[np.float64], sample: int) -> None:
        families, normals = source.model.families, source.normals(sample)
        self._standard = [
            member.from_normal(row) for member, row in zip(families, normals, strict=True)
        ]
        self._location, self._scale = source.model.response(points)

    def events(self, point: int, observable: int) -> NDArray[np.float64]:
        """Events of one observable at one of the points, shape (events,)."""
        location = self._location[point, observable]
        scale = self._scale[point, observable]
        return np.asarray(location + scale * self._standard[observable])

    def nominal_events(self) -> list[NDArray[np.float64]]:
        """Events of every observable at the first point."""
        return [self.events(0, o) for o in range(len(self._standard))]

    def standardised(
        self, observable: int, moments: NDArray[np.float64]
    ) -> Callable[[slice], NDArray[np.float64]]:
        """Ranges of events, standardised at every point with the estimates of that point."""
        slope = self._scale[:, observable] / moments[:, 1]
        offset = (self._location[:, observable] - moments[:, 0]) / moments[:, 1]

        def chunk(events: slice) -> NDArray[np.float64]:
            return np.asarray(offset[:, None] + slope[:, None] * self._standard[observable][events])

        return chunk


def learn_sample(
    source: SampleSource,
    points: NDArray[np.float64],
    sample: int,
    edges: tuple[NDArray[np.float64], ...],
    advance: Advance,
) -> Learnt:
    """What one sample gives, for its points.

    Args:
        source: Of the samples.
        points: Shape (points, parameters), in calibration steps.
        sample: Its number.
        edges: Bin edges of each observable, in its unit; the outermost bins are open.
        advance: Called for each observable at each point.
    """
    seen, families = SimulatedSample(source, points, sample), source.model.families
    n_obs = len(families)
    moments = np.empty((len(points), n_obs, 2))
    counts = tuple(np.empty((len(points), len(edges[o]) - 1)) for o in range(n_obs))
    spectra = tuple(np.empty((len(points), SPECTRUM_BINS)) for _ in range(n_obs))
    for o, member in enumerate(families):
        fine = fine_edges(edges[o])
        for p in range(len(points)):
            events = seen.events(p, o)
            moments[p, o] = fit_location_scale(member, events)
            counts[o][p] = count_events(events[None], edges[o])[0]
            spectra[o][p] = hist.numpy.histogram(events, SPECTRUM_BINS, (fine[0], fine[-1]))[0]
            advance(1)
    covariance = tuple(
        influence(
            member,
            seen.standardised(o, moments[:, o]),
            moments[:, o, 1],
            source.events,
        )
        for o, member in enumerate(families)
    )
    return Learnt(moments=moments, covariance=covariance, counts=counts, spectra=spectra)


def join_samples(samples: NDArray[np.int64], learnt: Mapping[int, Learnt]) -> Learnt:
    """What all samples give; different ones are independent.

    Args:
        samples: Number of the sample of each point, shape (points,).
        learnt: What each sample gives.
    """
    first = next(iter(learnt.values()))
    n_points, n_obs = len(samples), len(first.counts)
    moments = np.empty((n_points, n_obs, 2))
    counts = tuple(np.empty((n_points, each.shape[1])) for each in first.counts)
    spectra = tuple(np.empty((n_points, each.shape[1])) for each in first.spectra)
    covariance = tuple(np.zeros((2 * n_points, 2 * n_points)) for _ in range(n_obs))
    for sample, result in learnt.items():
        where = np.flatnonzero(samples == sample)
        both = np.stack([2 * where, 2 * where + 1], axis=1).ravel()
        moments[where] = result.moments
        for o in range(n_obs):
            covariance[o][np.ix_(both, both)] = result.covariance[o]
            counts[o][where] = result.counts[o]
            spectra[o][where] = result.spectra[o]
    return Learnt(moments=moments, covariance=covariance, counts=counts, spectra=spectra)
