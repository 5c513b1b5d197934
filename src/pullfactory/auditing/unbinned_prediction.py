"""Errors of the unbinned fit without toys, from the nominal events in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit
from pullfactory.auditing.densities import UnbinnedModel
from pullfactory.auditing.expected import ExpectedSample
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.prediction import GroupSums, PredictedErrors
from pullfactory.auditing.tally import GROUPS
from pullfactory.events import first_rows
from pullfactory.fitting.information import inverted
from pullfactory.fitting.sandwich import sandwich_covariance
from pullfactory.likelihoods import Likelihood
from pullfactory.simulation.toys import ToyBlock


def predict_unbinned(audit: AuditModel, model: UnbinnedModel, linear: LinearFit) -> PredictedErrors:
    """Predict claimed and actual errors of the unbinned fit at the nominal point.

    The bootstrap draws the events of all samples again: those that the expectations are taken of,
    and, to first order, those that locations and scales are learnt from. The shape of a smooth
    density stays as it is.

    Args:
        audit: Gives the samples, and the number of auxiliary values of a block.
        model: Densities of the observables.
        linear: The fit around the nominal point.
    """
    likelihood = model.method.likelihood
    expected = audit.expected
    clustered = expected.config.repeated == "cluster"
    block = _grouped(expected.nominal, len(audit.likelihood.aux_index), clustered=clustered)
    seen = model.method.observe(block)
    at = np.zeros((GROUPS, len(likelihood.parameters)))
    penalty = model.method.aux_scatter
    assert block.multiplicity is not None
    sums = GroupSums(
        information=np.asarray(_information(likelihood, at, seen.data)) - penalty,
        scatter=model.method.scatter(at, seen.pairs),
        penalty=penalty,
        terms=block.events.size,
        size=float(block.multiplicity.sum()),
    )
    inverse, actual = sums.covariances(np.ones((1, GROUPS)))
    often = expected.redraws()
    claimed, spread = (
        np.sqrt(np.diagonal(matrix, axis1=1, axis2=2)) * model.steps * np.exp(shift)
        for matrix, shift in zip(sums.covariances(often), _learnt(model, block, often), strict=True)
    )
    outer = np.outer(model.steps, model.steps)
    return PredictedErrors.of_replicas(
        likelihood.parameters,
        (inverse[0] * outer, actual[0] * outer),
        (claimed, spread),
        np.sqrt(np.diag(linear.claimed @ linear.template @ linear.claimed)),
    )


def _learnt(
    model: UnbinnedModel, block: ToyBlock, often: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How locations and scales of each replica change the logs of claimed and actual errors.

    Derivatives are differences over one standard error on either side.

    Returns:
        Each of shape (replicas, parameters).
    """
    moved = np.sum(list(model.moved.values()), axis=0)
    moves = np.tensordot(often - 1.0, moved, 1)  # (replicas, observables, points, 2)
    errors = moves.std(axis=0)
    at = np.zeros((GROUPS, len(model.steps)))
    penalty = model.method.aux_scatter
    assert block.multiplicity is not None
    terms, size = block.events.size, float(block.multiplicity.sum())

    def logs(places: NDArray[np.float64]) -> NDArray[np.float64]:
        method = model.at(places)
        seen = method.observe(block)
        information = np.asarray(_information(method.likelihood, at, seen.data)) - penalty
        total = information.sum(axis=0) + penalty
        inverse = inverted(total, terms=terms, size=size)[None]
        scatter = method.scatter(at, seen.pairs).sum(axis=0)[None]
        actual = sandwich_covariance(inverse, scatter, penalty)
        return np.stack([0.5 * np.log(np.diag(matrix[0])) for matrix in (inverse, actual)])

    change = np.zeros((2, len(often), len(model.steps)))
    for where in np.ndindex(errors.shape):
        step = np.zeros_like(errors)
        step[where] = errors[where]
        if step[where] > 0:
            slope = (logs(model.places + step) - logs(model.places - step)) / (2 * step[where])
            change += slope[:, None, :] * moves[(slice(None), *where)][:, None]
    return change[0], change[1]


def _grouped(nominal: Sequence[ExpectedSample], n_aux: int, *, clustered: bool) -> ToyBlock:
    """Nominal events of all processes, each group as a toy, weighted to the data."""
    values, weights, keys = [], [], []
    for sample in nominal:
        read = sample.read
        yields = sample.factor * read.counts.events.sum()
        values.append(read.rows.values)
        weights.append(yields * read.rows.weights / read.rows.weights.sum())
        keys.append(read.rows.keys)
    key = np.concatenate(keys)
    group = (key % np.uint64(GROUPS)).astype(np.intp)
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=GROUPS)
    place = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    shape = GROUPS, int(sizes.max())
    first = np.concatenate(values)
    events = np.tile(first[:1], (*shape, 1))
    events[group[order], place] = first[order]
    padded = np.zeros(shape)
    padded[group[order], place] = np.concatenate(weights)[order]
    owners = None
    if clustered:
        owners = np.tile(np.arange(shape[1]), (shape[0], 1))
        owners[group[order], place] = place[first_rows(key[order])]
    return ToyBlock(
        theta_true=np.zeros((GROUPS, 0)),
        aux=np.zeros((GROUPS, n_aux)),
        events=events,
        event_weights=None,
        multiplicity=padded,
        owners=owners,
    )


@jit
def _information(likelihood: Likelihood, theta: jax.Array, data: Any) -> jax.Array:
    found: jax.Array = jax.vmap(lambda at, one: likelihood.expansion(at, one).curvature)(
        theta, data
    )
    return found
