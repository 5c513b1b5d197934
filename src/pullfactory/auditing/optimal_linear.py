"""The optimal combination of an audit as a linear fit, and what noise of the templates does to it.

With M the inverse covariance of what is combined, R R^T = M, and slopes J the information is
J^T M J: that of `LinearFit` with the slopes R^T J, rates 1 and unit covariance. Noise of the slopes
looks like information, as it does in the product, and estimates move by A for each unit of truth.
The noise of M is of second order: it loses information, and moves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.units import UnitFamily
from pullfactory.auditing.whole_error import told_slopes
from pullfactory.inference.judgement import LEAST_SLOPE, SLOPE_KNOWN


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OptimalNoise:
    """What the noise of the templates does to the estimates, each of shape (parameters,).

    Attributes:
        slope: What an estimate moves for each unit of truth.
        slope_error: Its error.
        whole_error: Spread of estimate - truth with noisy templates; NaN where their noise hides
            it.
        calibrated_error: Of an estimate divided by its slope; NaN for a constrained parameter, and
            where noise hides it.
        template_noise: What the finite number of nominal events adds to the estimates.
    """

    slope: NDArray[np.float64]
    slope_error: NDArray[np.float64]
    whole_error: NDArray[np.float64]
    calibrated_error: NDArray[np.float64]
    template_noise: NDArray[np.float64]

    @classmethod
    def of(cls, fit: LinearFit, at: Sequence[int]) -> "OptimalNoise":
        """Of some parameters.

        Args:
            fit: From `combined_fit`.
            at: Positions of the parameters.
        """
        chosen = np.asarray(at, dtype=np.intp)
        slope = told_slopes(fit, chosen)
        slope_error = np.sqrt([fit.slope_scatters[k][k, k] for k in chosen])
        known = (slope >= LEAST_SLOPE) & (slope_error <= SLOPE_KNOWN) & fit.usable
        whole, divided = np.sqrt(np.diag(fit.whole))[chosen], fit.calibrated()[chosen]
        drawn = np.diag(fit.claimed @ fit.template @ fit.claimed)[chosen]
        return cls(
            slope=slope,
            slope_error=slope_error,
            whole_error=np.where(known, whole, np.nan),
            calibrated_error=np.where(known, divided, np.nan),
            template_noise=np.sqrt(np.maximum(drawn, 0.0)),
        )


def combined_fit(
    product: LinearFit,
    weight: NDArray[np.float64],
    template: NDArray[np.float64],
    kept: NDArray[np.intp],
    change: NDArray[np.float64] | None = None,
) -> LinearFit:
    """The combination around the nominal point.

    Args:
        product: The fit of the product.
        weight: M, inverse covariance of what its slopes are of, shape (values, values).
        template: Covariance of these values over new nominal templates, same shape.
        kept: Positions of the parameters that are fitted.
        change: What is taken of the values, shape (values, values); None for these themselves.
    """
    made = np.eye(len(weight)) if change is None else change
    values, vectors = np.linalg.eigh(weight)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))).T @ made
    slopes = root @ product.slopes[:, kept]
    weighed = weight @ made @ product.slopes[:, kept]
    inside = np.ix_(kept, kept)
    information = slopes.T @ slopes
    return replace(
        product,
        slopes=slopes,
        rates=np.ones(len(slopes)),
        scatter=information,
        counts=np.eye(len(slopes)),
        penalty=product.penalty[inside],
        auxiliary=product.auxiliary[inside],
        template=weighed.T @ template @ weighed,
        free=product.free[kept],
        held=product.held[kept],
        local=product.local[kept],
        units=tuple(_moved(family, root, kept) for family in product.units),
        bends=None,
    )


def _moved(family: UnitFamily, root: NDArray[np.float64], kept: NDArray[np.intp]) -> UnitFamily:
    """What groups add to the slopes of the combination."""
    place = {int(k): i for i, k in enumerate(kept)}
    own = [i for i, k in enumerate(family.columns) if int(k) in place]
    slopes = np.einsum("ab,ubc->uac", root, family.slopes[:, :, own])
    return UnitFamily(
        columns=np.array([place[int(family.columns[i])] for i in own], dtype=np.intp),
        slopes=slopes,
        log_slopes=slopes,
        information=None,
        scores=None,
    )
