"""Toys of a binned likelihood: counts and auxiliary data, from streams of their own.

As in the toys of a study, every block draws from `SeedSequence(seed, spawn_key=(stream,
block))`, so toys do not depend on how many there are or on who computes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision, jax, jit
from pullfactory.errors import LikelihoodError
from pullfactory.fitting.fits import fit_toys
from pullfactory.fitting.slices import Slices, normal_slices
from pullfactory.fitting.status import FitStatus
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.random import Stream, generator
from pullfactory.workspaces.checking import MOST_EVENTS

Truth = str | Mapping[str, float]
_TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ThrownToys:
    """Toys of a binned likelihood.

    Attributes:
        truth: True parameters, shape (toys, parameters).
        data: Counts, then auxiliary data, in the order of the model; shape (toys, bins +
            auxdata).
    """

    truth: NDArray[np.float64]
    data: NDArray[np.float64]

    def head(self, toys: int) -> Self:
        """The first toys.

        Args:
            toys: How many.
        """
        return type(self)(truth=self.truth[:toys], data=self.data[:toys])


@double_precision
def throw_toys(
    likelihood: BinnedLikelihood,
    n_toys: int,
    seed: int,
    *,
    truth: Truth = "init",
    ensemble: Literal["fixed", "prior"] = "fixed",
) -> ThrownToys:
    """Throw toys of a model.

    In the `fixed` ensemble the parameters stay at the truth and the auxiliary data are drawn
    with the counts; in the `prior` ensemble the auxiliary data stay as observed and the
    constrained parameters are drawn from their constraints: a Gaussian around the auxiliary
    value, and for a Poisson term of a counts with scale tau the gamma distribution of mean
    a / tau and variance a / tau^2. Draws outside the bounds, or with a negative rate, are
    repeated.

    Args:
        likelihood: The model.
        n_toys: How many.
        seed: The same seed gives the same toys; fewer toys are the first of more.
        truth: "init", the model's initial parameters; "fit", the best fit to the observed data;
            or values by name, the others as in "init".
        ensemble: "fixed" or "prior".

    Raises:
        LikelihoodError: If `n_toys` is not positive, a name is unknown, a value is outside its
            bounds, there are no observations to fit, or a rate is negative at the truth.
    """
    check_toys(likelihood, n_toys, seed, truth, ensemble)
    theta = resolve_truth(likelihood, truth)
    blocks = [
        throw_block(likelihood, block, seed, theta, ensemble=ensemble)
        for block in range(-(-n_toys // likelihood.block))
    ]
    return ThrownToys(
        truth=np.concatenate([block.truth for block in blocks])[:n_toys],
        data=np.concatenate([block.data for block in blocks])[:n_toys],
    )


def check_toys(
    likelihood: BinnedLikelihood, n_toys: int, seed: int, truth: Truth, ensemble: str
) -> None:
    """Refuse toys that cannot be thrown; arguments as in `throw_toys`.

    Raises:
        LikelihoodError: If a number or the ensemble is out of range, or the truth names a
            parameter that the ensemble draws.
    """
    if n_toys < 1:
        raise LikelihoodError(f"n_toys = {n_toys} must be at least 1")
    if seed < 0:
        raise LikelihoodError(f"seed = {seed} must be 0 or more")
    if ensemble not in ("fixed", "prior"):
        raise LikelihoodError(f"ensemble = {ensemble!r} is neither 'fixed' nor 'prior'")
    if ensemble == "prior":
        held = [likelihood.names[k] for k in likelihood.coupled if likelihood.held[k]]
        if held:
            raise LikelihoodError(
                f"parameter {held[0]!r} is fixed, and its constraint is correlated with others, "
                "which the 'prior' ensemble draws; let it move, or use the 'fixed' ensemble"
            )
    if ensemble == "prior" and isinstance(truth, Mapping):
        drawn = set(_drawn_parameters(likelihood))
        for name in truth:
            if drawn.intersection(likelihood.positions(name)):
                raise LikelihoodError(
                    f"parameter {name!r} is drawn from its constraint in the 'prior' ensemble; "
                    "give it no truth, or use the 'fixed' ensemble"
                )


def _drawn_parameters(likelihood: BinnedLikelihood) -> dict[int, int]:
    """Parameters that the `prior` ensemble draws, with their auxiliary values, by position."""
    return {
        k: term
        for term, k in enumerate(likelihood.aux_index)
        if likelihood.aux_used[term] and not likelihood.held[k]
    }


def prior_slices(likelihood: BinnedLikelihood, theta: NDArray[np.float64]) -> Slices:
    """Where toys of the `prior` ensemble are divided, for all parameters of the model.

    Args:
        likelihood: The model.
        theta: What the true values scatter around, shape (parameters,).
    """
    mean, sigma = theta.copy(), np.zeros_like(theta)
    for k, term in _drawn_parameters(likelihood).items():
        observed, factor = (
            likelihood.observed[likelihood.n_main + term],
            likelihood.aux_factor[term],
        )
        spread = np.sqrt(observed) if likelihood.aux_poisson[term] else likelihood.aux_sigma[term]
        mean[k], sigma[k] = observed / factor, spread / abs(factor)
    return normal_slices(mean, sigma, sigma > 0)


def resolve_truth(likelihood: BinnedLikelihood, truth: Truth) -> NDArray[np.float64]:
    """True parameters as an array of shape (parameters,).

    Args:
        likelihood: The model.
        truth: As in `throw_toys`.

    Raises:
        LikelihoodError: As `throw_toys`.
    """
    theta = likelihood.init.copy()
    if truth == "fit":
        if not np.all(np.isfinite(likelihood.observed)):
            raise LikelihoodError(
                "truth = 'fit' needs observations, and a bare model has none; "
                "give a workspace, or truth = 'init'"
            )
        fit = fit_toys(likelihood, likelihood.observed[None])
        if fit.status[0] > FitStatus.AT_BOUND:
            status = FitStatus(fit.status[0]).label
            raise LikelihoodError(f"the fit to the observed data failed ({status}); give values")
        theta = fit.estimate[0]
    elif isinstance(truth, Mapping):
        for name, value in truth.items():
            for k in likelihood.positions(name):
                likelihood.check_bounds(k, value)
                theta[k] = value
    elif truth != "init":
        raise LikelihoodError(f"truth = {truth!r} is not 'init', 'fit' or values by name")
    _refuse_rates(likelihood, theta)
    return theta


def throw_block(
    likelihood: BinnedLikelihood,
    block: int,
    seed: int,
    theta: NDArray[np.float64],
    *,
    ensemble: Literal["fixed", "prior"],
) -> ThrownToys:
    """Throw one block of `likelihood.block` toys.

    Args:
        likelihood: The model.
        block: Which block, from 0.
        seed: As in `throw_toys`.
        theta: True parameters, or what the constrained ones scatter around; shape
            (parameters,).
        ensemble: "fixed" or "prior".
    """
    toys = likelihood.block
    truth = np.tile(theta, (toys, 1))
    values = np.tile(likelihood.observed[likelihood.n_main :], (toys, 1))
    if ensemble == "prior":
        truth, rates = _draw_truth(likelihood, truth, generator(seed, Stream.MODEL_TRUTH, block))
    else:
        rates = np.asarray(_rates(likelihood, truth))
        values = _draw_aux(likelihood, truth, generator(seed, Stream.MODEL_AUXDATA, block))
    counts = generator(seed, Stream.MODEL_COUNTS, block).poisson(rates)
    return ThrownToys(truth=truth, data=np.concatenate([counts, values], axis=1))


@jit
def _rates(likelihood: BinnedLikelihood, theta: jax.Array) -> jax.Array:
    return jax.vmap(likelihood.expected)(theta)


def _draw_aux(
    likelihood: BinnedLikelihood, truth: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Auxiliary data around the truth, shape (toys, auxdata)."""
    expected = truth[:, list(likelihood.aux_index)] * likelihood.aux_factor
    poisson = np.array(likelihood.aux_poisson, dtype=bool)
    terms = np.arange(expected.shape[1])
    normal = _correlated(likelihood, rng.standard_normal(expected.shape), terms)
    gauss = expected + likelihood.aux_sigma * normal
    return np.where(poisson, rng.poisson(np.where(poisson, expected, 0.0)), gauss)


