"""Whether a joint density, learnt or given, is that of the events: the verdict of held-out ones.

A pull width of 1 is no proof: a density whose shape wrongly stays the same claims too large an
error and has it. What tells is by how much the estimate is shifted at each calibration point, how
that differs between points (`density_sums`), off the axes too (`density_corners`), and what the fit
leaves unused of what the events know (`density_information`). A shift that is the same everywhere
is noise of the calibration, or a wrong density; one that moves with a parameter is a shape that
changes with it.
"""

from collections.abc import Iterator, Sequence
from itertools import compress

import numpy as np

from pullfactory.calibration import Calibration
from pullfactory.calibration.grid import label_point
from pullfactory.calibration.held_out import HeldOut, axis_points, corner_points, held_out_events
from pullfactory.errors import LikelihoodError
from pullfactory.inference.density_answer import Array, Judged, answer
from pullfactory.inference.density_changes import find_left_out
from pullfactory.inference.density_corners import corner_rows
from pullfactory.inference.density_information import Unused, unused_information
from pullfactory.inference.density_rows import (
    DensityLevel,
    DensityShift,
    DensityVerdict,
    TransformRow,
)
from pullfactory.inference.density_sums import (
    Ensemble,
    PointNumbers,
    covariance,
    point_numbers,
)
from pullfactory.inference.transforms import transforms
from pullfactory.likelihoods.density import DensityLikelihood
from pullfactory.methods import Method
from pullfactory.settings.study import Study

HELD_OUT = 200
"""Times the events of a toy: held-out events of a point from which a shift is told."""
_MOST_HELD_OUT = 2**20


def judge_densities(
    calibration: Calibration, rho: float, methods: Sequence[Method], events: int | None = None
) -> tuple[DensityVerdict, ...]:
    """Judge the densities that methods of a study fit at one rho.

    Args:
        calibration: Gives the points; its events are not looked at.
        rho: The correlation.
        methods: That fit joint densities.
        events: Held-out events of each point; None for 200 for each event of a toy, up to 2^20.
    """
    study = calibration.study
    wanted = events or min(HELD_OUT * study.ensemble.n_events, _MOST_HELD_OUT)
    free = np.array([parameter.free for parameter in study.parameter])
    points = np.concatenate([axis_points(calibration.points), corner_points(free)])
    samples = tuple(held_out_events(study, rho, points, wanted))
    found = []
    for method in methods:
        assert isinstance(method.likelihood, DensityLikelihood)
        found.append(judge_density(method.likelihood, samples, _asked(study, method, rho)))
    return tuple(found)


def _asked(study: Study, method: Method, rho: float) -> Judged:
    known = method.density
    assert known is not None
    drawn = study.ensemble.truth == "prior"
    sigma = np.array([parameter.truth_sigma for parameter in study.parameter])
    return Judged(
        method=method.name,
        rho=rho,
        observables=study.observable_names,
        ensemble=Ensemble(
            study.ensemble.n_events, study.constraint_information, method.aux_scatter
        ),
        reach=np.abs(study.truth_mean) + (sigma if drawn else 0.0),
        learnt_from=known.events,
        freedom=known.freedom,
    )


