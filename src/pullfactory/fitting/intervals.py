"""Intervals from the profile likelihood ratio: asymmetric where the likelihood is.

The interval of z standard deviations is where the ratio q / lambda is below z^2 (`profile`); with
lambda = 1 these are MINOS errors. Where a likelihood is quadratic they are the estimate plus and
minus z errors, those of the event-paired sandwich with its lambda. An end that would lie beyond a
bound of the parameter is at the bound.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullfactory._jax import double_precision
from pullfactory.errors import LikelihoodError
from pullfactory.fitting.fits import FitBatch, fit_toys
from pullfactory.fitting.profile import Scatter, information, profile, ratio_scale
from pullfactory.fitting.sandwich import fit_observation
from pullfactory.fitting.status import FitStatus
from pullfactory.likelihoods import Likelihood
from pullfactory.methods import Method
from pullfactory.simulation.toys import ToyBlock

SIGMAS = (1.0, 2.0)
"""Standard deviations of the intervals that are quoted: 68.27 % and 95.45 %."""
FEW_EVENTS = 30
"""Below so many events their own scatter does not tell lambda: simulated events do."""

_STEPS = 40
_NEAR = 1e-6  # of a standard deviation
_FARTHER = 3.0  # times as far from the estimate, at most, in a step to where nothing is known


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Intervals:
    """Intervals of some parameters of a batch of toys.

    Attributes:
        parameters: Names.
        sigmas: Standard deviations of each interval.
        estimate: Shape (toys, parameters), in the parameters' units.
        plain: Lower and upper ends from the ratio as it is, shape (toys, parameters, sigmas, 2);
            NaN where a fit failed.
        corrected: The same from the ratio divided by lambda; None where that was not asked for.
        scale: lambda at the estimate, shape (toys, parameters); None as `corrected`.
        status: `FitStatus` of the fits of all parameters, shape (toys,).
        simulated: Whether lambda is of simulated events, and not of those of each toy.
    """

    parameters: tuple[str, ...]
    sigmas: tuple[float, ...]
    estimate: NDArray[np.float64]
    plain: NDArray[np.float64]
    corrected: NDArray[np.float64] | None
    scale: NDArray[np.float64] | None
    status: NDArray[np.int8]
    simulated: bool = False


@double_precision
def intervals(
    likelihood: Likelihood,
    data: Any,
    *,
    parameters: Sequence[str] | None = None,
    scatter: Scatter | None = None,
    fits: FitBatch | None = None,
    sigmas: Sequence[float] = SIGMAS,
) -> Intervals:
    """Intervals from the profile likelihood ratio, for every toy of a batch.

    Args:
        likelihood: What is fitted.
        data: Its data, every array with a leading toy axis.
        parameters: Names; None for all that move.
        scatter: From parameters, shape (toys, parameters), to the covariance C + K of the score
            of events and auxiliary data, for corrected intervals.
        fits: Of the same toys, made before.
        sigmas: Standard deviations of the intervals.

    Raises:
        LikelihoodError: If a parameter is unknown or fixed, or the data are not as `fit_toys` wants
            them.
    """
    fits = fit_toys(likelihood, data) if fits is None else fits
    at = [movable(likelihood, name) for name in chosen(likelihood, parameters)]
    scales = None
    if scatter is not None:
        scales = [ratio_scale(likelihood, data, fits, k, scatter) for k in at]
    return _intervals(likelihood, data, fits, at, scales, sigmas, scatter)


@double_precision
def event_intervals(
    method: Method,
    block: ToyBlock,
    *,
    parameters: Sequence[str] | None = None,
    simulated: ToyBlock | None = None,
    truth: Sequence[str] | None = None,
    sigmas: Sequence[float] = SIGMAS,
) -> Intervals:
    """Plain intervals, and those corrected for observables that belong to the same event.

    Args:
        method: Likelihood, and what it takes from the events.
        block: Toys.
        parameters: Names; None for all that move.
        simulated: Toys of the model at their own true values, which give lambda in the place of the
            events of each toy: needed below 30 events a toy.
        truth: Names of their true values, in order; None for the first of the likelihood.
        sigmas: Standard deviations of the intervals.

    Raises:
        LikelihoodError: If a parameter is unknown or fixed, or there are too few events and no
            simulated ones.
    """
    likelihood = method.likelihood
    fits, seen = fit_observation(method, method.observe(block))
    at = [movable(likelihood, name) for name in chosen(likelihood, parameters)]
    if simulated is None:
        _refuse_few(block)
        scatter = score_scatter(method, seen.pairs)
        scales = [ratio_scale(likelihood, seen.data, fits, k, scatter) for k in at]
        return _intervals(likelihood, seen.data, fits, at, scales, sigmas, scatter)
    found = simulated_scale(method, [simulated], truth)
    scales = [np.full(len(fits.status), found[k]) for k in at]
    return _intervals(likelihood, seen.data, fits, at, scales, sigmas, None)


def ratio_ends(
    likelihood: Likelihood, data: Any, fits: FitBatch, position: int, sigmas: ArrayLike
) -> NDArray[np.float64]:
    """Where the plain ratio of one parameter is the square of a number of standard deviations.

    Args:
        likelihood: What was fitted.
        data: Its data, every array with a leading toy axis.
        fits: Of all parameters.
        position: Of the parameter.
        sigmas: For each toy, negative below its estimate, shape (toys,).

    Returns:
        Shape (toys,); the bound where the ratio stays below, NaN where a fit failed.
    """
    ones = np.ones(len(fits.status))
    return _Search(likelihood, data, fits, position, ones, None).end(sigmas)


def score_scatter(method: Method, pairs: Any) -> Scatter:
    """The covariance C + K of the score of a method, as `profile` takes it.

    Args:
        method: Gives both.
        pairs: Of its observation.
    """
    return lambda theta: method.scatter(theta, pairs) + method.aux_scatter


def simulated_scale(
    method: Method, blocks: Iterable[ToyBlock], truth: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """Lambda of every parameter from simulated toys, at their own true values.

    Args:
        method: Likelihood, and what it takes from the events.
        blocks: Toys of the model.
        truth: Names of their true values, in order; None for the first of the likelihood.

    Returns:
        Shape (parameters,); NaN for those that are fixed.
    """
    likelihood = method.likelihood
    n = len(likelihood.parameters)
    score, curvature = np.zeros((n, n)), np.zeros((n, n))
    for block in blocks:
        theta = np.tile(likelihood.start, (len(block.theta_true), 1))
        known = likelihood.parameters if truth is None else truth
        at = [likelihood.parameters.index(name) for name in known[: block.theta_true.shape[1]]]
        theta[:, at] = block.theta_true
        seen = method.weighed(theta, method.observe(block))
        curvature += information(likelihood, seen.data, theta).sum(axis=0)
        score += score_scatter(method, seen.pairs)(theta).sum(axis=0)
    moving = np.flatnonzero(~np.asarray(likelihood.fixed))
    inside = np.ix_(moving, moving)
    inverse = np.linalg.inv(curvature[inside])
    found = np.full(n, np.nan)
    found[moving] = np.diag(inverse @ score[inside] @ inverse) / np.diag(inverse)
    return found


def chosen(likelihood: Likelihood, parameters: Sequence[str] | None) -> tuple[str, ...]:
    """Names of parameters, all that move where none are given.

    Args:
        likelihood: Has them.
        parameters: Names, or None.

    Raises:
        LikelihoodError: If they are one text and no list.
    """
    if isinstance(parameters, str):
        raise LikelihoodError(f"parameters = {parameters!r} is no list; give [{parameters!r}]")
    if parameters is not None:
        return tuple(parameters)
    fixed = np.asarray(likelihood.fixed)
    return tuple(n for n, held in zip(likelihood.parameters, fixed, strict=True) if not held)


def movable(likelihood: Likelihood, name: str) -> int:
    """Position of a parameter that a fit moves.

    Args:
        likelihood: Has it.
        name: Of the parameter.

    Raises:
        LikelihoodError: If there is none, or it is fixed.
    """
    if name not in likelihood.parameters:
        known = ", ".join(chosen(likelihood, None))
        raise LikelihoodError(f"{name!r} is no parameter of the fit; use one of {known}")
    k = likelihood.parameters.index(name)
    if likelihood.fixed[k]:
        raise LikelihoodError(f"{name!r} is fixed and has no interval; free it, or leave it out")
    return k


def _refuse_few(block: ToyBlock) -> None:
    events = float(block.numbers.mean())
    if events < FEW_EVENTS:
        raise LikelihoodError(
            f"{events:g} events a toy are too few to tell how their scores scatter, {FEW_EVENTS} "
            "are needed; give simulated=, a block of toys of the model"
        )


def _intervals(
    likelihood: Likelihood,
    data: Any,
    fits: FitBatch,
    at: Sequence[int],
    scales: Sequence[NDArray[np.float64]] | None,
    sigmas: Sequence[float],
    scatter: Scatter | None,
) -> Intervals:
    def ends(k: int, scale: NDArray[np.float64], of: Scatter | None) -> NDArray[np.float64]:
        search = _Search(likelihood, data, fits, k, scale, of)
        rows = [[search.end(side * sigma) for side in (-1, 1)] for sigma in sigmas]
        return np.moveaxis(np.array(rows), -1, 0)

    ones = np.ones(len(fits.status))
    corrected = None
    if scales is not None:
        found = [ends(k, scale, scatter) for k, scale in zip(at, scales, strict=True)]
        corrected = np.stack(found, axis=1)
    return Intervals(
        parameters=tuple(likelihood.parameters[k] for k in at),
        sigmas=tuple(map(float, sigmas)),
        estimate=fits.estimate[:, at],
        plain=np.stack([ends(k, ones, None) for k in at], axis=1),
        corrected=corrected,
        scale=None if scales is None else np.stack(scales, axis=1),
        status=fits.status,
        simulated=scales is not None and scatter is None,
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """Where the signed root of the ratio of one parameter takes a value.

    Attributes:
        likelihood: What was fitted.
        data: Its data.
        fits: Of all parameters.
        position: Of the parameter.
        scale: lambda, shape (toys,), where `scatter` tells none.
        scatter: Of the score; None for the same lambda everywhere.
    """

    likelihood: Likelihood
    data: Any
    fits: FitBatch
    position: int
    scale: NDArray[np.float64]
    scatter: Scatter | None

    def end(self, sigma: ArrayLike) -> NDArray[np.float64]:
        """One end of the intervals, shape (toys,), as far below or above as the sign says.

        Args:
            sigma: Standard deviations, one number or one for each toy.
        """
        estimate = self.fits.estimate[:, self.position]
        wanted = np.broadcast_to(np.asarray(sigma, dtype=np.float64), estimate.shape)
        low, high = self.likelihood.bounds[self.position]
        bound = np.where(wanted > 0, high, low)
        variance = self.fits.covariance[:, self.position, self.position] * self.scale
        step = wanted * np.sqrt(np.where(variance > 0, variance, np.nan))
        step = np.where(np.isfinite(step), step, (bound - estimate) / 2.0)
        usable = self.fits.status <= FitStatus.AT_BOUND
        return _solve(self._root, estimate, estimate + step, bound, wanted, usable)

    def _root(self, tested: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance from the estimate in standard deviations, with its sign, shape (toys,)."""
        there = profile(self.likelihood, self.data, self.fits, self.position, tested, self.scatter)
        scale = self.scale if self.scatter is None else there.scale
        away = np.sign(tested - self.fits.estimate[:, self.position])
        return np.asarray(away * np.sqrt(there.ratio / scale))