def _draw_truth(
    likelihood: BinnedLikelihood, centre: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Constrained parameters from their constraints, and the rates; shapes (toys, ...)."""
    truth = centre.copy()
    rates = np.asarray(_rates(likelihood, truth))
    drawn = _drawn_parameters(likelihood)
    if not drawn:
        return truth, rates
    columns, terms = (np.array(column) for column in zip(*drawn.items(), strict=True))
    observed = likelihood.observed[likelihood.n_main :][terms]
    poisson = np.array(likelihood.aux_poisson, dtype=bool)[terms]
    factor, sigma = likelihood.aux_factor[terms], likelihood.aux_sigma[terms]
    low, high = likelihood.limits[columns].T
    wanted = np.ones(len(truth), dtype=bool)
    for _ in range(_TRIES):
        normal = _correlated(likelihood, rng.standard_normal((len(truth), len(terms))), terms)
        gauss = (observed + sigma * normal) / factor
        gamma = rng.gamma(np.where(poisson, observed, 1.0), 1 / factor, gauss.shape)
        draws = np.where(poisson, gamma, gauss)
        truth[np.ix_(wanted, columns)] = draws[wanted]
        rates = np.asarray(_rates(likelihood, truth))
        inside = np.all((truth[:, columns] >= low) & (truth[:, columns] <= high), axis=1)
        wanted = ~(inside & np.all((rates >= 0) & (rates <= MOST_EVENTS), axis=1))
        if not wanted.any():
            return truth, rates
    raise LikelihoodError(
        f"{_TRIES} draws of the parameters from their constraints left their bounds or gave a "
        "negative rate; use the 'fixed' ensemble or narrower constraints"
    )


def _correlated(
    likelihood: BinnedLikelihood, normal: NDArray[np.float64], terms: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Normal numbers with the correlation of some auxiliary values, shape (toys, terms)."""
    root = likelihood.aux_root
    return normal if root is None else np.asarray(normal @ root[np.ix_(terms, terms)].T)


def _refuse_rates(likelihood: BinnedLikelihood, theta: NDArray[np.float64]) -> None:
    toys = np.tile(theta, (likelihood.block, 1))  # the shape of a block: compiled once
    rates = np.asarray(_rates(likelihood, toys))[0]
    bad = np.flatnonzero(~((rates >= 0) & (rates <= MOST_EVENTS)))
    if not len(bad):
        return
    position = int(bad[0])
    for name, bins in likelihood.channels:
        if position < bins:
            raise LikelihoodError(
                f"channel {name!r}, bin {position}: expected rate {rates[bad[0]]:.3g} at the "
                f"truth; toys need rates from 0 to {MOST_EVENTS:g}"
            )
        position -= bins
