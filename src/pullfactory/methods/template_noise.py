"""The noise of templates: rates of bins, with the counts that they were made of.

Delta is linear in the contents of the templates. Its coefficients are those of the workspace
itself, read off a workspace whose templates are a little higher in one bin each. Templates of the
same events share those that fall into the bins of both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pullfactory._jax import jax, jit, jnp
from pullfactory.binning.bivariate import normal_cdf
from pullfactory.calibration import Templates
from pullfactory.calibration.grid import sample_index
from pullfactory.densities import Family
from pullfactory.likelihoods.binned import BinnedLikelihood
from pullfactory.methods.noise import Array, LocalPrediction, NoiseSource
from pullfactory.simulation.response import Response
from pullfactory.workspaces.reading import read_workspace
from pullfactory.workspaces.study import build_channels

_STEP = 1e-3  # calibration steps, for numerical derivatives
_PROBE = 1e-4  # height of what is put on a template to see what it does
_RARE = 1e-9  # events; keeps empty bins finite


class Bins(NamedTuple):
    """Bins of one channel, and what is known of the events in them.

    Attributes:
        families: Density family of each observable that is binned, one or two.
        response: Their calibrated response.
        correlation: Of the normal scores of two observables; 0 for one.
        low: Lower edges, shape (bins, observables), in their units.
        high: Upper edges, same shape.
    """

    families: tuple[Family, ...]
    response: Response
    correlation: float
    low: Array
    high: Array

    def boxes(self, theta: Array) -> tuple[Array, Array]:
        """Edges as normal scores at each theta, each of shape (points, bins, observables)."""
        location, scale = self.response(theta)
        return self._scores(self.low, location, scale), self._scores(self.high, location, scale)

    def _scores(self, edges: Array, location: Array, scale: Array) -> Array:
        ends = np.isinf(edges)
        z = (np.where(ends, 0.0, edges) - location[:, None]) / scale[:, None]
        scores = [
            member.to_normal(jnp.asarray(z[..., o])) for o, member in enumerate(self.families)
        ]
        return np.where(ends, edges, np.stack(scores, axis=-1))

    def probability(self, low: Array, high: Array) -> Array:
        """Of boxes of normal scores, shapes (..., observables); 0 of those that are empty."""
        if len(self.families) == 1:
            return np.asarray(np.maximum(ndtr(high[..., 0]) - ndtr(low[..., 0]), 0.0))
        high = np.maximum(low, high)

        def below(first: Array, second: Array) -> Array:
            return normal_cdf(first[..., 0], second[..., 1], self.correlation)

        inside = below(high, high) - below(low, high) - below(high, low) + below(low, low)
        return np.asarray(np.maximum(inside, 0.0))

    def contents(self, theta: Array) -> Array:
        """Probability of each bin at each theta, shape (points, bins)."""
        return self.probability(*self.boxes(theta))


def template_noise(templates: Templates, channel: int, bins: Bins, theta: Array) -> NoiseSource:
    """What one channel of a workspace owes to the noise of its templates.

    Args:
        templates: Of the channels, and the study that says how to use them.
        channel: Position of the channel.
        bins: Of the channel; the truth is not looked at.
        theta: True values, shape (points, parameters).
    """
    factors = template_factors(templates, channel, theta)
    largest = [np.abs(factor).max(axis=tuple(range(factor.ndim - 1))) for factor in factors]
    used = np.flatnonzero(np.max(largest, axis=0) > _STEP)
    covariance, contents = _covariance(templates, bins, used)
    rates = _rates(bins, templates.study.ensemble.n_events, theta)
    points = tuple(zip(*rates, *(factor[..., used] for factor in factors), strict=True))
    return NoiseSource(covariance, partial(_predictions, templates, contents, points))


def workspace_constraint(templates: Templates) -> Array:
    """Information of the constraints in our fits of a workspace, shape (parameters, parameters).

    Args:
        templates: Of the workspace.
    """
    names, workspace = templates.study.parameter_names, templates.workspace
    free = templates.study.free_names
    information = templates.study.constraint_information.copy()
    if workspace.mass_constraint:
        for name in workspace.unduly_constrained(free):
            k = names.index(name)
            information[k, k] = 1.0 / templates.units.get(name, 1.0) ** 2
    return information


def _predictions(
    templates: Templates, contents: Array, points: Sequence[tuple[Array, ...]]
) -> Iterator[LocalPrediction]:
    """The prediction for bins; of each point the factors of the templates and two derivatives.

    Where bins are multiplied the factors act on relative changes. That these are relative to
    rates that change with theta is left out of the derivatives. Their total is not kept by what is
    multiplied: with a fixed number of events it says nothing, and is projected out.
    """
    multiplied = templates.workspace.morphing == "multiplicative"
    for rates, jacobian, *factors in points:
        unit = rates / contents if multiplied else templates.scale
        per_bin = np.broadcast_to(unit, contents.shape)[:, :, None] * np.eye(len(rates))
        by_bin = np.moveaxis(per_bin, 1, 0)  # of its bin, template, bin of the prediction
        weight = np.diag(1.0 / rates)
        if templates.free_totals:
            weight -= 1.0 / rates.sum()
        yield LocalPrediction(
            jacobian,
            weight,
            *(
                np.einsum("...p,bpa->...apb", factor, by_bin).reshape(
                    *factor.shape[:-1], len(rates), -1
                )
                for factor in factors
            ),
        )


def _covariance(templates: Templates, bins: Bins, used: NDArray[np.int_]) -> tuple[Array, Array]:
    """Covariance of the counts of some templates, point by point, and their expected contents.

    Points of one sample are the same standardised events: two bins have in common those between
    the edges of both.
    """
    study, points = templates.study, templates.points[used]
    n_events = study.calibration.events_per_point
    low, high = bins.boxes(points)
    n_bins = low.shape[1]
    probability = bins.probability(low, high)
    covariance = np.zeros(2 * (probability.size,))
    samples = sample_index(study.resimulated, templates.points)[used]
    for sample in np.unique(samples):
        same = np.flatnonzero(samples == sample)
        where = (same[:, None] * n_bins + np.arange(n_bins)).ravel()
        inside = probability[same].ravel()
        lower, upper = (edges[same].reshape(len(where), -1) for edges in (low, high))
        common = bins.probability(
            np.maximum(lower[:, None], lower), np.minimum(upper[:, None], upper)
        )
        covariance[np.ix_(where, where)] = common - np.outer(inside, inside)
    return n_events * covariance, np.maximum(n_events * probability, _RARE)


def _rates(bins: Bins, n_events: int, theta: Array) -> tuple[Array, Array]:
    """Smooth rates at each theta, shape (points, bins), and their slopes, (..., parameters)."""

    def at(points: Array) -> Array:
        return np.maximum(n_events * bins.contents(points), _RARE)

    steps = _STEP * np.eye(theta.shape[1])
    slopes = [(at(theta + step) - at(theta - step)) / (2 * _STEP) for step in steps]
    return at(theta), np.stack(slopes, axis=-1)


def template_factors(
    templates: Templates, channel: int, theta: Array
) -> tuple[Array, Array, Array]:
    """How much of each template is in the rates at theta, and two derivatives of that.

    Args:
        templates: Of a workspace.
        channel: Position of the channel.
        theta: Shape (points, parameters), in their units.

    Returns:
        Shapes (points of theta, calibration points), (points of theta, parameters, calibration
        points) and (points of theta, parameters, parameters, calibration points).
    """
    probe = replace(
        templates,
        workspace=templates.workspace.model_copy(update={"staterror": False}),
        free_totals=False,
        channels=templates.channels[channel : channel + 1],
        counts=(1.0 + _PROBE * np.eye(len(templates.points)),),
    )
    workspace = read_workspace(build_channels(probe))
    likelihood = BinnedLikelihood.from_pyhf(workspace).in_units(templates.units)
    scale = templates.scale
    back = np.array([likelihood.names.index(name) for name in templates.study.parameter_names])
    full = np.tile(likelihood.init, (len(theta), 1))
    full[:, back] = theta
    rates, slopes, bends = map(np.asarray, _expand_rates(likelihood, full))
    return (
        (rates / scale - 1.0) / _PROBE,
        slopes[:, back] / scale / _PROBE,
        bends[:, back][:, :, back] / scale / _PROBE,
    )


@jit
def _expand_rates(likelihood: BinnedLikelihood, theta: jax.Array) -> tuple[jax.Array, ...]:
    """Rates at each theta, with first and second derivatives before the axis of the bins."""
    slopes = jax.jacfwd(likelihood.expected)
    bends = jax.vmap(jax.jacfwd(slopes))(theta)
    return (
        jax.vmap(likelihood.expected)(theta),
        jnp.moveaxis(jax.vmap(slopes)(theta), -1, 1),
        jnp.moveaxis(bends, 1, -1),
    )
