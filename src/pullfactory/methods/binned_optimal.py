"""Fits of a pyhf workspace that know the covariance of bins that share events."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from pullfactory.calibration import Calibration
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods._likelihood import Observation
from pullfactory.likelihoods.bin_contents import (
    BinContents,
    covariance_of_bins,
    probabilities,
    rake,
)
from pullfactory.likelihoods.binned import BinnedLikelihood
from pullfactory.likelihoods.channels import Channels, PairCounts
from pullfactory.likelihoods.optimal import (
    Constraints,
    Directions,
    OptimalData,
    OptimalLikelihood,
    OptimalPairs,
    combination,
    measured_weight,
)
from pullfactory.methods.binned import binned_method, binned_noise
from pullfactory.methods.method import FirstFit, Method, MethodKind
from pullfactory.methods.noise import LocalPrediction, MethodNoise, NoiseSource, joined
from pullfactory.methods.optimal import refuse_few
from pullfactory.settings.document import total_name
from pullfactory.settings.study import Study
from pullfactory.simulation.expected import expected_toy
from pullfactory.simulation.population import Population


def binned_optimal_method(calibration: Calibration, rho: float) -> Method:
    """The method `binned_optimal` of a study at one correlation of its scan.

    Generalised least squares with the expected covariance of the bins. Every event is in one bin
    of each channel, so that its number of events says nothing, and rates count for their ratios.

    Args:
        calibration: Gives the templates; of the truth only how the observables of an event depend
            on each other, which paired events tell.
        rho: Factor of the off-diagonal part of the correlation matrix.

    Raises:
        LikelihoodError: If a combination of the bins would determine a parameter exactly, or there
            are too few events for weights of their own.
    """
    study = calibration.study
    made = _Combination.of(calibration, rho)
    refuse_few(BINNED_OPTIMAL.name, study, made.directions)
    first, known = made.first, None if study.own_weights else made.expected
    weigh = partial(_weigh, first, made.channels.slices, made.directions, known)
    return Method(
        name=BINNED_OPTIMAL.name,
        likelihood=made.likelihood,
        observe=made.product.observe,
        scatter=partial(_scatter, made.likelihood, made.channels),
        expect=made.product.expect,
        aux_scatter=made.product.aux_scatter,
        first=FirstFit(first, weigh),
        null=made.directions.null,
    )


class _Combination(NamedTuple):
    """What the bins of a study say together.

    Attributes:
        product: The fit that comes before.
        first: Its likelihood.
        channels: Bins of each observable.
        likelihood: Of the combination.
        expected: From parameters, shape (toys, parameters), to the covariance of the bins that an
            event fills, shape (toys, bins, bins).
        directions: Combinations of the bins that are measurements.
    """

    product: Method
    first: BinnedLikelihood
    channels: Channels
    likelihood: OptimalLikelihood
    expected: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    directions: Directions

    @classmethod
    def of(cls, calibration: Calibration, rho: float) -> Self:
        """Of a study at one correlation; arguments as of `binned_optimal_method`."""
        study, product = calibration.study, binned_method(calibration)
        first = product.likelihood
        assert isinstance(first, BinnedLikelihood)
        slices = tuple(first.channel_slice(name) for name in study.observable_names)
        channels = Channels(edges=calibration.edges, slices=slices, centred=True)
        likelihood = _likelihood(first, slices)
        theta = _centre(first, study)
        assert isinstance(likelihood.scores, BinContents)
        known = partial(_expected, likelihood.scores, slices, _joint(study, channels, rho))
        directions = Directions.of(likelihood, known(theta[None])[0], theta, theta)
        return cls(product, first, channels, likelihood, known, directions)


def binned_optimal_noise(
    calibration: Calibration, rho: float, theta: NDArray[np.float64]
) -> MethodNoise:
    """What the method `binned_optimal` owes to its templates, with their bins weighed together.

    The noise of its weights is of second order; a staterror is not looked at.

    Args:
        calibration: Gives the templates.
        rho: Factor of the off-diagonal part of the correlation matrix.
        theta: True values, shape (points, parameters).

    Raises:
        LikelihoodError: As `binned_optimal_method`.
    """
    study, made = calibration.study, _Combination.of(calibration, rho)
    product = binned_noise(calibration, rho, theta)
    full = np.tile(_centre(made.first, study), (len(theta), 1))
    full[:, [made.first.names.index(name) for name in study.parameter_names]] = theta
    weights = made.directions.weight(made.expected(full)) / study.ensemble.n_events

    def points() -> Iterator[LocalPrediction]:
        each = zip(*(source.points() for source in product.sources), strict=True)
        for weight, channels in zip(weights, each, strict=True):
            yield joined(channels, made.channels.slices, weight)

    covariance = block_diag(*(source.covariance for source in product.sources))
    return MethodNoise(product.constraint, (NoiseSource(covariance, points),))


def _likelihood(first: BinnedLikelihood, slices: tuple[slice, ...]) -> OptimalLikelihood:
    """The combination, without what changes the total of a channel only."""
    if any(first.aux_poisson):
        raise LikelihoodError(
            f"method {BINNED_OPTIMAL.name!r} takes Gaussian constraints alone, and the workspace "
            "has Poisson ones; use staterror"
        )
    totals = [total_name(name) for name, _ in first.channels]
    held = first.held | np.isin(first.names, totals)
    return OptimalLikelihood(
        scores=BinContents(
            likelihood=first, channels=tuple((one.start, one.stop) for one in slices)
        ),
        constraints=Constraints(
            np.array(first.aux_index, dtype=int),
            first.aux_factor,
            first.aux_precision,
        ),
        first=first.start,
        limits=first.limits,
        held=held,
        names=first.names,
    )


def _centre(first: BinnedLikelihood, study: Study) -> NDArray[np.float64]:
    """The centre of the truth, shape (parameters,)."""
    theta = first.start
    for name, value in study.centre.items():
        theta[first.names.index(name)] = value
    return theta


def _joint(
    study: Study, channels: Channels, rho: float
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Joint probabilities of the bins of each pair of observables at the centre of the truth."""
    population = Population.of(study, rho)
    if population is None:
        pairs = channels.count(expected_toy(study, rho))
    else:
        pairs = channels.expect(population)
    joint = {pair: np.maximum(found[0], 0.0) for pair, found in pairs.joint.items()}  # rounding
    return {pair: found / found.sum() for pair, found in joint.items()}


