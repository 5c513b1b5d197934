"""What the samples of an audit leave open between and beyond their steps.

An audit has no exact rates: it knows the templates at its samples, and a morphing is a guess of
the rest. Two morphings of the same templates agree at the samples, so that what they differ by
elsewhere is what nobody knows who has these samples alone: by how much the estimate would move if
the data were products and not sums of templates, over the constraints and the fit error, with
products scaled to the total that sums have in each channel. Where it hardly moves the workspace
closes as far as can be told. That both are wrong alike cannot be excluded: events at two steps at
once would tell.

To first order the estimate moves by (J^T W J + P)^-1 J^T W D, with the slopes J of the rates,
weights W = 1 / the mean rate of both morphings, information P of the constraints and the difference
D of rates. Noise of the templates is in J and D, and most of what small samples seem to leave open
is that: it makes slopes, and products beside sums of noise differ wherever they go. So J and D are
taken from different halves of the events, one J in J^T W J from either (instrumental variables;
Durbin 1954, doi:10.2307/1401917), and the noise that is left is known from dividing the events more
than once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from pullfactory.auditing.half_models import HalfModels
from pullfactory.auditing.halves import Halves
from pullfactory.auditing.model import (
    AuditModel,
    rates_and_slopes,
    rates_and_slopes_at,
)
from pullfactory.auditing.templates import build_audit_workspace
from pullfactory.errors import CalibrationError
from pullfactory.inference.judgement import SURE, TOLERATED_BIAS, TOLERATED_OFF
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.likelihoods.auxiliary import constraint_information
from pullfactory.random import Stream, generator
from pullfactory.settings.audit import AuditWorkspace
from pullfactory.workspaces.evaluating import evaluate_rates

_POINTS = 8  # a power of two
_WEAK = 1e-9  # part of the largest information below which nothing is told
_TAILS = 2.5  # root mean square over median bias; 1.7 to 2.9 in studies that do not close
_OTHER = {
    "additive": "multiplicative",
    "additive_cross": "multiplicative",
    "multiplicative": "additive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditClosure:
    """By how much two morphings of the samples differ in one parameter, without their noise.

    Attributes:
        parameter: Name.
        bias: Root mean square difference of the estimates in units of the claimed error, over the
            constraints and the fit error; None where it cannot be had.
        bias_low: What it is at least, two standard errors below.
        sums: Whether the workspace sums templates. Products close wherever the logarithm of a
            density is linear in what the parameters change, and then it is the sums that are off.
        correctable: Whether a correction for correlation can be right: as in a study, unless the
            typical bias is above `TOLERATED_OFF` of an error, here for sure. It is taken to
            be 1 / 2.5 of the root mean square, about as in studies: without noise nobody knows it.
        unknown: Why it cannot be had; None where it can.
    """

    parameter: str
    bias: float | None = None
    bias_low: float | None = None
    sums: bool
    correctable: bool = True
    unknown: str | None = None

    @property
    def closes(self) -> bool | None:
        """Whether the workspace closes as far as the samples tell; None if they do not."""
        if self.bias is None or self.bias_low is None:
            return None
        if self.bias <= TOLERATED_BIAS:
            return True
        return False if self.sums and self.bias_low > TOLERATED_BIAS else None

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`."""
        keys = ("parameter", "bias", "bias_low")
        return {
            **{key: getattr(self, key) for key in keys},
            "closes": self.closes,
            "correctable": self.correctable,
            "reason": self.reason,
        }

    @property
    def reason(self) -> str | None:
        """What is to be known of the errors of this parameter; None if nothing."""
        if self.closes and self.correctable:
            return None
        if self.bias is None or self.bias_low is None:
            return (
                f"{self.parameter}: whether the workspace closes cannot be known ({self.unknown})."
            )
        moved = f"move the estimate by {self.bias:.2f} of its error"
        if not self.sums:
            return (
                f"{self.parameter}: whether the workspace closes cannot be known (products beside "
                f"sums of templates {moved})."
            )
        if self.closes is None and self.correctable:
            return (
                f"{self.parameter}: whether the workspace closes cannot be known (sums beside "
                f"products of templates {moved}, at least {self.bias_low:.2f}; more events tell)."
            )
        said = (
            f"{self.parameter}: the workspace does not close as far as its samples tell: sums "
            f"beside products of templates {moved}"
        )
        if self.correctable:
            return f"{said}, which no corrected error knows."
        return (
            f'{said}. No corrected error is given; use workspace.morphing = "multiplicative", or '
            "samples at smaller steps."
        )


