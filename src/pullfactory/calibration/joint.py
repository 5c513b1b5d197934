"""What calibration samples tell of the observables together, at each correlation of the scan.

The samples are those of `calibrate`, from the same random numbers, with the correlation of the
scan mixed in: a parameter that varies the reconstruction varies the same events.
"""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.binning.bivariate import bin_probabilities, nested_scores
from pullfactory.binning.edges import choose_edges
from pullfactory.binning.joint import JointBins
from pullfactory.calibration.grid import base_normals, calibration_points, sample_index
from pullfactory.errors import CalibrationError
from pullfactory.random import Stream, generator
from pullfactory.settings.study import Study
from pullfactory.simulation.dependence import Mixer, mixer
from pullfactory.simulation.response import Response

__all__ = ["JointSample", "learn_joint"]

_CHUNK = 2**18  # events at a time: bounded memory for any sample size
_LEARNT_FROM = 2**20  # events of the nominal sample that edges and correlation are taken from


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointSample:
    """What is learnt of the observables together at one correlation.

    Attributes:
        rho: Point of the scan.
        correlation: Correlation matrix of the normal scores Phi^-1(F(z)) of the nominal sample,
            shape (observables, observables).
        points: Where there are samples, shape (points, parameters), in calibration steps.
        bins: Bins of the joint channel; None if no method asks for it.
        counts: Events of each point in these bins, shape (points, bins); None likewise.
    """

    rho: float
    correlation: NDArray[np.float64]
    points: NDArray[np.float64]
    bins: JointBins | None
    counts: NDArray[np.float64] | None

    def correlation_noise(self, events_per_point: int) -> NDArray[np.float64]:
        """Covariance of the correlations of all pairs of observables, learnt from samples.

        With M = E_ab + E_ba - r_ab (E_aa + E_bb) that of r_ab and r_cd is tr(M_ab R M_cd R) / (2 n)
        (Pearson and Filon 1898, doi:10.1098/rsta.1898.0007). That the scores come from estimated
        moments does not matter to first order.

        Args:
            events_per_point: Events of each sample.

        Returns:
            Shape (pairs, pairs), in the order of `numpy.triu_indices`.
        """
        matrix, n = self.correlation, len(self.correlation)
        scores = []
        for a, b in itertools.combinations(range(n), 2):
            slope = np.zeros((n, n))
            slope[a, b] = slope[b, a] = 1.0
            slope[a, a] = slope[b, b] = -matrix[a, b]
            scores.append(slope @ matrix)
        learnt_from = min(events_per_point, _LEARNT_FROM)
        return np.array([[np.sum(m * k.T) for k in scores] for m in scores]) / (2 * learnt_from)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "rho": self.rho,
            "correlation": self.correlation.tolist(),
            "points": self.points.tolist(),
            "edges": self.bins and [inner.tolist() for inner in self.bins.edges],
            "counts": None if self.counts is None else self.counts.tolist(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        edges, counts = data["edges"], data["counts"]
        return cls(
            rho=float(data["rho"]),
            correlation=np.array(data["correlation"]),
            points=np.array(data["points"], dtype=np.float64),
            bins=edges and JointBins(edges=tuple(np.array(inner) for inner in edges)),
            counts=None if counts is None else np.array(counts),
        )


def learn_joint(
    study: Study, moments: NDArray[np.float64], *, workers: int | None = None, replica: int = 0
) -> tuple[JointSample, ...]:
    """What the methods of a study need to know of the observables together.

    Args:
        study: The study.
        moments: Calibrated location and scale of each observable at the nominal point, shape
            (observables, 2), in its unit.
        workers: Threads; None for one per processor. The result does not depend on it.
        replica: Which of many independent repetitions, from 0.

    Returns:
        One for each point of the scan; nothing if no method needs any.

    Raises:
        CalibrationError: If bins cannot be formed, or exact contents are asked for that are not
            known.
    """
    if not study.learns_correlation:
        return ()
    if study.calibration.source == "exact":
        return tuple(_exact(study, rho) for rho in study.ensemble.rho)
    return _simulated(study, moments, replica, workers or os.cpu_count() or 1)


def _points(study: Study) -> NDArray[np.float64]:
    """The points that the templates of the joint channel are at."""
    points = calibration_points(study.joint_study)
    if "binned_joint" not in study.methods:
        return points[:1]
    units = [study.joint_study.workspace_units.get(name, 1.0) for name in study.parameter_names]
    used = (points == 0.0) | (np.abs(points) == units)
    return np.asarray(points[used.all(axis=1)])


# --- simulated -------------------------------------------------------------------------------


def _simulated(
    study: Study, moments: NDArray[np.float64], replica: int, workers: int
) -> tuple[JointSample, ...]:
    scan, points = study.ensemble.rho, _points(study)
    samples = sample_index(study, points)
    nominal = int(samples[0])
    normals = base_normals(study, nominal, replica)[:, :_LEARNT_FROM]
    mix = _mixer(study, normals, replica, nominal, 0)
    learnt, binned = [], "binned_joint" in study.methods
    for rho in scan:
        events = _place(study, points[0], mix(study.cholesky(rho)))
        learnt.append(
            JointSample(
                rho=rho,
                correlation=_estimate_correlation(study, events, moments),
                points=points,
                bins=_choose_bins(study, events) if binned else None,
                counts=None,
            )
        )
    bins = [one.bins for one in learnt if one.bins is not None]
    if not bins:
        return tuple(learnt)
    pool = ThreadPoolExecutor(workers)
    try:
        tasks = {
            sample: pool.submit(
                _count, study, points[samples == sample], int(sample), replica, bins
            )
            for sample in np.unique(samples)
        }
        counts = [np.empty((len(points), each.size)) for each in bins]
        for sample, task in tasks.items():
            for all_points, some in zip(counts, task.result(), strict=True):
                all_points[samples == sample] = some
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return tuple(replace(one, counts=rows) for one, rows in zip(learnt, counts, strict=True))


def _count(
    study: Study, points: NDArray[np.float64], sample: int, replica: int, bins: list[JointBins]
) -> list[NDArray[np.float64]]:
    """Events of one sample at its points, one array of shape (points, bins) for each rho."""
    normals = base_normals(study, sample, replica)
    counts = [np.zeros((len(points), each.size)) for each in bins]
    for first in range(0, normals.shape[1], _CHUNK):
        some = normals[:, first : first + _CHUNK]
        mix = _mixer(study, some, replica, sample, first)
        for rho, each, rows in zip(study.ensemble.rho, bins, counts, strict=True):
            standard = mix(study.cholesky(rho))
            for point, row in zip(points, rows, strict=True):
                row += each.count([x[None] for x in _place(study, point, standard)])[0]
    return counts


def _mixer(study: Study, normals: NDArray[np.float64], *numbers: int) -> Mixer:
    """For one range of events of one sample, with what their observables have in common."""
    hidden = generator(study.seed, Stream.JOINT, *numbers)
    return mixer(normals, study.families, study.ensemble, hidden)


def _place(
    study: Study, point: NDArray[np.float64], standard: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Events of each observable at one point, from standardised ones."""
    location, scale = Response.from_study(study)(point)
    return [location[o] + scale[o] * z for o, z in enumerate(standard)]


def _estimate_correlation(
    study: Study, events: list[NDArray[np.float64]], moments: NDArray[np.float64]
) -> NDArray[np.float64]:
    scores = [
        member.to_normal(jnp.asarray((x - mu) / sigma))
        for member, x, (mu, sigma) in zip(study.families, events, moments, strict=True)
    ]
    return np.atleast_2d(np.corrcoef(np.array(scores)))


def _choose_bins(study: Study, nominal: list[NDArray[np.float64]]) -> JointBins:
    if study.joint.binning == "nested":
        return JointBins.nested(nominal, study.joint_bins)
    return JointBins.grid(_inner_edges(study, nominal))


def _inner_edges(
    study: Study, nominal: list[NDArray[np.float64]] | None
) -> list[NDArray[np.float64]]:
    """Edges of a grid: the study's, or of equal population in each observable."""
    observables = tuple(
        one if one.edges is not None else one.model_copy(update={"n_bins": n})
        for one, n in zip(study.observable, study.joint_bins, strict=True)
    )
    edges = choose_edges(study.model_copy(update={"observable": observables}), nominal)
    return [each[1:-1] for each in edges]


# --- exact -----------------------------------------------------------------------------------


def _exact(study: Study, rho: float) -> JointSample:
    correlation, points = study.correlation(rho), _points(study)
    if "binned_joint" not in study.methods:
        return JointSample(rho=rho, correlation=correlation, points=points, bins=None, counts=None)
    _refuse_unknown(study)
    coefficient = float(correlation[0, 1])
    bins = _exact_bins(study, coefficient)
    counts = np.array(
        [bin_probabilities(*_scores(study, point, bins), coefficient) for point in points]
    )
    return JointSample(
        rho=rho,
        correlation=correlation,
        points=points,
        bins=bins,
        counts=study.calibration.events_per_point * counts,
    )


def _refuse_unknown(study: Study) -> None:
    n = len(study.observable)
    if n != 2:
        raise CalibrationError(
            f"exact joint templates are known for 2 observables, not for {n}; "
            'use calibration.source = "simulated" with large samples'
        )
    gaussian = all(member.sufficient for member in study.families)
    if study.ensemble.dependence == "linear" and not gaussian:
        raise CalibrationError(
            'exact joint templates are known for ensemble.dependence = "gaussian_copula", or for '
            'normal densities; use one of these or calibration.source = "simulated"'
        )


def _exact_bins(study: Study, coefficient: float) -> JointBins:
    if study.joint.binning == "grid":
        return JointBins.grid(_inner_edges(study, None))
    first, second = study.joint_bins
    scores = nested_scores((first, second), coefficient)
    location, scale = Response.from_study(study)(np.zeros(len(study.parameter)))
    rows = [np.atleast_2d(row) for row in scores]
    return JointBins(
        edges=tuple(
            location[o] + scale[o] * member.from_normal(rows[o])
            for o, member in enumerate(study.families)
        )
    )


def _scores(
    study: Study, point: NDArray[np.float64], bins: JointBins
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges as normal scores at one point."""
    location, scale = Response.from_study(study)(point)
    first, second = (
        np.asarray(member.to_normal(jnp.asarray((inner - location[o]) / scale[o])))
        for o, (member, inner) in enumerate(zip(study.families, bins.edges, strict=True))
    )
    return first[0], second
