"""Learning a flow from calibration events, with the covariance of what is learnt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import Array, jax, jit, jnp
from pullfactory.densities import Family
from pullfactory.errors import CalibrationError
from pullfactory.flows.changes import ChangeRow, axis_point, find_changes
from pullfactory.flows.conditional import Conditional
from pullfactory.flows.degrees import DegreeRow, choose_map
from pullfactory.flows.density import FlowDensity
from pullfactory.flows.sums import FlowSample, event_gradients
from pullfactory.flows.training import TrainedMap, train_map
from pullfactory.flows.usable import refuse_unusable
from pullfactory.flows.verdict import FlowVerdict
from pullfactory.simulation.response import Response

Shape = Literal["auto", "fixed", "linear"]
"""Whether maps change with the parameters: where a test asks for it, never, always."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LearntFlow:
    """A flow with what its learning tells.

    Attributes:
        observables: Names, in the study's order.
        parameters: Names.
        density: The flow.
        covariance: Of its coefficients in the order of `FlowDensity.free`, shape (coefficients,
            coefficients): of events as independent as they are, points of one sample together.
        events: Independent events that it is learnt from; of weighted ones their effective number;
            0 if it is exact.
        degrees: The maps that were tried.
        changes: Tests of whether maps change with the parameters.
        verdict: Of events that it was not learnt from; None before it is judged.
    """

    observables: tuple[str, ...]
    parameters: tuple[str, ...]
    density: FlowDensity
    covariance: NDArray[np.float64]
    events: int
    degrees: tuple[DegreeRow, ...] = ()
    changes: tuple[ChangeRow, ...] = ()
    verdict: FlowVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPlan:
    """How a flow is learnt.

    Attributes:
        observables: Names.
        parameters: Names.
        order: Positions of the observables in the order of the map.
        shape: Whether maps change with the parameters.
        degree: Largest degree of a polynomial.
        n_events: Of a data set, in which a change has to matter.
        declared: Whether the family of the first observable in the order is its exact marginal.
    """

    observables: tuple[str, ...]
    parameters: tuple[str, ...]
    order: tuple[int, ...]
    shape: Shape = "auto"
    degree: int = 5
    n_events: int = 2000
    declared: bool = False


def learn_flow(
    samples: Sequence[FlowSample],
    response: Response,
    families: tuple[Family, ...],
    plan: FlowPlan,
) -> LearntFlow:
    """Learn a flow.

    Args:
        samples: Calibration events at points, the nominal one first.
        response: Calibrated response that the normal scores of the events were taken with.
        families: Density family of each observable, which they were taken with.
        plan: How.

    Raises:
        CalibrationError: If events have negative weights, lack observables, are too few, do not
            determine the flow, or one observable is known from the others.
    """
    for sample in samples:
        refuse_unusable(sample, plan.observables, plan.order)
    samples = [sample.scaled() for sample in samples]
    unchanging = np.zeros(len(plan.parameters), dtype=bool)
    learnt = tuple(range(int(plan.declared), len(plan.order)))
    found = {k: _named_map(k, samples, plan, len(learnt) * len(unchanging)) for k in learnt}
    maps = tuple(found[k][0] if k in found else None for k in range(len(plan.order)))
    trained = tuple(found[k][1] if k in found else None for k in range(len(plan.order)))
    density = FlowDensity(
        response=response,
        coefficients=tuple(
            np.zeros((0, 0)) if one is None else one.coefficients for one in trained
        ),
        families=families,
        order=plan.order,
        maps=maps,
        linear=tuple(
            tuple(bool(row.any()) for row in one.coefficients[1:])
            if one is not None
            else (False,) * len(unchanging)
            for one in trained
        ),
    )
    return LearntFlow(
        observables=plan.observables,
        parameters=plan.parameters,
        density=density,
        covariance=_covariance(density, trained, samples),
        events=round(sum(one.effective for one in _used(samples, unchanging))),
        degrees=tuple(row for k in learnt for row in found[k][2]),
        changes=tuple(row for k in learnt for row in found[k][3]),
    )


def _named_map(
    k: int, samples: Sequence[FlowSample], plan: FlowPlan, tests: int
) -> tuple[Conditional, TrainedMap, tuple[DegreeRow, ...], tuple[ChangeRow, ...]]:
    """As `_learn_map`; what is wrong is told of an observable by its name."""
    try:
        return _learn_map(k, samples, plan, tests)
    except CalibrationError as error:
        name = plan.observables[plan.order[k]]
        raise CalibrationError(f"observable {name!r}: {error}") from None


