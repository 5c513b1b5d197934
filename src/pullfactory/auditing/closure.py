"""What the samples of an audit leave open between and beyond their steps.

An audit has no exact rates: it knows the templates at its samples, and a morphing is a guess of
the rest. Two morphings of the same templates agree at the samples, so that what they differ by
elsewhere is what nobody knows who has these samples alone. Sums and products of templates are
fitted to the same data, over the constraints and the fit error; the data are products, whose total
in each channel is that of the sums. Where the two agree the workspace closes as far as can be told.
That both are wrong alike cannot be excluded: events at two steps at once would tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from pullfactory._jax import jax, jit
from pullfactory.auditing.model import audit_likelihood, rates_and_slopes
from pullfactory.auditing.templates import Expected, build_audit_workspace
from pullfactory.errors import CalibrationError
from pullfactory.inference.closing import TOLERATED_BIAS
from pullfactory.inference.fits import fit_toys
from pullfactory.likelihoods import BinnedLikelihood

__all__ = ["AuditClosure", "compare_morphings"]

_POINTS = 8  # a power of two
_WEAK = 1e-9  # part of the largest information below which nothing is told
_OTHER = {
    "additive": "multiplicative",
    "additive_cross": "multiplicative",
    "multiplicative": "additive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditClosure:
    """By how much two morphings of the samples differ in one parameter.

    Attributes:
        parameter: Name.
        bias: Root mean square difference of the estimates in units of the claimed error, over the
            constraints and the fit error; None where it cannot be had.
        typical_bias: Its median size.
        sums: Whether the workspace sums templates. Products close wherever the logarithm of a
            density is linear in what the parameters change, and then it is the sums that are off.
        unknown: Why it cannot be had; None where it can.
    """

    parameter: str
    bias: float | None
    typical_bias: float | None
    sums: bool
    unknown: str | None

    @property
    def closes(self) -> bool | None:
        """Whether the workspace closes as far as the samples tell; None if they do not."""
        if self.bias is None:
            return None
        return True if self.bias <= TOLERATED_BIAS else (False if self.sums else None)

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`."""
        return {
            "parameter": self.parameter,
            "bias": self.bias,
            "typical_bias": self.typical_bias,
            "closes": self.closes,
            "reason": self.reason,
        }

    @property
    def reason(self) -> str | None:
        """What is to be known of the errors of this parameter; None if nothing."""
        if self.closes:
            return None
        if self.bias is None:
            return (
                f"{self.parameter}: whether the workspace closes cannot be known ({self.unknown})."
            )
        if self.closes is None:
            return (
                f"{self.parameter}: whether the workspace closes cannot be known (products beside "
                f"sums of templates move the estimate by {self.bias:.2f} of its error)."
            )
        return (
            f"{self.parameter}: the workspace does not close as far as its samples tell: sums "
            f"beside products of templates move the estimate by {self.bias:.2f} of its error, "
            "which no corrected error knows."
        )


def compare_morphings(expected: Expected, likelihood: BinnedLikelihood) -> tuple[AuditClosure, ...]:
    """Fit the same data with the morphing of an audit and with another one of the same samples.

    Args:
        expected: The samples.
        likelihood: Of the workspace of the observables taken as independent.

    Returns:
        One for each parameter of the configuration.
    """
    config = expected.config
    names = config.parameter_names
    other = _OTHER[config.workspace.morphing]
    settings: dict[str, Any] = {"workspace.morphing": other}
    if other == "multiplicative":
        settings |= {"workspace.mass_constraint": False}
    changed = replace(
        expected,
        config=config.with_settings({"workspace.mass_constraint": True}).with_settings(settings),
    )
    try:
        second = audit_likelihood(build_audit_workspace(changed), changed)
    except CalibrationError as error:
        return tuple(
            AuditClosure(
                parameter=name,
                bias=None,
                typical_bias=None,
                sums=other == "multiplicative",
                unknown=str(error),
            )
            for name in names
        )
    terms = zip(likelihood.aux_index, likelihood.aux_used, strict=True)
    constrained = {k for k, used in terms if used}
    idle = [n for n in config.free_names if likelihood.positions(n)[0] in constrained]
    first = likelihood.free(idle) if idle else likelihood
    products, sums = (second, first) if other == "multiplicative" else (first, second)
    counts = _counts(expected, products, sums)
    estimates, errors = [], []
    for one in (first, second):
        aux = np.tile(one.observed[one.n_main :], (len(counts), 1))
        fits = fit_toys(one, np.concatenate([counts, aux], axis=1), recover=False).select(names)
        estimates.append(np.where(np.isfinite(fits.error), fits.estimate, np.nan))
        errors.append(fits.error)
    bias = (estimates[0] - estimates[1]) / errors[0]
    summed = products is second
    return tuple(_judged(name, row, sums=summed) for name, row in zip(names, bias.T, strict=True))


def _judged(name: str, bias: NDArray[np.float64], *, sums: bool) -> AuditClosure:
    known = bias[np.isfinite(bias)]
    if 2 * len(known) < len(bias):
        unknown = "most fits of the comparison fail or end at a bound"
        return AuditClosure(
            parameter=name, bias=None, typical_bias=None, sums=sums, unknown=unknown
        )
    return AuditClosure(
        parameter=name,
        bias=float(np.sqrt(np.mean(known**2))),
        typical_bias=float(np.median(np.abs(known))),
        sums=sums,
        unknown=None,
    )


def _counts(
    expected: Expected, products: BinnedLikelihood, sums: BinnedLikelihood
) -> NDArray[np.float64]:
    """Expected counts over the constraints and the fit error, shape (points, bins)."""
    config = expected.config
    rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence(config.seed, spawn_key=(2,))))
    constrained = [p.name for p in config.parameter if p.constraint == "normal"]
    _, slopes = rates_and_slopes(products, products.init)
    moving = slopes[:, ~products.held]
    n_noise = moving.shape[1]
    normal = ndtri(qmc.Sobol(len(constrained) + n_noise, rng=rng).random_base2(_POINTS))
    rates = _rates(products, _points(products, constrained, normal))
    totals = _rates(sums, _points(sums, constrained, normal))
    sizes = [bins for _, bins in products.channels]
    channel = np.repeat(np.eye(len(sizes)), sizes, axis=1)
    rates = rates * ((totals @ channel.T) / (rates @ channel.T) @ channel)
    nominal, _ = rates_and_slopes(products, products.init)
    information = moving.T @ (moving / nominal[:, None])
    size, direction = np.linalg.eigh(information)
    told = size > _WEAK * size[-1]
    spread = np.where(told, 1.0 / np.sqrt(np.where(told, size, 1.0)), 0.0)
    delta = (normal[:, len(constrained) :] * spread) @ direction.T
    return np.asarray(np.maximum(rates + delta @ moving.T, 0.0))


def _points(
    likelihood: BinnedLikelihood, constrained: Sequence[str], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    theta = np.tile(likelihood.init, (len(normal), 1))
    for i, name in enumerate(constrained):
        theta[:, likelihood.positions(name)[0]] = normal[:, i]
    return theta


def _rates(likelihood: BinnedLikelihood, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(_vmapped(likelihood, theta))


@jit
def _vmapped(likelihood: BinnedLikelihood, theta: jax.Array) -> jax.Array:
    return jax.vmap(likelihood.expected)(theta)
