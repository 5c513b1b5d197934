"""What the fits of a flow owe to the noise of the calibration events that it has learnt from.

A flow predicts the log density of every event of a data set. It is learnt in coordinates that a
response with noise has standardised, and takes up what it can of that noise: with the mean products
H of the gradients by the coefficients c and the numbers r of the response, at the points that it is
learnt from, an error of r moves c by - H_cc^-1 H_cr times it. What is left is noise of what the
coefficients cannot describe, the slopes with the free parameters. That of the coefficients is the
sum of their influence functions over the calibration events (`LearntFlow.covariance`). The two are
taken as independent: the one is made of sums over the samples of a free parameter, the other of
differences between them.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import block_diag

from pullfactory._jax import jax, jit, jnp
from pullfactory.calibration import Calibration
from pullfactory.calibration.held_out import axis_points, held_out_events
from pullfactory.flows.density import FlowDensity
from pullfactory.methods.noise import Array, LocalPrediction, MethodNoise, NoiseSource
from pullfactory.simulation.response import Response

_EVENTS = 2**13  # whose log densities stand for those of a data set
_STEP = 0.02  # of numerical derivatives, in calibration steps
_DETERMINED = 1e-10  # part of the largest eigenvalue, below which a direction is rounding


def flow_noise(calibration: Calibration, rho: float, theta: Array) -> MethodNoise:
    """What the method `flow` owes to its coefficients and its response.

    Args:
        calibration: Gives the flow; the truth is not looked at, but to simulate more events.
        rho: Factor of the off-diagonal part of the correlation matrix.
        theta: True values, shape (points, parameters).
    """
    study, learnt = calibration.study, calibration.flow(rho)
    flow = learnt.density
    covariance = block_diag(*calibration.response_covariance, learnt.covariance)
    taken = _taken_up(calibration, flow, rho)

    def points() -> Iterator[LocalPrediction]:
        samples = held_out_events(study, rho, theta, _EVENTS)
        found = {tuple(one.theta): one.events for one in samples}
        for at in theta:
            yield _local(flow, found[tuple(at)], at, taken, study.ensemble.n_events)

    return MethodNoise(study.constraint_information, (NoiseSource(covariance, points),))


def _taken_up(calibration: Calibration, flow: FlowDensity, rho: float) -> Array:
    """By how much coefficients move with numbers of the response, shape (coefficients, numbers)."""
    study = calibration.study
    linear = [any(changes) for changes in zip(*flow.linear, strict=True)]
    points = axis_points(calibration.points)
    used, seen = [], set()
    for sample in held_out_events(study, rho, points, _EVENTS):
        axis = np.flatnonzero(sample.theta)
        if sample.sample not in seen or (len(axis) and linear[axis[0]]):
            used.append(sample)
            seen.add(sample.sample)
    numbers = 2 * len(study.observable) * (1 + len(study.parameter))
    products = sum(_squares(flow, one.events, one.theta) for one in used)
    matrix = np.asarray(products) / len(used)
    own = matrix[numbers:, numbers:] + np.eye(len(matrix) - numbers) / (
        len(used) * study.calibration.events_per_point
    )
    return np.asarray(-np.linalg.solve(own, matrix[numbers:, :numbers]))


@jit
def _squares(flow: FlowDensity, events: jax.Array, theta: jax.Array) -> jax.Array:
    found = number_gradients(flow, events, theta)
    return found.T @ found / len(events)


def number_gradients(flow: FlowDensity, events: jax.Array, theta: jax.Array) -> jax.Array:
    """Derivatives of the log densities of events by all numbers of a flow.

    Args:
        flow: The density.
        events: Shape (events, observables).
        theta: Shape (parameters,).

    Returns:
        Shape (events, numbers): of each observable location, its slopes, scale and its slopes, then
        the coefficients in the order of `FlowDensity.free`.
    """
    response = flow.response
    start = jnp.concatenate(
        [
            jnp.column_stack([jnp.asarray(response.mu), jnp.asarray(response.mu_slopes)]),
            jnp.column_stack([jnp.asarray(response.sigma), jnp.asarray(response.sigma_slopes)]),
        ],
        axis=1,
    )

    def log_prob(numbers: jax.Array) -> jax.Array:
        mu, sigma = jnp.split(numbers, 2, axis=1)
        other: Any = Response(*_split(mu), *_split(sigma))
        return replace(flow, response=other).log_prob(events, theta)

    of_response = jax.jacfwd(log_prob)(start).reshape(len(events), -1)
    shape, first, parts = flow.shape_scores(events, theta), 0, []
    for k, conditional in enumerate(flow.maps):
        if conditional is None:
            continue
        own = shape[:, first : first + conditional.size]
        first += conditional.size
        parts += [own if row == 0 else theta[row - 1] * own for row in flow.rows(k)]
    return jnp.concatenate([of_response, *parts], axis=1)


def _split(rows: jax.Array) -> tuple[Any, Any]:
    """Values at 0 and slopes."""
    return rows[:, 0], rows[:, 1:]


@jit
def _values(
    flow: FlowDensity, events: jax.Array, theta: jax.Array, taken: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Scores, shape (events, parameters), and changes with each number, shape (events, numbers)."""
    scores = jax.jacfwd(lambda at: flow.log_prob(events, at))(theta)
    found = number_gradients(flow, events, theta)
    n = taken.shape[1]
    own = found[:, :n] + found[:, n:] @ taken
    return scores, jnp.concatenate([own, found[:, n:]], axis=1)


def _local(
    flow: FlowDensity, events: Array, theta: Array, taken: Array, n_events: int
) -> LocalPrediction:
    """What is predicted, in as many orthogonal combinations of log densities as it takes.

    All sums over events that the noise needs are products of the scores, the changes with the
    numbers and the slopes of these; of the bends, with the changes. In an orthogonal basis of the
    former the weight is the unit matrix.
    """

    def changes(*steps: Array) -> Array:
        return np.asarray(_values(flow, events, theta + sum(steps), taken)[1])

    scores, response = map(np.asarray, _values(flow, events, theta, taken))
    axes = _STEP * np.eye(len(theta))
    above, below = ([changes(sign * e) for e in axes] for sign in (1.0, -1.0))
    slopes = [(a - b) / (2 * _STEP) for a, b in zip(above, below, strict=True)]
    columns = np.concatenate([scores, response, *slopes], axis=1) * np.sqrt(n_events / len(events))
    values, vectors = np.linalg.eigh(columns.T @ columns)
    kept = values > _DETERMINED * values[-1]
    basis = columns @ (vectors[:, kept] / np.sqrt(values[kept]))

    def in_basis(column: Array) -> Array:
        return np.asarray(basis.T @ column * np.sqrt(n_events / len(events)))

    size, numbers = len(theta), response.shape[1]
    bends = np.empty((size, size, basis.shape[1], numbers))
    for i in range(size):
        twice = above[i] - 2.0 * response + below[i]
        bends[i, i] = in_basis(twice) / _STEP**2
        for j in range(i):
            mixed = changes(axes[i], axes[j]) - above[i] - above[j] + 2.0 * response
            mixed += changes(-axes[i], -axes[j]) - below[i] - below[j]
            bends[i, j] = bends[j, i] = in_basis(mixed) / (2.0 * _STEP**2)
    return LocalPrediction(
        jacobian=in_basis(scores),
        weight=np.eye(basis.shape[1]),
        response=in_basis(response),
        slopes=np.stack([in_basis(one) for one in slopes]),
        bends=bends,
    )
