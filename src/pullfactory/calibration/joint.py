"""What calibration samples tell of the observables together, at each correlation of the scan.

The samples are those of `calibrate`, from the same random numbers, with the correlation of the
scan mixed in: a parameter that varies the reconstruction varies the same events.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.binning.bivariate import bin_probabilities, nested_scores
from pullfactory.binning.edges import choose_edges
from pullfactory.binning.joint import JointBins
from pullfactory.calibration.crew import Crew
from pullfactory.calibration.flow import learn_flows
from pullfactory.calibration.grid import calibration_points, sample_index
from pullfactory.calibration.samples import SampleSource
from pullfactory.densities import Family
from pullfactory.errors import CalibrationError
from pullfactory.flows.learning import LearntFlow
from pullfactory.flows.stored import flow_from_dict, flow_to_dict
from pullfactory.numbers import finite_array
from pullfactory.settings.sections import Observable
from pullfactory.settings.study import Study
from pullfactory.simulation.model import EventModel
from pullfactory.simulation.response import Response

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
        flow: Joint density of the observables; None if no method asks for it.
    """

    rho: float
    correlation: NDArray[np.float64]
    points: NDArray[np.float64]
    bins: JointBins | None
    counts: NDArray[np.float64] | None
    flow: LearntFlow | None = None

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
        flow = {} if self.flow is None else {"flow": flow_to_dict(self.flow)}
        return {
            "rho": self.rho,
            "correlation": self.correlation.tolist(),
            "points": self.points.tolist(),
            "edges": self.bins and [inner.tolist() for inner in self.bins.edges],
            "counts": None if self.counts is None else self.counts.tolist(),
            **flow,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], observables: int, parameters: int) -> Self:
        """The inverse of `to_dict`.

        Args:
            data: What it gave.
            observables: How many there are.
            parameters: How many there are.

        Raises:
            ValueError: If numbers have other shapes, or are not finite.
        """
        edges, counts = data["edges"], data["counts"]
        points = finite_array(data["points"], -1, parameters)
        bins = None if edges is None else _nested(edges, observables)
        return cls(
            rho=float(finite_array(data["rho"])),
            correlation=finite_array(data["correlation"], observables, observables),
            points=points,
            bins=bins,
            counts=None
            if counts is None
            else finite_array(counts, len(points), bins.size if bins else 0),
            flow=flow_from_dict(data["flow"]) if "flow" in data else None,
        )


def _nested(edges: Sequence[Any], observables: int) -> JointBins:
    """The bins with these inner edges, for each observable inside the bins of those before it."""
    found, slices = [], 1
    for inner in edges:
        found.append(finite_array(inner, slices, -1))
        slices *= found[-1].shape[1] + 1
    if len(found) != observables:
        raise ValueError(f"joint bins of {len(found)} observables instead of {observables}")
    return JointBins(edges=tuple(found))


def learn_joint(
    study: Study,
    source: SampleSource,
    moments: NDArray[np.float64],
    response: Response,
    crew: Crew,
) -> tuple[JointSample, ...]:
    """What the methods of a study need to know of the observables together.

    Args:
        study: The study.
        source: Of its calibration samples.
        moments: Calibrated location and scale of each observable at the nominal point, shape
            (observables, 2), in its unit.
        response: Calibrated with these samples.
        crew: Makes the samples. The result does not depend on it.

    Returns:
        One for each point of the scan; nothing if no method needs any.

    Raises:
        CalibrationError: If bins cannot be formed, or exact contents are asked for that are not
            known.
    """
    if not study.learns_correlation:
        return ()
    workspace = study.joint_workspace
    points = calibration_points(study.parameter, workspace, "needed")
    if study.learns.bins:
        units = workspace.units(study.free_names)
        points = _used(points, [units.get(name, 1.0) for name in study.parameter_names])
    else:
        points = points[:1]
    if study.calibration.source == "exact":
        found = tuple(_exact(study, source.model, points, rho) for rho in study.ensemble.rho)
    else:
        found = _simulated(study, source, points, moments, crew)
    if not study.learns.flow:
        return found
    flows = learn_flows(study, source, response, crew)
    return tuple(replace(one, flow=flow) for one, flow in zip(found, flows, strict=True))


def _used(points: NDArray[np.float64], units: Sequence[float]) -> NDArray[np.float64]:
    """The points that the templates of the joint channel are at."""
    used = (points == 0.0) | (np.abs(points) == units)
    return np.asarray(points[used.all(axis=1)])


# --- simulated -------------------------------------------------------------------------------


