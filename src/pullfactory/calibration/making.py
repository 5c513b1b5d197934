"""Making the calibration of a study: from samples, or the exact one."""

from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pullfactory._cache import keep, recall
from pullfactory._jax import double_precision
from pullfactory.binning.edges import choose_edges, exact_probabilities
from pullfactory.calibration._calibration import Calibration
from pullfactory.calibration._store import digest
from pullfactory.calibration.crew import Crew
from pullfactory.calibration.grid import calibration_points, label_points, sample_index
from pullfactory.calibration.histograms import fine_edges, varied_histogram, with_tails
from pullfactory.calibration.joint import learn_joint
from pullfactory.calibration.learning import Learnt, SimulatedSample, join_samples, learn_sample
from pullfactory.calibration.moments import fit_response
from pullfactory.calibration.samples import SampleSource
from pullfactory.errors import CalibrationError
from pullfactory.progress import Advance, Progress, silent, unseen
from pullfactory.settings.study import Study
from pullfactory.simulation.response import Response


@double_precision
def make_calibration(
    study: Study, crew: Crew, *, replica: int = 0, progress: Progress = silent
) -> Calibration:
    """Make the calibration samples of a study and learn from them; see `pullfactory.calibrate`.

    Args:
        study: The study.
        crew: Makes the samples. The result does not depend on it.
        replica: Which of many independent repetitions, from 0.
        progress: How the stage shows that it goes on, point by point; from several threads.

    Raises:
        CalibrationError: If a template is unusable or a fit fails.
    """
    points = calibration_points(study.parameter, study.workspace, study.calibration.grid)
    steps = len(points) * len(study.observable)
    key = digest(study, replica)
    with progress("calibration", steps) as advance:
        kept = None if key is None else _recalled(key)
        if kept is not None:
            advance(steps)
            return replace(kept, study=study)
        source = SampleSource.of(study, replica)
        if study.calibration.source == "exact":
            made = _exact(study, points)
            advance(steps)
        else:
            made = _simulated(study, points, source, crew, advance)
        joint = learn_joint(study, source, made.moments[0], made.response, crew)
    made = replace(made, joint=joint)
    if key is not None:
        keep("calibrations", key, made.to_dict())
    return made


def with_joint(calibration: Calibration, crew: Crew) -> Calibration:
    """A calibration with what samples tell of its observables together, learnt anew.

    Args:
        calibration: Of a set of observables; see `Calibration.subset`.
        crew: Makes the samples. The result does not depend on it.

    Raises:
        CalibrationError: If something cannot be learnt.
    """
    source = SampleSource.of(calibration.study, 0)
    moments, response = calibration.moments[0], calibration.response
    return replace(
        calibration, joint=learn_joint(calibration.study, source, moments, response, crew)
    )


def _recalled(key: str) -> Calibration | None:
    """The calibration as it was kept, if it was and is whole."""
    content = recall("calibrations", key)
    if content is None:
        return None
    try:
        return Calibration.from_dict(content)
    except (CalibrationError, KeyError, TypeError, ValueError):
        return None


def _simulated(
    study: Study,
    points: NDArray[np.float64],
    source: SampleSource,
    crew: Crew,
    advance: Advance,
) -> Calibration:
    samples = sample_index(study.resimulated, points)
    nominal = SimulatedSample(source, points[samples == samples[0]], int(samples[0]))
    edges = choose_edges(study.observable, study.channel_bins, nominal.nominal_events())
    learn = partial(_learn, source, points, samples, edges, advance if crew.here else unseen)
    learnt = {}
    for sample, one in crew.each(learn, np.unique(samples).tolist(), "samples"):
        learnt[sample] = one
        advance(0 if crew.here else int(np.sum(samples == sample)) * len(edges))
    whole = join_samples(samples, learnt)
    n_obs, labels = len(edges), label_points(study.parameter_names, points)
    fits = [fit_response(points, whole.moments[:, o], whole.covariance[o]) for o in range(n_obs)]
    variance = np.stack([np.diag(each).reshape(-1, 2) for each in whole.covariance], axis=1)
    return Calibration(
        study=study,
        points=points,
        moments=whole.moments,
        moment_errors=np.sqrt(variance),
        response=Response(
            mu=np.array([fit.mu[0] for fit in fits]),
            mu_slopes=np.array([fit.mu[1:] for fit in fits]),
            sigma=np.array([fit.sigma[0] for fit in fits]),
            sigma_slopes=np.array([fit.sigma[1:] for fit in fits]),
        ),
        response_covariance=np.array([fit.covariance for fit in fits]),
        edges=edges,
        counts=whole.counts,
        spectra=tuple(
            varied_histogram(labels, study.observable[o], fine_edges(edges[o]), whole.spectra[o])
            for o in range(n_obs)
        ),
    )


def _learn(
    source: SampleSource,
    points: NDArray[np.float64],
    samples: NDArray[np.int64],
    edges: tuple[NDArray[np.float64], ...],
    advance: Advance,
    sample: int,
) -> Learnt:
    """What one of the samples gives, for its points."""
    return learn_sample(source, points[samples == sample], sample, edges, advance)


def _exact(study: Study, points: NDArray[np.float64]) -> Calibration:
    """The control without calibration noise: true response, bin contents from the densities."""
    edges = choose_edges(study.observable, study.channel_bins, None)
    response = Response.from_study(study)
    location, scale = response(points)
    n_events = study.calibration.events_per_point
    n_obs, n_slopes = len(study.observable), 2 + 2 * len(study.parameter)
    fine = tuple(fine_edges(edge) for edge in edges)
    labels = label_points(study.parameter_names, points)
    moments = np.stack([location, scale], axis=-1)
    return Calibration(
        study=study,
        points=points,
        moments=moments,
        moment_errors=np.zeros_like(moments),
        response=response,
        response_covariance=np.zeros((n_obs, n_slopes, n_slopes)),
        edges=edges,
        counts=tuple(
            n_events * probabilities
            for probabilities in exact_probabilities(study, edges, location, scale)
        ),
        spectra=tuple(
            varied_histogram(
                labels, study.observable[o], fine[o], n_events * probabilities[:, 1:-1]
            )
            for o, probabilities in enumerate(
                exact_probabilities(study, [with_tails(f) for f in fine], location, scale)
            )
        ),
    )
