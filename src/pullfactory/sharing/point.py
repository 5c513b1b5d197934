"""A workspace at one point of its parameters: rates, what moves them, and the claimed errors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision, jax, jit
from pullfactory.errors import LikelihoodError, printable
from pullfactory.fitting import FitBatch, FitStatus, fit_toys
from pullfactory.fitting.flatness import refuse_flat
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.likelihoods._expanding import Rates, expand_rates
from pullfactory.likelihoods.log_slopes import log_slopes

_AT_BOUND = 1e-9  # part of the range of a parameter
_HELD = 'with "fixed": true for {name} in the parameters of the measurement'


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Point:
    """A workspace, linear around one point.

    Attributes:
        likelihood: Of the workspace.
        theta: The point, shape (parameters,).
        rates: Expected counts of all bins, shape (bins,).
        slopes: Derivatives of the logarithms of the rates, shape (bins, parameters).
        constraint: Information of the constraints, shape (parameters,).
        inverse: U, the inverse of the expected information, which is the covariance that the fit
            claims; 0 for what does not move. Shape (parameters, parameters).
        moving: Whether a parameter moves: neither held nor at a bound; shape (parameters,).
    """

    likelihood: BinnedLikelihood
    theta: NDArray[np.float64]
    rates: NDArray[np.float64]
    slopes: NDArray[np.float64]
    constraint: NDArray[np.float64]
    inverse: NDArray[np.float64]
    moving: NDArray[np.bool_]

    @classmethod
    @double_precision
    def at(cls, likelihood: BinnedLikelihood, theta: NDArray[np.float64]) -> Self:
        """The workspace around a point.

        Args:
            likelihood: Of a workspace.
            theta: Shape (parameters,), in the parameters' units.

        Raises:
            LikelihoodError: If the workspace does not tell its parameters apart there.
        """
        rates, slopes = _expanded(likelihood, theta)
        constraint = _constraint(likelihood, theta)
        low, high = likelihood.bounds.T
        margin = _AT_BOUND * (high - low)
        moving = ~likelihood.fixed & (theta > low + margin) & (theta < high - margin)
        return cls(
            likelihood=likelihood,
            theta=theta,
            rates=rates,
            slopes=slopes,
            constraint=constraint,
            inverse=_inverse(
                (slopes.T * rates) @ slopes + np.diag(constraint) + likelihood.coupled_information,
                moving,
            ),
            moving=moving,
        )

    def moved(self, theta: NDArray[np.float64]) -> Self | None:
        """The same elsewhere; None where a rate is not positive or errors cannot be had.

        Args:
            theta: Shape (parameters,).
        """
        try:
            other = type(self).at(self.likelihood, theta)
        except LikelihoodError:
            return None
        return other if (other.rates[self.rates > 0] > 0).all() else None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names, in the order of every parameter axis."""
        return self.likelihood.names

    @property
    def claimed(self) -> NDArray[np.float64]:
        """Errors that the fit claims, shape (parameters,); NaN for what does not move."""
        variance = np.diag(self.inverse)
        return np.sqrt(np.where(self.moving, variance, np.nan))

    @property
    def pulls(self) -> NDArray[np.float64]:
        """What one event more in a bin adds to each estimate, G U, shape (bins, parameters)."""
        return self.slopes @ self.inverse

    @property
    def channel(self) -> NDArray[np.int_]:
        """Which channel each bin is of, shape (bins,)."""
        sizes = [bins for _, bins in self.likelihood.channels]
        return np.repeat(np.arange(len(sizes)), sizes)


def fitted(likelihood: BinnedLikelihood) -> FitBatch:
    """The fit to the observations; at the initial values if it failed.

    Args:
        likelihood: Of a workspace.

    Raises:
        LikelihoodError: If the likelihood does not change along some direction.
    """
    refuse_flat(likelihood, likelihood.init, _HELD)
    fits = fit_toys(likelihood, likelihood.observed[None])
    if fits.status[0] <= FitStatus.AT_BOUND:
        return fits
    return replace(fits, estimate=likelihood.init[None])


def gamma_bins(point: Point, workspace: Mapping[str, Any]) -> dict[int, int]:
    """The gammas of simulated events that move: for each its parameter and the bin it scales.

    Args:
        point: Of the workspace.
        workspace: Its content; gammas are those of its `staterror` modifiers.
    """
    names = {
        modifier["name"]
        for channel in workspace["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
        if modifier["type"] == "staterror"
    }
    effect = np.abs(point.slopes)
    return {
        k: int(np.argmax(effect[:, k]))
        for name in sorted(names)
        for k in point.likelihood.positions(printable(name))
        if point.moving[k] and effect[:, k].any()
    }


def _expanded(
    likelihood: BinnedLikelihood, theta: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates and the derivatives of their logarithms, of a large model by its structure."""
    layout = likelihood.layout
    if layout is None:
        rates = np.asarray(likelihood.expected(theta), dtype=np.float64)
        return rates, np.asarray(log_slopes(likelihood, theta[None])[0], dtype=np.float64)
    found = _by_structure(likelihood, theta)
    rates = np.asarray(found.rates, dtype=np.float64)
    slopes = np.zeros((len(rates), layout.size + 1))  # the last is of bins without a gamma
    slopes[:, layout.corner] = np.asarray(found.corner).T
    for own, inner in zip(layout.inner, np.asarray(found.inner), strict=True):
        slopes[np.arange(len(rates)), own] = inner
    positive = rates[:, None] > 0
    slopes = np.where(positive, slopes[:, :-1], 0.0) / np.where(positive, rates[:, None], 1.0)
    return rates, slopes


@jit
def _by_structure(likelihood: BinnedLikelihood, theta: jax.Array) -> Rates:
    assert likelihood.structure is not None
    assert likelihood.numbers is not None
    return expand_rates(likelihood.structure, likelihood.numbers, theta, likelihood.units)


def _constraint(likelihood: BinnedLikelihood, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Expected information of the auxiliary data, the diagonal of the parameters."""
    at = np.array(likelihood.aux_index, dtype=int)
    poisson = np.array(likelihood.aux_poisson, dtype=bool)
    factor = likelihood.aux_factor
    own = np.where(poisson, theta[at], 1.0)
    each = np.where(poisson, factor / own, (factor / likelihood.aux_sigma) ** 2)
    found = np.zeros(len(theta))
    np.add.at(found, at, likelihood.aux_used * each)
    return found


def _inverse(information: NDArray[np.float64], moving: NDArray[np.bool_]) -> NDArray[np.float64]:
    inverse = np.zeros_like(information)
    own = information[np.ix_(moving, moving)]
    scale = np.sqrt(np.diag(own))
    if not (np.isfinite(own).all() and (scale > 0).all()):
        raise LikelihoodError(
            "the information at the fitted point is not finite, or a parameter has none there; "
            "hold such parameters in the measurement (fixed)"
        )
    try:
        inner = np.linalg.inv(own / np.outer(scale, scale))
    except np.linalg.LinAlgError:
        inner = np.full_like(own, np.nan)
    if not (np.diag(inner) > 0).all():
        raise LikelihoodError(
            "the workspace does not tell its parameters apart at the fitted point; hold one of them"
        )
    inverse[np.ix_(moving, moving)] = inner / np.outer(scale, scale)
    return inverse