def _expected(
    contents: BinContents,
    slices: tuple[slice, ...],
    joint: dict[tuple[int, int], NDArray[np.float64]],
    theta: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Covariance of the bins that an event fills, with the probabilities at theta.

    NaN where templates are extrapolated to negative rates, of which there is none.
    """
    single = np.asarray(probabilities(contents, theta))
    single = np.where((single < 0.0).any(axis=1, keepdims=True), np.nan, single)
    raked = {
        (i, j): rake(found, single[:, slices[i]], single[:, slices[j]])
        for (i, j), found in joint.items()
    }
    return covariance_of_bins(slices, single, raked)


def _weigh(
    first: BinnedLikelihood,
    slices: tuple[slice, ...],
    directions: Directions,
    expected: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None,
    theta: NDArray[np.float64],
    seen: Observation,
) -> Observation:
    """Weights of the counts at the estimate of the product: expected ones, or None for own.

    Raises:
        LikelihoodError: If events have weights or several rows, and the weights are their own.
    """
    pairs: PairCounts = seen.pairs
    n, counts = first.n_main, np.asarray(seen.data)
    totals = counts[:, :n]
    events = totals[:, slices[0]].sum(axis=1)
    if expected is None:
        if pairs.squares is not None or (0, 0) in pairs.joint:
            raise LikelihoodError(
                f"method {BINNED_OPTIMAL.name!r} has no weights of its own for events with weights "
                'or several rows; set optimal.weights = "expected"'
            )
        some = events[:, None, None]
        joint = {pair: found / some for pair, found in pairs.joint.items()}
        covariance = covariance_of_bins(slices, totals / events[:, None], joint)
        weight = measured_weight(directions, covariance * some**2 / (some - 1.0), events)
    else:
        squares = pairs.counts if pairs.squares is None else pairs.squares
        spread = squares[0].sum(axis=1)  # of the number of events: sums of squared weights
        if (0, 0) in pairs.joint:  # of events with several rows
            spread = spread + 2.0 * pairs.joint[0, 0].sum(axis=(1, 2))
        weight = directions.weight(expected(theta)) / spread[:, None, None]
    data = OptimalData(events, totals, theta, weight, counts[:, n:])
    return Observation(data, OptimalPairs(data, pairs))


def _scatter(
    likelihood: OptimalLikelihood,
    channels: Channels,
    theta: NDArray[np.float64],
    pairs: OptimalPairs,
) -> NDArray[np.float64]:
    """Covariance of the combined score, from the toy's own pairs of bins."""
    combined, _ = combination(likelihood, theta, pairs.data)
    return channels.scatter(np.asarray(combined), pairs.sums)


BINNED_OPTIMAL = MethodKind(
    name="binned_optimal",
    build=binned_optimal_method,
    noise=binned_optimal_noise,
    improves="binned",
    binned=True,
    workspace=True,
    colour="#882255",
    marker="D",
)
