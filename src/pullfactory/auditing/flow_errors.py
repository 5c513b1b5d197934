"""Errors of the joint fit of an audit without toys, and what they owe to the finite samples.

The claimed error is from the curvature of the log density of the nominal events, weighted to the
data; the actual one from the covariance of their scores besides (White 1982, doi:10.2307/1912526).
Apart from both stands what another draw of the samples would do, of which every fit of data has the
same: the numbers of the flow move by the influence functions of its coefficients, and with the
locations and scales that it is learnt with. All are sums over groups of events, so that what
samples, points and processes have in common is paired.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit, jnp
from pullfactory.auditing.densities import place_response
from pullfactory.auditing.flow import FlowModel
from pullfactory.auditing.flow_points import FlowPoint
from pullfactory.auditing.influence import centred
from pullfactory.auditing.prediction import GroupSums, PredictedErrors
from pullfactory.auditing.tally import GROUPS
from pullfactory.errors import CalibrationError
from pullfactory.events import first_rows
from pullfactory.flows.learning import influences
from pullfactory.likelihoods.density import DensityLikelihood
from pullfactory.methods.flow_noise import number_gradients

_CHUNK = 2**13  # events at once
_SEEN = 2**15  # events of a point whose gradients stand for all of its events

Array = NDArray[np.float64]


def predict_flow(model: FlowModel) -> PredictedErrors:
    """Predict errors of the joint fit.

    The bootstrap draws the nominal events again, the density stays as it is; `template` of what is
    found is what another draw of all samples would move the estimates by.

    Args:
        model: The flow.

    Raises:
        CalibrationError: If it does not tell the parameters apart.
    """
    likelihood = model.method.likelihood
    assert isinstance(likelihood, DensityLikelihood)
    nominal = model.events.points[0]
    clustered = model.audit.expected.config.repeated == "cluster"
    information, scatter = _groups(likelihood, nominal, clustered=clustered)
    sums = GroupSums(
        information=information,
        scatter=scatter,
        penalty=likelihood.constraint,
        terms=nominal.events.size,
        size=model.audit.expected.n_events,
    )
    inverse, actual = sums.covariances(np.ones((1, GROUPS)))
    if not np.isfinite(inverse).all():
        raise CalibrationError(
            "the flow does not tell the parameters apart at the nominal point; fix one of them, or "
            "add an observable"
        )
    claimed, spread = (
        np.sqrt(np.diagonal(matrix, axis1=1, axis2=2)) * model.steps
        for matrix in sums.covariances(model.audit.expected.redraws())
    )
    outer = np.outer(model.steps, model.steps)
    return PredictedErrors.of_replicas(
        likelihood.parameters,
        (inverse[0] * outer, actual[0] * outer),
        (claimed, spread),
        np.sqrt(np.diag(_noise(model, inverse[0]))) * model.steps,
    )


def _chunks(point: FlowPoint, most: int | None = None) -> Iterator[tuple[Array, Array, slice]]:
    """Events and weights of a fixed number at a time, padded with weight 0, and which they are."""
    number = min(len(point.weights), most or len(point.weights))
    for first in range(0, number, _CHUNK):
        last = min(first + _CHUNK, number)
        events = np.tile(point.events[:1], (_CHUNK, 1))
        weights = np.zeros(_CHUNK)
        events[: last - first] = point.events[first:last]
        weights[: last - first] = point.weights[first:last]
        yield events, weights, slice(first, last)


def _groups(
    likelihood: DensityLikelihood, nominal: FlowPoint, *, clustered: bool
) -> tuple[Array, Array]:
    """Information of each group of events, and covariance of its score, (groups, pars, pars)."""
    n_pars = len(likelihood.parameters)
    information = np.zeros((GROUPS, n_pars, n_pars))
    theta, groups, scores = np.zeros(n_pars), nominal.groups, []
    for events, weights, which in _chunks(nominal):
        of = np.zeros(len(weights), dtype=np.intp)
        of[: which.stop - which.start] = groups[which]
        own, bends = _curvature(likelihood, theta, events, weights, of)
        information += np.asarray(bends)
        scores.append(np.asarray(own)[:, : which.stop - which.start])
    weighed = np.concatenate(scores, axis=1) * np.sqrt(nominal.weights)
    if clustered:
        first = first_rows(nominal.keys)
        weighed = np.stack([np.bincount(first, each, len(first)) for each in weighed])
    scatter = np.zeros_like(information)
    for a in range(n_pars):
        for b in range(a + 1):
            each = np.bincount(groups, weighed[a] * weighed[b], GROUPS)
            scatter[:, a, b] = scatter[:, b, a] = each
    return information, scatter


@jit
def _curvature(
    likelihood: DensityLikelihood,
    theta: jax.Array,
    events: jax.Array,
    weights: jax.Array,
    groups: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Scores of events, and what each group has of the information."""

    def total(at: jax.Array) -> tuple[jax.Array, jax.Array]:
        scores = likelihood.scores(at, events)
        return jnp.zeros((GROUPS, len(at))).at[groups].add((scores * weights).T), scores

    bends, scores = jax.jacfwd(total, has_aux=True)(theta)
    return scores, -0.5 * (bends + bends.swapaxes(1, 2))