def _solve(
    root: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    estimate: NDArray[np.float64],
    first: NDArray[np.float64],
    bound: NDArray[np.float64],
    sigma: NDArray[np.float64],
    usable: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Where `root` is sigma, between the estimate and a bound, by secants within brackets.

    Args:
        root: 0 at the estimate, with the sign of the distance from it; NaN where it is not known.
        estimate: Shape (toys,).
        first: Where to look first, same shape.
        bound: On this side of the estimates, same shape.
        sigma: What is looked for, same shape.
        usable: Toys that are looked at.

    Returns:
        Shape (toys,); the bound where the root stays below, NaN where it cannot be found.
    """
    side, goal = np.sign(sigma), np.abs(sigma)
    inner, below = estimate.copy(), np.zeros(len(estimate))
    outer, above = np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
    found = np.full(len(estimate), np.nan)
    trial = side * np.minimum(side * first, side * bound)
    open_ = usable.copy()
    for _ in range(_STEPS):
        value = np.abs(root(np.where(open_, trial, estimate)))
        near = np.abs(value - goal) < _NEAR
        short = np.isfinite(value) & (value < goal)
        ended = open_ & (near | (short & (trial == bound)))
        found = np.where(ended, trial, found)
        open_ &= ~ended
        if not open_.any():
            break
        inner, below = np.where(short, trial, inner), np.where(short, value, below)
        outer = np.where(short, outer, trial)
        above = np.where(short, above, value)
        trial = _next(inner, below, outer, above, estimate, bound, goal)
    return found


def _next(
    inner: NDArray[np.float64],
    below: NDArray[np.float64],
    outer: NDArray[np.float64],
    above: NDArray[np.float64],
    estimate: NDArray[np.float64],
    bound: NDArray[np.float64],
    goal: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where to look next, of which bracket a value is known on either side, or on one alone."""
    with np.errstate(invalid="ignore", divide="ignore"):
        between = inner + (outer - inner) * (goal - below) / (above - below)
        ahead = estimate + (inner - estimate) * np.minimum(goal / below, _FARTHER)
    middle = (inner + outer) / 2.0
    within = np.where(np.isfinite(between), between, middle)
    beyond = np.where(np.isfinite(ahead), ahead, bound)
    side = np.sign(bound - estimate)
    beyond = side * np.minimum(side * beyond, side * bound)
    return np.where(np.isfinite(outer), within, beyond)
