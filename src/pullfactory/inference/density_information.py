"""What a density leaves unused: the information of its score, and of polynomials beside it.

The mean of any function u of an event changes with theta_k by Cov(u, t_k), t the score of the
events themselves, whatever that is. With C these changes, measured between calibration points on
either side, and Omega = Cov(u), C^T Omega^-1 C is the information on theta that is in u, and a
lower bound of that in the events (Godambe 1960, doi:10.1214/aoms/1177705693). With the score of a
density among the u it is more than its fit has, unless the density is right in all that u sees. A
shape that wrongly stays the same loses information while its pulls have the width 1.

C of independent samples has noise, most of which is that of the score. Where the shifts of the
estimates are the same at all points the changes of the score are what its curvature says: with
these, and without what the other functions have of the noise, C is known far better. But a density
that is wrong may be wrong in that too, so that this may acquit it, where it agrees with what was
measured, and never convicts it: what does not agree, or finds information unused, is measured.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax, jit, jnp
from pullfactory.calibration.held_out import HeldOut
from pullfactory.inference.core import core
from pullfactory.inference.density_sums import BATCHES, Ensemble, PointNumbers, batches
from pullfactory.inference.judgement import DISCERNED, judge_excess
from pullfactory.likelihoods.density import DensityLikelihood

_DEGREES = (6, 4, 3)  # of the polynomials, for one, two and three observables ...
_DEGREE = 2  # ... and for more
_SATURATION = 3.0  # spreads beyond which a polynomial hardly grows
_ROUNDING = 1e-9
_DETERMINED = 1e-9  # eigenvalue of a correlation matrix below which a direction is not looked at

Array = NDArray[np.float64]


class Unused(NamedTuple):
    """What a fit leaves unused.

    Attributes:
        excess: Its actual error over that with the information that was found, at the nominal
            point, shape (parameters,); NaN without points on either side of each parameter, or
            where nothing can be fitted.
        error: Standard errors, same shape.
    """

    excess: Array
    error: Array


class _Means(NamedTuple):
    """Sums over the events of each batch: of weights, u, and, at the nominal point, u u^T."""

    weight: Array
    total: Array
    products: Array | None


def unused_information(
    likelihood: DensityLikelihood,
    samples: Sequence[HeldOut],
    ensemble: Ensemble,
    nominal: PointNumbers,
) -> Unused:
    """Compare the error of a fit with what the events know.

    Args:
        likelihood: Of the density.
        samples: Held-out events, the nominal point first.
        ensemble: What is fitted.
        nominal: The fit at the nominal point.
    """
    n_pars = len(likelihood.parameters)
    sides = [pair for k in range(n_pars) if (pair := _pair(samples, k)) is not None]
    if len(sides) < n_pars:
        return Unused(np.full(n_pars, np.nan), np.full(n_pars, np.nan))
    centre, spread = core(samples[0].events)
    powers = tuple(_powers(samples[0].events.shape[1]))
    used = sorted({0, *itertools.chain(*sides)})
    sums = {
        i: _point(likelihood, samples[i], samples[0].theta, centre, spread, powers, i == 0)
        for i in used
    }
    paired = np.array([samples[a].sample == samples[b].sample for a, b in sides])
    steps = [samples[a].theta[k] - samples[b].theta[k] for k, (a, b) in enumerate(sides)]

    def known(sample: int | None = None, batch: int = 0) -> Array:
        """Information in u, without one batch of one sample, or with all; per event.

        By what was measured, and by the curvature of the density: shape (2, parameters,
        parameters).
        """
        means = {}
        for i, one in sums.items():
            kept = np.ones(BATCHES, dtype=bool)
            if samples[i].sample == sample:
                kept[batch] = False
            means[i] = one.total[kept].sum(axis=0) / one.weight[kept].sum()
            if i == 0:
                assert one.products is not None
                second = one.products[kept].sum(axis=0) / one.weight[kept].sum()
        change = [(means[a] - means[b]) / step for (a, b), step in zip(sides, steps, strict=True)]
        own = nominal.curvature[1 + batch if sample == nominal.sample else 0]
        omega = second - np.outer(means[0], means[0])
        measured = np.stack(change, axis=1)
        expected = np.where(paired, measured[:n_pars], own)
        along = _along_score(omega, measured, expected)
        return np.stack([_bound(omega, measured), _bound(omega, along)])

    whole, owners = known(), dict.fromkeys(samples[i].sample for i in used)
    left = [np.array([known(owner, j) for j in range(BATCHES)]) for owner in owners]
    bias = sum((BATCHES - 1) * (one.mean(axis=0) - whole) for one in left)
    actual = nominal.claimed * nominal.width
    excess = actual[0] / _errors(whole - bias, ensemble)
    variance = np.zeros((3, n_pars))
    for owner, rows in zip(owners, left, strict=True):
        errors = np.array([_errors(row - bias, ensemble) for row in rows])
        ratios = (actual[1:] if owner == nominal.sample else actual[:1])[:, None] / errors
        ratios = np.concatenate([ratios, np.diff(ratios, axis=1)], axis=1)
        part = (BATCHES - 1) / BATCHES
        variance += part * np.sum(np.square(ratios - ratios.mean(axis=0)), axis=0)
    return chosen(excess, np.sqrt(variance))


def chosen(excess: Array, error: Array) -> Unused:
    """By the curvature of the density if that acquits it and agrees, or as it was measured.

    Args:
        excess: As measured, and by the curvature, shape (2, parameters).
        error: Theirs, and that of their difference, shape (3, parameters).
    """
    (measured, own), (_, own_error, apart) = excess, error
    agree = np.abs(own - measured) <= DISCERNED * apart + _ROUNDING
    right = [judge_excess(*one) == "right" for one in zip(own, own_error, strict=True)]
    best = 1 if agree.all() and all(right) else 0
    return Unused(excess[best], error[best])


def _pair(samples: Sequence[HeldOut], parameter: int) -> tuple[int, int] | None:
    """The nearest points on either side of the axis of a parameter."""
    found = []
    for sign in (1.0, -1.0):
        side = [
            i
            for i, one in enumerate(samples)
            if one.theta[parameter] * sign > 0 and np.count_nonzero(one.theta) == 1
        ]
        if not side:
            return None
        found.append(min(side, key=lambda i: abs(samples[i].theta[parameter])))
    return found[0], found[1]


def _powers(observables: int) -> Iterator[tuple[int, ...]]:
    """Exponents of the polynomials, without the constant."""
    degree = _DEGREES[observables - 1] if observables <= len(_DEGREES) else _DEGREE
    for each in itertools.product(range(degree + 1), repeat=observables):
        if 0 < sum(each) <= degree:
            yield each


def _point(
    likelihood: DensityLikelihood,
    sample: HeldOut,
    nominal: Array,
    centre: Array,
    spread: Array,
    powers: tuple[tuple[int, ...], ...],
    squares: bool,
) -> _Means:
    each = [
        _sums(likelihood, nominal, (events - centre) / spread, events, weights, np.array(powers))
        for events, weights in batches(sample)
    ]
    weight, total, products = (np.stack([np.asarray(one[i]) for one in each]) for i in range(3))
    return _Means(weight, total, products if squares else None)


@jit
def _sums(
    likelihood: DensityLikelihood,
    theta: jax.Array,
    standard: jax.Array,
    events: jax.Array,
    weights: jax.Array,
    powers: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    bounded = standard / jnp.sqrt(1.0 + jnp.square(standard / _SATURATION))
    raised = jnp.prod(bounded[:, None, :] ** powers, axis=-1)
    functions = jnp.concatenate([likelihood.scores(theta, events).T, raised], axis=1)
    weighed = functions * weights[:, None]
    return weights.sum(), weighed.sum(axis=0), weighed.T @ functions


def _along_score(omega: Array, change: Array, own: Array) -> Array:
    """The changes without what they have of the noise of those of the score.

    Args:
        omega: Covariance of u, the score first.
        change: C, shape (functions, parameters).
        own: Those of the score that are taken instead, shape (parameters, parameters).
    """
    n = len(own)
    weights = np.linalg.lstsq(omega[:n, :n], omega[:n], rcond=None)[0]
    return np.asarray(change - weights.T @ (change[:n] - own))


def _bound(omega: Array, change: Array) -> Array:
    """C^T Omega^-1 C, shape (parameters, parameters)."""
    scale = np.sqrt(np.maximum(np.diag(omega), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(omega / np.outer(scale, scale))
    used = values > _DETERMINED * values[-1]
    along = vectors[:, used].T @ (change / scale[:, None])
    return np.asarray(along.T @ (along / values[used, None]))


def _errors(information: Array, ensemble: Ensemble) -> Array:
    """Errors of fits with some information per event; NaN where there is none.

    Args:
        information: Shape (2, parameters, parameters).
        ensemble: What is fitted.
    """
    found = np.full(information.shape[:-1], np.nan)
    for row, matrix in zip(found, ensemble.n_events * information, strict=True):
        whole = matrix + ensemble.constraint
        if np.linalg.eigvalsh(whole)[0] > 0:
            row[:] = np.sqrt(np.diag(np.linalg.inv(whole)))
    return found