def _simulated(
    study: Study,
    source: SampleSource,
    points: NDArray[np.float64],
    moments: NDArray[np.float64],
    crew: Crew,
) -> tuple[JointSample, ...]:
    samples = sample_index(study.resimulated, points)
    nominal = int(samples[0])
    mix = source.mixer(source.normals(nominal)[:, :_LEARNT_FROM], nominal, 0)
    factors = [study.cholesky(rho) for rho in study.ensemble.rho]
    learnt, binned = [], study.learns.bins
    choose = partial(_choose_bins, study.joint.binning, study.observable, study.joint_bins)
    for rho, factor in zip(study.ensemble.rho, factors, strict=True):
        events = source.model.place(points[0], mix(factor))
        learnt.append(
            JointSample(
                rho=rho,
                correlation=_estimate_correlation(source.model.families, events, moments),
                points=points,
                bins=choose(events) if binned else None,
                counts=None,
            )
        )
    bins = [one.bins for one in learnt if one.bins is not None]
    if not bins:
        return tuple(learnt)
    count = partial(_count, source, bins, factors, points, samples)
    counts = [np.empty((len(points), each.size)) for each in bins]
    for sample, found in crew.each(count, np.unique(samples).tolist(), "samples"):
        for all_points, some in zip(counts, found, strict=True):
            all_points[samples == sample] = some
    return tuple(replace(one, counts=rows) for one, rows in zip(learnt, counts, strict=True))


def _count(
    source: SampleSource,
    bins: Sequence[JointBins],
    factors: Sequence[NDArray[np.float64]],
    points: NDArray[np.float64],
    samples: NDArray[np.int64],
    sample: int,
) -> list[NDArray[np.float64]]:
    """Events of one sample at its points, one array of shape (points, bins) for each rho."""
    points = points[samples == sample]
    normals = source.normals(sample)
    counts = [np.zeros((len(points), each.size)) for each in bins]
    for first in range(0, normals.shape[1], _CHUNK):
        mix = source.mixer(normals[:, first : first + _CHUNK], sample, first)
        for factor, each, rows in zip(factors, bins, counts, strict=True):
            standard = mix(factor)
            for point, row in zip(points, rows, strict=True):
                events = source.model.place(point, standard)
                row += each.count([x[None] for x in events])[0]
    return counts


def _estimate_correlation(
    families: Sequence[Family],
    events: Sequence[NDArray[np.float64]],
    moments: NDArray[np.float64],
) -> NDArray[np.float64]:
    scores = [
        member.to_normal(jnp.asarray((x - mu) / sigma))
        for member, x, (mu, sigma) in zip(families, events, moments, strict=True)
    ]
    return np.atleast_2d(np.corrcoef(np.array(scores)))


def _choose_bins(
    binning: Literal["nested", "grid"],
    observables: Sequence[Observable],
    n_bins: Sequence[int],
    nominal: Sequence[NDArray[np.float64]],
) -> JointBins:
    if binning == "nested":
        return JointBins.nested(nominal, n_bins)
    return _grid(observables, n_bins, nominal)


def _grid(
    observables: Sequence[Observable],
    n_bins: Sequence[int],
    nominal: Sequence[NDArray[np.float64]] | None,
) -> JointBins:
    """Edges of the study, or of equal population in each observable."""
    return JointBins.grid([each[1:-1] for each in choose_edges(observables, n_bins, nominal)])


# --- exact -----------------------------------------------------------------------------------


def _exact(study: Study, model: EventModel, points: NDArray[np.float64], rho: float) -> JointSample:
    correlation = study.correlation(rho)
    if not study.learns.bins:
        return JointSample(rho=rho, correlation=correlation, points=points, bins=None, counts=None)
    _refuse_unknown(model)
    coefficient = float(correlation[0, 1])
    if study.joint.binning == "grid":
        bins = _grid(study.observable, study.joint_bins, None)
    else:
        bins = _exact_bins(model, study.joint_bins, coefficient, np.zeros(points.shape[1]))
    counts = np.array(
        [bin_probabilities(*_scores(model, point, bins), coefficient) for point in points]
    )
    return JointSample(
        rho=rho,
        correlation=correlation,
        points=points,
        bins=bins,
        counts=study.calibration.events_per_point * counts,
    )


def _refuse_unknown(model: EventModel) -> None:
    n = len(model.families)
    if n != 2:
        raise CalibrationError(
            f"exact joint templates are known for 2 observables, not for {n}; "
            'use calibration.source = "simulated" with large samples'
        )
    gaussian = all(member.sufficient for member in model.families)
    if model.ensemble.dependence == "linear" and not gaussian:
        raise CalibrationError(
            'exact joint templates are known for ensemble.dependence = "gaussian_copula", or for '
            'normal densities; use one of these or calibration.source = "simulated"'
        )


def _exact_bins(
    model: EventModel, n_bins: Sequence[int], coefficient: float, point: NDArray[np.float64]
) -> JointBins:
    """Nested bins of equal population at one point."""
    first, second = n_bins
    scores = [np.atleast_2d(row) for row in nested_scores((first, second), coefficient)]
    rows = [member.from_normal(row) for member, row in zip(model.families, scores, strict=True)]
    return JointBins(edges=tuple(model.place(point, rows)))


def _scores(
    model: EventModel, point: NDArray[np.float64], bins: JointBins
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges as normal scores at one point."""
    location, scale = model.response(point)
    first, second = (
        np.asarray(member.to_normal(jnp.asarray((inner - location[o]) / scale[o])))
        for o, (member, inner) in enumerate(zip(model.families, bins.edges, strict=True))
    )
    return first[0], second