class _Pair(NamedTuple):
    """Of the same samples, the likelihood of the audit, and a workspace with the other morphing."""

    own: BinnedLikelihood
    other: Mapping[str, Any]

    def loose(self, free: Sequence[str]) -> "_Pair":
        """With the free parameters free in the morphing of the audit too."""
        terms = zip(self.own.aux_index, self.own.aux_used, strict=True)
        constrained = {k for k, used in terms if used}
        idle = [name for name in free if self.own.positions(name)[0] in constrained]
        return self._replace(own=self.own.free(idle)) if idle else self


class _Rates(NamedTuple):
    """Of the audit's morphing, and what data of the other have more than these.

    Shapes (points, bins), (points, bins, parameters) and (points, bins).
    """

    own: NDArray[np.float64]
    slopes: NDArray[np.float64]
    more: NDArray[np.float64]


def compare_morphings(halved: HalfModels) -> tuple[AuditClosure, ...]:
    """By how much the estimate moves with another morphing of the samples of an audit.

    Args:
        halved: Of the observables taken as independent.

    Returns:
        One for each parameter that is shown.
    """
    model, expected = halved.model, halved.model.expected
    config = expected.config
    names, summed = expected.parameters, config.workspace.morphing != "multiplicative"
    other = _other(config.workspace)
    try:
        pair = _pair(model, other)
        parts = [[_pair(each, other) for each in both] for both in halved.pairs]
    except CalibrationError as error:
        return tuple(
            AuditClosure(parameter=name, sums=summed, unknown=str(error)) for name in names
        )
    shown = [pair.own.positions(name)[0] for name in names]
    constrained = [p.name for p in config.parameter if not p.free]
    theta = _ensemble(pair.own, constrained, shown, config.seed)
    whole = _rates(pair, theta, sums=summed)
    weight = whole.own + whole.more / 2
    moved = []
    for both in parts:
        first, second = (_rates(each, theta, sums=summed) for each in both)
        crossed = (first, second), (second, first)
        moved.append([_moved(pair.own, weight, *each)[:, shown] for each in crossed])
    moves = np.array(moved)
    return tuple(_judged(name, moves[..., k], sums=summed) for k, name in enumerate(names))


def _other(workspace: AuditWorkspace) -> AuditWorkspace:
    """Settings with the other morphing, which constrains no free parameter."""
    morphing = _OTHER[workspace.morphing]
    changes = {"morphing": morphing, "mass_constraint": morphing != "multiplicative"}
    return workspace.model_copy(update=changes)


def _pair(model: AuditModel, other: AuditWorkspace) -> _Pair:
    expected = model.expected
    spec = build_audit_workspace(expected, workspace=other, smoothing=model.smoothing)
    return _Pair(model.likelihood, spec).loose(expected.config.free_names)


