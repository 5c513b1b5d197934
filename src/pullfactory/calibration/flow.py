"""The flow that calibration samples tell, at each correlation of the scan."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.calibration.crew import Crew
from pullfactory.calibration.grid import sample_index
from pullfactory.calibration.samples import SampleSource
from pullfactory.errors import CalibrationError
from pullfactory.flows.density import gaussian_flow
from pullfactory.flows.learning import FlowPlan, LearntFlow, learn_flow
from pullfactory.flows.sums import FlowSample
from pullfactory.settings.study import Study
from pullfactory.simulation.response import Response

_CHUNK = 2**18  # events at a time, as for joint templates: what they have in common is the same


def learn_flows(
    study: Study, source: SampleSource, response: Response, crew: Crew
) -> tuple[LearntFlow, ...]:
    """The flow at each point of the scan.

    Args:
        study: The study.
        source: Of its calibration samples.
        response: Calibrated with them.
        crew: Learns them. The result does not depend on it.

    Raises:
        CalibrationError: If the events do not determine it, or an exact one is not known.
    """
    plan = flow_plan(study)
    if study.calibration.source == "exact":
        return tuple(_exact(study, response, plan, rho) for rho in study.ensemble.rho)
    learn = partial(_learn, study, source, response, plan)
    found = dict(crew.each(learn, range(len(study.ensemble.rho)), "flows"))
    return tuple(found[i] for i in range(len(study.ensemble.rho)))


def flow_plan(study: Study) -> FlowPlan:
    """How the flow of a study is learnt.

    Args:
        study: Says whether the densities of its observables are marginals of its events too.
    """
    settings, order = study.flow_settings, study.flow_order
    kept = study.ensemble.dependence != "linear" or all(one.sufficient for one in study.families)
    return FlowPlan(
        observables=study.observable_names,
        parameters=study.parameter_names,
        order=order,
        shape=settings.shape,
        degree=settings.degree,
        n_events=study.ensemble.n_events,
        declared=kept or order[0] == 0,
    )


def refuse_foreign(study: Study, response: Response, flow: LearntFlow | None) -> None:
    """Refuse a stored flow of another calibration.

    Args:
        study: Of the calibration that has it.
        response: Of that calibration.
        flow: What is stored; None if there is none.

    Raises:
        ValueError: If its names, densities, order or response are others.
    """
    if flow is None:
        return
    plan, density = flow_plan(study), flow.density
    for what, same in (
        ("observables", flow.observables == plan.observables),
        ("parameters", flow.parameters == plan.parameters),
        ("order", density.order == plan.order),
        ("densities", density.families == study.families),
        ("response", all(map(np.array_equal, density.response, response))),
    ):
        if not same:
            raise ValueError(f"its flow is of another calibration, with other {what}")


def flow_samples(
    study: Study, source: SampleSource, response: Response, rho: float
) -> list[FlowSample]:
    """Calibration events at the nominal point and at +-1 of each parameter.

    A parameter that varies the reconstruction varies the nominal events.

    Args:
        study: The study.
        source: Of its calibration samples.
        response: Calibrated, which standardises them.
        rho: Factor of the off-diagonal part of the correlation matrix.
    """
    n = len(study.parameter)
    points = np.concatenate([np.zeros((1, n)), np.eye(n), -np.eye(n)])
    owners = sample_index(study.resimulated, points)
    factor, order = study.cholesky(rho), list(study.flow_order)
    found: dict[int, FlowSample] = {}
    for owner in np.unique(owners).tolist():
        where = np.flatnonzero(owners == owner)
        scores = np.empty((len(where), len(order), source.events))
        normals = source.normals(owner)
        for first in range(0, source.events, _CHUNK):
            some = slice(first, first + _CHUNK)
            standard = source.mixer(normals[:, some], owner, first)(factor)
            for each, point in zip(scores, points[where], strict=True):
                events = source.model.place(point, standard)
                each[:, some] = _normal_scores(study, response, point, events)[order]
        for each, p in zip(scores, where, strict=True):
            found[int(p)] = FlowSample(points[p], each, None, owner)
    return [found[p] for p in range(len(points))]


def _learn(
    study: Study, source: SampleSource, response: Response, plan: FlowPlan, which: int
) -> LearntFlow:
    samples = flow_samples(study, source, response, study.ensemble.rho[which])
    return learn_flow(samples, response, study.families, plan)


def _normal_scores(
    study: Study,
    response: Response,
    point: NDArray[np.float64],
    events: list[NDArray[np.float64]],
) -> NDArray[np.float64]:
    location, scale = response(point)
    scores = [
        member.to_normal(jnp.asarray((x - location[o]) / scale[o]))
        for o, (member, x) in enumerate(zip(study.families, events, strict=True))
    ]
    return np.stack([np.asarray(row) for row in scores])


def _exact(study: Study, response: Response, plan: FlowPlan, rho: float) -> LearntFlow:
    if not study.has_normal_scores:
        raise CalibrationError(
            f"{study.without_normal_scores}, and its exact flow is not known; use "
            'calibration.source = "simulated" with large samples'
        )
    density = gaussian_flow(response, study.families, study.correlation(rho), plan.order)
    size = len(np.asarray(density.free))
    return LearntFlow(
        observables=plan.observables,
        parameters=plan.parameters,
        density=density,
        covariance=np.zeros((size, size)),
        events=0,
    )