def _learn_map(
    k: int, samples: Sequence[FlowSample], plan: FlowPlan, tests: int
) -> tuple[Conditional, TrainedMap, tuple[DegreeRow, ...], tuple[ChangeRow, ...]]:
    """The map of one observable, the maps that were tried, and the tests of its changes."""
    linear = np.full(len(samples[0].theta), plan.shape == "linear")
    fixed = _used(samples, np.zeros_like(linear))
    conditional, tried = choose_map(k, plan.degree, fixed)
    trained = train_map(conditional, fixed, [False] * len(linear))
    changes: tuple[ChangeRow, ...] = ()
    if plan.shape == "auto":
        changes = find_changes(conditional, trained, samples, tests=tests, n_events=plan.n_events)
        linear[[row.parameter for row in changes if row.linear]] = True
    if linear.any():
        used = _used(samples, linear)
        trained = train_map(conditional, used, linear.tolist(), trained.coefficients[0])
    return conditional, trained, tried, changes


def influences(
    density: FlowDensity, samples: Sequence[FlowSample]
) -> Iterator[tuple[int, slice, NDArray[np.float64]]]:
    """Gradients of the log densities of events by all coefficients, for each independent event.

    Those of the points of one sample are summed event by event; times the inverse Hessian they are
    the influence functions of the coefficients (van der Vaart, Asymptotic Statistics,
    doi:10.1017/CBO9780511802256, section 5.3).

    Args:
        density: The flow.
        samples: What it was learnt from.

    Yields:
        Number of the independent sample, some of its events, and their weighted gradients, shape
        (coefficients, events).
    """
    scaled = [sample.scaled() for sample in samples]
    for owner, first, last, found in _event_gradients(density, scaled):
        yield owner, slice(first, last), np.asarray(found[:, : last - first])


def _event_gradients(
    density: FlowDensity, samples: Sequence[FlowSample]
) -> Iterator[tuple[int, int, int, jax.Array]]:
    """As `influences`, padded with events without weight: sample, first, behind the last, all."""
    learnt = [(k, one) for k, one in enumerate(density.maps) if one is not None]
    used = {k: {id(s) for s in _used(samples, np.array(density.linear[k]))} for k, _ in learnt}
    for owner in sorted({sample.owner for sample in samples}):
        own = [sample for sample in samples if sample.owner == owner]
        first = 0
        for pieces in zip(*(sample.chunks() for sample in own), strict=True):
            parts = [jnp.zeros((0, len(pieces[0][1])))]
            for k, conditional in learnt:
                total: jax.Array | None = None
                for sample, (scores, weights) in zip(own, pieces, strict=True):
                    if id(sample) not in used[k]:
                        continue
                    at = density.coefficients_at(k, sample.theta)
                    steps = np.array([1.0, *sample.theta])[list(density.rows(k))]
                    each = _stepped(conditional, scores[: k + 1], weights, at, steps)
                    total = each if total is None else total + each
                size = len(density.rows(k)) * conditional.size
                parts.append(jnp.zeros((size, len(pieces[0][1]))) if total is None else total)
            last = min(first + len(pieces[0][1]), own[0].events)
            yield owner, first, last, jnp.concatenate(parts)
            first = last


@partial(jit, static_argnames="conditional")
def _stepped(
    conditional: Conditional, scores: Array, weights: Array, coefficients: Array, steps: Array
) -> jax.Array:
    """Weighted gradients by the coefficients of all learnt rows, shape (rows size, events)."""
    gradients = event_gradients(conditional, scores, coefficients) * jnp.asarray(weights)
    return (jnp.asarray(steps)[:, None, None] * gradients).reshape(-1, gradients.shape[1])


@jit
def _products(gradients: jax.Array) -> jax.Array:
    return gradients @ gradients.T


def _used(samples: Sequence[FlowSample], linear: NDArray[np.bool_]) -> list[FlowSample]:
    """Points that a map is learnt from: one of each sample, and the axes that it changes on."""
    found: list[FlowSample] = []
    for sample in samples:
        on_axis = any(
            sample is axis_point(samples, int(p), step)
            for p in np.flatnonzero(linear)
            for step in (1.0, -1.0)
        )
        if on_axis or all(sample.owner != one.owner for one in found):
            found.append(sample)
    return found


def _covariance(
    density: FlowDensity, trained: Sequence[TrainedMap | None], samples: Sequence[FlowSample]
) -> NDArray[np.float64]:
    """Sandwich of the inverse Hessians and the products of the gradients of independent events."""
    inverses = [np.linalg.inv(one.hessian) for one in trained if one is not None]
    ends = np.cumsum([0, *(len(one) for one in inverses)])
    bread = np.zeros(2 * (int(ends[-1]),))
    for inverse, first, last in zip(inverses, ends, ends[1:], strict=False):
        bread[first:last, first:last] = inverse
    meat = np.zeros_like(bread)
    for *_, gradients in _event_gradients(density, samples):
        meat += np.asarray(_products(gradients))
    return np.asarray(bread @ meat @ bread.T)
