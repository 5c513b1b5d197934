"""Pulls, constraints and impacts of nuisance parameters, claimed and corrected side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.parts import pull_spread
from pullfactory.described import Size
from pullfactory.numbers import finite_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactRow:
    """What one nuisance parameter does to the parameter of interest, and the data to it.

    What is claimed follows from U, what is corrected from the whole error E, both of the fit at the
    nominal point: None where the answer is withheld. Pulls are None without data, and of a blinded
    audit.

    Attributes:
        method: `binned` or `unbinned`.
        parameter: The nuisance.
        auxiliary: Its auxiliary value, in its unit.
        claimed_spread: Of estimate - auxiliary value, sqrt(Sigma - U), in its unit.
        corrected_spread: What that spread is, sqrt(E + Sigma - 2 U).
        claimed_pull: Estimate - auxiliary value over the claimed spread.
        corrected_pull: The same over the corrected one.
        claimed_constraint: Claimed error over the width of the constraint.
        corrected_constraint: Whole error over that width.
        claimed_impact: By what the parameter of interest moves with the nuisance by its claimed
            error, in its unit; U_mk / sqrt(U_kk). These do not add up to an error.
        corrected_impact: The same of the covariance E.
        part: Of the error of the parameter of interest, from the auxiliary measurement of the
            nuisance: this and what follows add in quadrature. Of the estimate divided by its slope
            where the answer is `calibrate`, else as it stands. None where the constraint is
            correlated with others: the parts of the error have them together.
        leakage: From the noise of its templates.
    """

    method: str
    parameter: str
    auxiliary: float
    claimed_spread: Size | None
    corrected_spread: Size | None
    claimed_pull: float | None
    corrected_pull: float | None
    claimed_constraint: Size | None
    corrected_constraint: Size | None
    claimed_impact: float | None
    corrected_impact: float | None
    part: Size | None
    leakage: Size | None

    def pulled(self, estimates: Mapping[str, float | None]) -> Self:
        """The same with the pulls of data.

        Args:
            estimates: By parameter; none of a blinded audit.
        """
        estimate = estimates.get(self.parameter)
        away = None if estimate is None else estimate - self.auxiliary
        return replace(
            self,
            claimed_pull=_over(away, self.claimed_spread),
            corrected_pull=_over(away, self.corrected_spread),
        )

    def uncorrected(self) -> Self:
        """The same with nothing but claims."""
        return replace(
            self,
            corrected_spread=None,
            corrected_pull=None,
            corrected_constraint=None,
            corrected_impact=None,
            part=None,
            leakage=None,
        )

    def to_dict(self) -> dict[str, Any]:
        """One flat row, as in `audit.json`; no NaN."""
        return finite_or_none(asdict(self))


def _over(away: float | None, spread: float | None) -> float | None:
    return None if away is None or spread is None else away / spread


def nuisance_impacts(
    fit: LinearFit,
    along: NDArray[np.float64],
    poi: int,
    names: Sequence[str],
    auxiliary: Mapping[str, float],
    method: str,
) -> tuple[ImpactRow, ...]:
    """What the nuisances of a fit do to one estimate, the largest first.

    Args:
        fit: Around the nominal point.
        along: What the estimate of the parameter of interest is made of.
        poi: Position of that parameter.
        names: Of all parameters.
        auxiliary: Values of the auxiliary measurements of nuisances; 0 where none is given.
        method: That it is fitted with.
    """
    claimed, whole = fit.claimed, fit.whole
    moved, shared = along @ claimed, along @ whole
    found = []
    blocks = {k: nuisance.positions for nuisance in fit.nuisances for k in nuisance.positions}
    for k, block in blocks.items():
        if k == poi:
            continue
        prior = float(fit.prior[k, k])
        claimed_spread, corrected_spread = pull_spread(fit, k)
        away = prior * float(along @ fit.slope[:, k]) ** 2
        chance = prior * float(along @ fit.slope_scatters[k] @ along)
        measured = float(moved[k]) ** 2 * float(fit.auxiliary[k, k])
        part, leakage = (away, chance) if fit.held[k] else (measured, away + chance)
        alone = len(block) == 1
        row = ImpactRow(
            method=method,
            parameter=names[k],
            auxiliary=float(auxiliary.get(names[k], 0.0)),
            claimed_spread=claimed_spread,
            corrected_spread=corrected_spread,
            claimed_pull=None,
            corrected_pull=None,
            claimed_constraint=float(np.sqrt(claimed[k, k] / prior)),
            corrected_constraint=float(np.sqrt(whole[k, k] / prior)),
            claimed_impact=float(claimed[poi, k] / np.sqrt(claimed[k, k])),
            corrected_impact=float(shared[k] / np.sqrt(whole[k, k])),
            part=float(np.sqrt(part)) if alone else None,
            leakage=float(np.sqrt(leakage)) if alone else None,
        )
        found.append(ImpactRow(**row.to_dict()))
    return tuple(sorted(found, key=_size, reverse=True))


def _size(row: ImpactRow) -> float:
    return float(np.hypot(row.part or 0.0, row.leakage or 0.0))
