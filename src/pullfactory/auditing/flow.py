"""The joint fit of an audit: a density of all observables that is learnt from its samples.

The families, locations and scales of the observables are those of the product of their densities;
the flow (`pullfactory.flows`) learns how they belong together, and what families miss of them, from
the nominal events and those one step up and down in each parameter, all processes together with
their weights.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jnp
from pullfactory.auditing.densities import (
    Marginals,
    UnbinnedModel,
    learn_marginals,
    observing,
    place_response,
)
from pullfactory.auditing.flow_points import FlowPoint, FlowPoints, flow_points, refuse_unlearnable
from pullfactory.auditing.measurement import unbinned_obstacle
from pullfactory.auditing.model import AuditModel
from pullfactory.flows.density import FlowDensity
from pullfactory.flows.learning import FlowPlan, LearntFlow, learn_flow
from pullfactory.flows.sums import FlowSample
from pullfactory.likelihoods.density import DensityLikelihood, constrained_in
from pullfactory.methods import FLOW, Method
from pullfactory.settings.audit import AuditConfig
from pullfactory.settings.sections import FlowSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class FlowModel:
    """A joint density of the observables of an audit.

    Attributes:
        audit: The samples.
        learnt: The flow; its parameters are in calibration steps.
        marginals: Of the observables.
        events: Of the samples, at all points.
    """

    audit: AuditModel
    learnt: LearntFlow
    marginals: Marginals
    events: FlowPoints

    @classmethod
    def learn(cls, audit: AuditModel, unbinned: UnbinnedModel | None) -> Self:
        """Learn the joint density of the observables of an audit.

        Args:
            audit: The samples.
            unbinned: Densities of the observables, if they are known; else they are learnt, smooth
                where none is declared.

        Raises:
            CalibrationError: If the events do not determine it, or an observable has no density.
            EventsError: If weights are negative, or events lack an observable.
        """
        refuse_unlearnable(audit.expected)
        marginals = _marginals(audit, unbinned)
        events = flow_points(audit.expected, marginals.offsets)
        learnt = _learn(audit, marginals, events.points)
        return cls(audit=audit, learnt=learnt, marginals=marginals, events=events)

    @property
    def density(self) -> FlowDensity:
        """Of the observables with their offsets."""
        return self.learnt.density

    @property
    def steps(self) -> NDArray[np.float64]:
        """Unit of each parameter, shape (parameters,)."""
        return np.array([one.step for one in self.audit.expected.config.parameter])

    @property
    def fits_data(self) -> bool:
        """Whether there are data that it can take."""
        expected = self.audit.expected
        there = expected.config.sample_set.data is not None
        return there and unbinned_obstacle(expected.read("data")) is None

    @property
    def number(self) -> int:
        """Events of the smallest sample that it is learnt from."""
        return min(point.number for point in self.events.points)

    @property
    def samples(self) -> list[FlowSample]:
        """What it is learnt from."""
        return _samples(self.marginals, self.density.order, self.events.points)

    @cached_property
    def method(self) -> Method:
        """Fits toys and data."""
        likelihood = flow_likelihood(self.audit.expected.config, self.density)
        return Method(
            name=FLOW.name,
            likelihood=likelihood,
            observe=observing(likelihood, self.audit.likelihood, self.marginals.offsets),
            scatter=likelihood.scatter,
            expect=lambda _population: None,
            aux_scatter=likelihood.constraint,
        )


class FlowHalf(NamedTuple):
    """A flow of half of the events, and the other half.

    Attributes:
        learnt: The flow.
        held_out: Events that it has not seen, at all points.
        events: Of the smallest sample that it is learnt from.
    """

    learnt: LearntFlow
    held_out: tuple[FlowPoint, ...]
    events: int


def learn_half(model: FlowModel) -> FlowHalf:
    """Learn the flow again from half of the events of every sample.

    Args:
        model: The flow of all of them.

    Raises:
        CalibrationError: If they do not determine it.
    """
    seen, held_out = (tuple(one.half(i) for one in model.events.points) for i in (0, 1))
    return FlowHalf(
        learnt=_learn(model.audit, model.marginals, seen),
        held_out=held_out,
        events=min(one.number for one in seen),
    )


def flow_likelihood(config: AuditConfig, density: FlowDensity) -> DensityLikelihood:
    """The likelihood of a flow, with the constraints of an audit, in calibration steps.

    Args:
        config: The audit.
        density: The flow.
    """
    steps = np.array([one.step for one in config.parameter])
    constraint = config.constraint_information
    return DensityLikelihood(
        density=density,
        limits=np.array([one.bounds for one in config.parameter]) / steps[:, None],
        names=config.parameter_names,
        constraint=constraint,
        constrained=constrained_in(constraint),
    )


def _marginals(audit: AuditModel, unbinned: UnbinnedModel | None) -> Marginals:
    if unbinned is None:
        return learn_marginals(audit.expected, "auto")
    return Marginals(
        families=unbinned.families,
        places=unbinned.places,
        offsets=unbinned.offsets,
        moved=unbinned.moved,
        misfits=(),
    )


def _learn(audit: AuditModel, marginals: Marginals, points: tuple[FlowPoint, ...]) -> LearntFlow:
    config = audit.expected.config
    settings = config.flow or FlowSettings()
    plan = FlowPlan(
        observables=config.observable_names,
        parameters=config.parameter_names,
        order=settings.positions(config.observable_names),
        shape=settings.shape,
        degree=settings.degree,
        n_events=max(round(audit.expected.n_events), 1),
    )
    response = place_response(marginals.places)
    return learn_flow(_samples(marginals, plan.order, points), response, marginals.families, plan)


def _samples(
    marginals: Marginals, order: tuple[int, ...], points: tuple[FlowPoint, ...]
) -> list[FlowSample]:
    """Normal scores of the events at all points."""
    response, found = place_response(marginals.places), []
    for point in points:
        location, scale = (np.asarray(each) for each in response(point.theta))
        standard = (point.events - location) / scale
        scores = [
            np.asarray(marginals.families[o].to_normal(jnp.asarray(standard[:, o]))) for o in order
        ]
        weights = point.training_weights
        found.append(FlowSample(point.theta, np.stack(scores), weights, point.owner))
    return found