def _noise(model: FlowModel, inverse: Array) -> Array:
    """Covariance of estimates over new samples, in calibration steps, (parameters, parameters)."""
    moves, theta = _moves(model), np.zeros(len(inverse))
    change = np.zeros((len(inverse), moves.shape[-1]))
    for events, weights, _ in _chunks(model.events.points[0]):
        change += np.asarray(_slopes(model.density, theta, events, weights))
    shifts = centred(moves).reshape(-1, moves.shape[-1]) @ change.T @ inverse
    return np.asarray(shifts.T @ shifts)


def _moves(model: FlowModel) -> Array:
    """How the numbers of the flow move with one more copy of each group of events.

    Returns:
        Shape (groups, families, numbers): those of the response, then the coefficients.
    """
    marginals, events = model.marginals, model.events
    slopes = np.asarray(jax.jacfwd(_numbers)(jnp.asarray(marginals.places)))
    response = np.zeros((GROUPS, len(events.families), len(slopes)))
    for f, name in enumerate(events.families):
        if name in marginals.moved:
            moved = marginals.moved[name]
            response[:, f] = np.tensordot(moved, slopes, ((1, 2, 3), (1, 2, 3)))
    products, weight = _products(model)
    n = len(slopes)
    information = weight * products[n:, n:] + np.eye(len(products) - n)
    pulls = _pulls(model) - response @ (weight * products[n:, :n]).T
    coefficients = np.linalg.solve(information, pulls.reshape(-1, pulls.shape[-1]).T).T
    return np.concatenate([response, coefficients.reshape(pulls.shape)], axis=-1)


def _numbers(places: jax.Array) -> jax.Array:
    """Numbers of the response in the order of `number_gradients`."""
    response: Any = place_response(places)
    own = (response.mu[:, None], response.mu_slopes, response.sigma[:, None], response.sigma_slopes)
    return jnp.concatenate(own, axis=1).ravel()


def _pulls(model: FlowModel) -> Array:
    """Gradients of what is learnt by the coefficients, summed over groups of events.

    Where the sum of weights of a sample is given, more events weigh less each.

    Returns:
        Shape (groups, families, coefficients).
    """
    events, density = model.events, model.density
    families = len(events.families)
    found = np.zeros((GROUPS * families, len(np.asarray(density.free))))
    first = {point.owner: point for point in reversed(events.points)}
    cells = {owner: one.groups * families + one.families for owner, one in first.items()}
    for owner, which, gradients in influences(density, model.samples):
        place = cells[owner][which]
        for j, each in enumerate(gradients):
            found[:, j] += np.bincount(place, each, len(found))
    pulls = found.reshape(GROUPS, families, -1)
    for f, given in enumerate(events.normalised):
        if given:
            pulls[:, f] -= _part(events.points, f)[:, None] * pulls[:, f].sum(axis=0)
    return pulls


def _part(points: tuple[FlowPoint, ...], family: int) -> Array:
    """Part of each group in the weights of a family, shape (groups,)."""
    weights = np.zeros(GROUPS)
    for point in points:
        own = point.families == family
        weights += np.bincount(point.groups[own], point.weights[own], GROUPS)
    return np.asarray(weights / weights.sum())


def _products(model: FlowModel) -> tuple[Array, float]:
    """Mean products of the gradients by all numbers over what is learnt from, and its weight."""
    density = model.density
    linear = [any(changes) for changes in zip(*density.linear, strict=True)]
    numbers = np.size(density.response.mu) + np.size(density.response.mu_slopes)
    size = 2 * numbers + len(np.asarray(density.free))
    owners, total, products = set[int](), 0.0, np.zeros((size, size))
    for point in model.events.points:
        axis = np.flatnonzero(point.theta)
        if point.owner in owners and not (len(axis) and linear[axis[0]]):
            continue
        owners.add(point.owner)
        sums, seen = np.zeros_like(products), 0.0
        for events, weights, _ in _chunks(point, _SEEN):
            sums += np.asarray(_squares(density, point.theta, events, weights))
            seen += float(weights.sum())
        products += point.number * sums / seen
        total += point.number
    return products / total, total


@jit
def _squares(density: Any, theta: jax.Array, events: jax.Array, weights: jax.Array) -> jax.Array:
    found = number_gradients(density, events, theta)
    return jnp.asarray(found.T @ (found * weights[:, None]))


@jit
def _slopes(density: Any, theta: jax.Array, events: jax.Array, weights: jax.Array) -> jax.Array:
    """Derivatives of the score of the data by the numbers, shape (parameters, numbers)."""
    return jnp.asarray(
        jax.jacfwd(lambda at: weights @ number_gradients(density, events, at))(theta).T
    )