def _moved(
    likelihood: BinnedLikelihood, weight: NDArray[np.float64], first: _Rates, second: _Rates
) -> NDArray[np.float64]:
    """By how much estimates move, in units of their errors, shape (points, parameters).

    Args:
        likelihood: Tells what moves, and the constraints.
        weight: Rates that the variances are taken from, shape (points, bins).
        first: Of one half of the events: gives the slopes of the score.
        second: Of the other: gives what the data have more.
    """
    moving = np.flatnonzero(~likelihood.held)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = (first.slopes[..., moving] / weight[..., None]).transpose(0, 2, 1)
    information = score @ second.slopes[..., moving]
    information = (information + information.transpose(0, 2, 1)) / 2
    information += constraint_information(likelihood)[np.ix_(moving, moving)]
    good = (weight > 0).all(axis=1)
    information[~good] = np.eye(len(moving))
    good &= np.linalg.eigvalsh(information)[:, 0] > 0
    information[~good] = np.eye(len(moving))
    inverse = np.linalg.inv(information)
    change = (inverse @ (score @ second.more[..., None]))[..., 0]
    error = np.sqrt(np.abs(np.diagonal(inverse, axis1=1, axis2=2)))
    found = np.zeros((len(weight), len(likelihood.names)))
    found[:, moving] = np.where(good[:, None], change / error, np.nan)
    return found


def _judged(name: str, moves: NDArray[np.float64], *, sums: bool) -> AuditClosure:
    known = np.asarray(np.isfinite(moves).all(axis=(0, 1)))
    if 2 * known.sum() < len(known):
        unknown = "the noise of the samples hides what they change; use more events"
        return AuditClosure(parameter=name, sums=sums, unknown=unknown)
    found = Halves.of(moves[..., known])
    square = found.mean_square()
    bias, low = (max(x, 0.0) ** 0.5 for x in (square.value, square.value - SURE * square.error))
    return AuditClosure(
        parameter=name,
        bias=bias,
        bias_low=low,
        sums=sums,
        correctable=not sums or low / _TAILS <= TOLERATED_OFF,
    )


def _ensemble(
    likelihood: BinnedLikelihood, constrained: Sequence[str], shown: Sequence[int], seed: int
) -> NDArray[np.float64]:
    """Where fits end over the constraints and the fit error, shape (points, parameters).

    Args:
        likelihood: Of the audit.
        constrained: Names of the parameters with a constraint.
        shown: Positions of those that move.
        seed: Of the audit.
    """
    rng = generator(seed, Stream.AUDIT_CLOSURE)
    rates, slopes = rates_and_slopes(likelihood, likelihood.init)
    moving = np.flatnonzero(~likelihood.held)
    normal = ndtri(qmc.Sobol(len(constrained) + len(moving), rng=rng).random_base2(_POINTS))
    truth = np.zeros((len(normal), len(likelihood.names)))
    at = [likelihood.positions(name)[0] for name in constrained]
    truth[:, at] = likelihood.units[at] * normal[:, : len(at)]
    if likelihood.aux_root is not None:
        terms = [likelihood.aux_index.index(k) for k in at]
        root = likelihood.aux_root[np.ix_(terms, terms)]
        truth[:, at] = likelihood.units[at] * (normal[:, : len(at)] @ root.T)
    information = slopes[:, moving].T @ (slopes[:, moving] / rates[:, None])
    size, direction = np.linalg.eigh(information)
    root = direction * np.sqrt(np.where(size > _WEAK * size[-1], size, 0.0)) @ direction.T
    inverse = np.linalg.pinv(
        information + constraint_information(likelihood)[np.ix_(moving, moving)], hermitian=True
    )
    score = truth[:, moving] @ information + normal[:, len(constrained) :] @ root
    found = np.zeros_like(truth)
    found[:, moving] = score @ inverse
    theta = np.tile(likelihood.init, (len(normal), 1))
    theta[:, shown] += found[:, shown]
    return theta


def _rates(pair: _Pair, theta: NDArray[np.float64], *, sums: bool) -> _Rates:
    """Rates of a pair; products are scaled to the total that sums have in each channel."""
    rates, slopes = rates_and_slopes_at(pair.own, theta)
    other = evaluate_rates(pair.other, pair.own.model_values(theta))
    sizes = [bins for _, bins in pair.own.channels]
    channel = np.repeat(np.eye(len(sizes)), sizes, axis=1)
    total, products = (rates, other) if sums else (other, rates)
    ratio = (total @ channel.T) / (products @ channel.T) @ channel
    more = other * ratio - rates if sums else other / ratio - rates
    return _Rates(rates, slopes, more)
