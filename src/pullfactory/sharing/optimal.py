"""The optimal combination of the counts of a workspace, beside its product.

Generalised least squares with the covariance of counts that share events; `likelihoods.optimal`
has the formulas. Gammas of simulated events are not fitted: their measured values, and what they
add to the covariance of the counts, stand for them. Weights are taken, and held, at the estimate
of the product.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from pullfactory._jax import jnp
from pullfactory.described import Count, SizeOrNaN
from pullfactory.described import Part as Probability
from pullfactory.errors import LikelihoodError
from pullfactory.fitting import FitStatus, fit_toys
from pullfactory.likelihoods.bin_rates import BinRates
from pullfactory.likelihoods.optimal import (
    Constraints,
    Directions,
    OptimalData,
    OptimalLikelihood,
)
from pullfactory.numbers import finite_or_none
from pullfactory.sharing.answer import Answer
from pullfactory.sharing.pairs import joint_counts
from pullfactory.sharing.point import Point
from pullfactory.sharing.raking import raked

_EVENTS = 50  # for each direction: the noise of fewer looks like information
_MOST_BINS = 3000  # of a covariance that is inverted
_MOST_VALUES = 2**25  # of the derivatives of the rates: 256 MB, a few times over
_METHOD = "binned_optimal"


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedRow:
    """One parameter in the optimal combination.

    Attributes:
        parameter: Its name.
        estimate: Of the combination.
        error: Of it.
        product_error: Actual error of the fit of the workspace.
    """

    parameter: str
    estimate: float
    error: SizeOrNaN
    product_error: SizeOrNaN

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `workspace_audit.json`; no NaN."""
        return finite_or_none(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """The optimal combination of the counts.

    Attributes:
        method: `binned_optimal`.
        reason: Why there is none, without a full stop; None where there is one.
        elements: Independent combinations of the counts.
        null: Those that always have the same value, and are left out.
        status: How its fit ended.
        chi_square: Of what is beyond the fitted rates; None where the fit failed.
        degrees: Of freedom.
        p_value: Probability of more; None where the fit failed.
        rows: One for each parameter that is fitted, that of interest first.
    """

    method: str = _METHOD
    reason: str | None = None
    elements: Count = 0
    null: Count = 0
    status: str | None = None
    chi_square: float | None = None
    degrees: int | None = None
    p_value: Probability | None = None
    rows: tuple[CombinedRow, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in `workspace_audit.json`; no NaN."""
        return {**asdict(self), "rows": [row.to_dict() for row in self.rows]}


def combine_optimally(point: Point, answer: Answer, gammas: Mapping[int, int]) -> Combined:
    """The combination, or why there is none.

    Args:
        point: Of the fitted product.
        answer: Of the events that share bins.
        gammas: Bin of each gamma, from `gamma_bins`.
    """
    try:
        return _combined(point, answer, tuple(gammas))
    except LikelihoodError as error:
        return Combined(reason=str(error))


def _combined(point: Point, answer: Answer, gammas: tuple[int, ...]) -> Combined:
    bins = len(point.rates)
    if bins > _MOST_BINS:
        raise LikelihoodError(f"{bins} bins are more than {_MOST_BINS}, whose covariance is solved")
    held = point.likelihood.program.size * len(point.theta)
    if held > _MOST_VALUES:
        raise LikelihoodError(
            f"derivatives of the model with {len(point.theta)} parameters hold {held:.1g} numbers, "
            f"more than {_MOST_VALUES:.1g}; hold some parameters, or take fewer bins"
        )
    likelihood, reference = _likelihood(point, gammas)
    covariance = _covariance(point, answer, gammas)
    directions = Directions.of(likelihood, covariance, point.theta, reference)
    _refuse_few(answer, directions.number)
    observed = point.likelihood.observed
    data = OptimalData(
        np.ones(1),
        observed[None, :bins],
        reference[None],
        directions.weight(covariance)[None],
        observed[None, bins:],
    )
    fits = fit_toys(likelihood, data)
    status = FitStatus(int(fits.status[0]))
    found: dict[str, Any] = {}
    if status <= FitStatus.AT_BOUND:
        at, toy = jnp.asarray(fits.estimate[0]), OptimalData(*(each[0] for each in data))
        square = 2.0 * float(likelihood.expansion(at, toy).nll)
        position, _, information = likelihood.constraints
        used = int(np.sum((np.diag(information) > 0) & ~likelihood.held[position]))
        degrees = directions.number + used - int(np.sum(~likelihood.held))
        p_value = float(chi2.sf(square, degrees)) if degrees > 0 else None
        found = {"chi_square": square, "degrees": degrees, "p_value": p_value}
    shown = sorted(
        np.flatnonzero(~likelihood.held), key=lambda k: point.parameters[k] != point.likelihood.poi
    )
    actual = answer.whole.factor * point.claimed
    rows = tuple(
        CombinedRow(
            parameter=point.parameters[k],
            estimate=float(fits.estimate[0, k]),
            error=float(fits.error[0, k]),
            product_error=float(actual[k]),
        )
        for k in shown
    )
    return Combined(
        elements=directions.number, null=directions.null, status=status.label, rows=rows, **found
    )


def _likelihood(
    point: Point, gammas: tuple[int, ...]
) -> tuple[OptimalLikelihood, NDArray[np.float64]]:
    """What is minimised, and what the rates are compared at."""
    first = point.likelihood
    ends = np.cumsum([size for _, size in first.channels]).tolist()
    at = np.array(first.aux_index, dtype=int)
    mean = first.aux_factor * point.theta[at]  # the variance of a Poisson auxiliary value
    poisson = np.array(first.aux_poisson, dtype=bool)
    information = first.aux_precision
    information[poisson, poisson] = first.aux_used[poisson] / mean[poisson]
    information[np.isin(at, gammas)] = 0.0
    information[:, np.isin(at, gammas)] = 0.0
    held = ~point.moving
    held[list(gammas)] = True
    likelihood = OptimalLikelihood(
        scores=BinRates(
            likelihood=first,
            channels=tuple(zip([0, *ends[:-1]], ends, strict=True)),
            measured=gammas,
            parts=False,
        ),
        constraints=Constraints(at, first.aux_factor, information),
        first=point.theta,
        limits=first.limits,
        held=held,
        names=first.names,
    )
    value = dict(zip(at.tolist(), first.observed[first.n_main :] / first.aux_factor, strict=True))
    measured = np.array([value[k] for k in gammas])
    counts = [first.observed[first.channel_slice(name)].sum() for name, _ in first.channels]
    return likelihood, np.concatenate([measured, counts])


def _covariance(point: Point, answer: Answer, gammas: tuple[int, ...]) -> NDArray[np.float64]:
    """Of the counts, with what gammas add, shape (bins, bins)."""
    joint = joint_counts(raked(answer.events, point.rates, point.channel))
    found = np.diag(point.rates) + joint
    if gammas:
        at = list(gammas)
        own = point.constraint[at]
        noise = np.diag(1.0 / own) + answer.gammas[np.ix_(at, at)] / np.outer(own, own)
        slopes = point.slopes[:, at] * point.rates[:, None]
        found = found + slopes @ noise @ slopes.T
    return np.asarray(found)


def _refuse_few(answer: Answer, directions: int) -> None:
    """Refuse weights that are noise."""
    weights = np.asarray(abs(answer.events).max(axis=1).toarray()).ravel()
    effective = weights.sum() ** 2 / np.sum(weights**2) if weights.any() else 0.0
    wanted = _EVENTS * directions
    if effective < wanted:
        raise LikelihoodError(
            f"{effective:.0f} events are too few for optimal weights, which need {_EVENTS} for "
            f"each of {directions} independent elements, {wanted} in all; give more, or simulated "
            "ones"
        )