def judge_density(
    likelihood: DensityLikelihood, samples: Sequence[HeldOut], judged: Judged
) -> DensityVerdict:
    """Judge a density with held-out events of calibration points.

    Args:
        likelihood: Of the density.
        samples: Held-out events, the nominal point first, those on the axes of parameters, and of
            points where two of them change, if there are any.
        judged: What it is judged for.

    Returns:
        The verdict; "refused", with the reason, where events cannot be taken.
    """
    names = likelihood.parameters
    labels = [label_point(names, one.theta) for one in samples]
    events = min((len(one.events) for one in samples), default=0)
    try:
        points = [
            point_numbers(likelihood, one, judged.ensemble, label)
            for one, label in zip(samples, labels, strict=True)
        ]
    except LikelihoodError as error:
        return _refused(judged, events, str(error))
    on_axes = [np.count_nonzero(one.theta) < 2 for one in samples]
    at, named = tuple(compress(points, on_axes)), tuple(compress(labels, on_axes))
    seen = tuple(compress(samples, on_axes))
    unused = unused_information(likelihood, seen, judged.ensemble, points[0])
    far = np.where(judged.reach > 0, judged.reach, points[0].claimed[0])
    levels = tuple(_levels(at, names, unused))
    shifts = tuple(_shifts(at, names, named, far))
    corners = tuple(corner_rows(points, names, labels, far))
    left_out = tuple(find_left_out(likelihood.density, seen, names))
    said, reason = answer(levels, shifts, corners, left_out, events, judged)
    return DensityVerdict(
        method=judged.method,
        rho=judged.rho,
        answer=said,
        reason=reason,
        events=events,
        levels=levels,
        shifts=shifts,
        left_out=left_out,
        transforms=tuple(_transforms(likelihood, seen, named, judged.observables)),
        corners=corners,
    )


def _refused(judged: Judged, events: int, reason: str) -> DensityVerdict:
    return DensityVerdict(
        method=judged.method,
        rho=judged.rho,
        answer="refused",
        reason=reason,
        events=events,
        levels=(),
        shifts=(),
        left_out=(),
        transforms=(),
    )


def _levels(
    points: Sequence[PointNumbers], names: Sequence[str], unused: Unused
) -> Iterator[DensityLevel]:
    """The shift over independent samples, of each the point nearest to the nominal one."""
    samples = dict.fromkeys(one.sample for one in points)
    first = [next(one for one in points if one.sample == sample) for sample in samples]
    shift = np.mean([one.shift[0] for one in first], axis=0)
    spread = covariance([one.shift for one in first], list(samples)).sum(axis=(0, 1))
    error = np.sqrt(spread) / len(first)
    nominal = points[0]
    width_error = np.sqrt(covariance([nominal.width], [0])[0, 0])
    for k, name in enumerate(names):
        yield DensityLevel(
            parameter=name,
            level=float(shift[k]),
            level_error=float(error[k]),
            width=float(nominal.width[0, k]),
            width_error=float(width_error[k]),
            claimed_error=float(nominal.claimed[0, k]),
            excess=float(unused.excess[k]),
            excess_error=float(unused.error[k]),
        )


def _shifts(
    points: Sequence[PointNumbers], names: Sequence[str], labels: Sequence[str], far: Array
) -> Iterator[DensityShift]:
    samples = [one.sample for one in points]
    spread = covariance([one.shift for one in points], samples)
    width_spread = covariance([one.width for one in points], samples)
    nominal = points[0]
    for i, (point, label) in enumerate(zip(points, labels, strict=True)):
        moved = np.flatnonzero(point.theta)
        part = min([1.0, *(far[moved] / np.abs(point.theta[moved]))]) if i else 1.0
        apart = spread[i, i] + spread[0, 0] - 2.0 * spread[i, 0] if i else np.zeros(len(names))
        for k, name in enumerate(names):
            yield DensityShift(
                point=label,
                along=names[moved[0]] if i else None,
                parameter=name,
                shift=float(point.shift[0, k]),
                shift_error=float(np.sqrt(spread[i, i, k])),
                difference=float(point.shift[0, k] - nominal.shift[0, k]),
                difference_error=float(np.sqrt(max(apart[k], 0.0))),
                paired=point.sample == nominal.sample,
                reach=float(part),
                width=float(point.width[0, k]),
                width_error=float(np.sqrt(width_spread[i, i, k])),
            )


def _transforms(
    likelihood: DensityLikelihood,
    samples: Sequence[HeldOut],
    labels: Sequence[str],
    observables: Sequence[str],
) -> Iterator[TransformRow]:
    for sample, label in zip(samples, labels, strict=True):
        for name, one in zip(observables, transforms(likelihood, sample), strict=True):
            yield TransformRow(
                point=label,
                observable=name,
                counts=tuple(one.counts.tolist()),
                errors=tuple(one.errors.tolist()),
                distance=one.distance,
                p_value=one.p_value,
            )
