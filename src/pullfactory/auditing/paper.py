"""The line for the paper: the estimate of the data with the whole error and its parts.

The estimate is that of the fit of the data, the error that of the fit at the nominal point, as all
formulas of `linear_fit` are. Where the answer on the claimed error is "calibrate" the estimate is
divided by its slope. That answer is about truths within two errors of nominal: where the data are
farther away, the estimate stands as long as its slope and the error of that move it by no more than
they may there for a "yes", and is divided beyond. Data whose events have weights scatter more than
expected ones do, which enters the part that is called statistics.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.impacts import ImpactRow, nuisance_impacts
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.parts import direction, divide_error, slope_variances
from pullfactory.described import Later, Size
from pullfactory.inference.error_part import Part
from pullfactory.inference.judgement import LIKELY, TOLERATED_PULL
from pullfactory.methods import BINNED, UNBINNED


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopeMatrix:
    """What estimates of free parameters are divided by.

    Attributes:
        parameters: Free ones, in the order of the other attributes.
        nominal: Their values in the nominal samples, as the fit has them: 0, or 1 of a rate.
        inverse: Of their slopes, a list for each; the calibrated distances from nominal are this
            times those of the estimates.
        variances: Of the parameter of interest, calibrated, for each squared unit that one of
            them is away from nominal.
        parts: Of its error at the nominal point.
    """

    parameters: tuple[str, ...]
    nominal: tuple[float, ...]
    inverse: tuple[tuple[float, ...], ...]
    variances: tuple[float, ...]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, fit: LinearFit, at: NDArray[np.float64], names: Sequence[str], poi: int) -> Self:
        """That of a fit.

        Args:
            fit: Around the nominal point.
            at: Where the nominal point is, shape (parameters,).
            names: Of all parameters.
            poi: Position of the parameter of interest, which is free.
        """
        free = [int(k) for k in np.flatnonzero(fit.free)]
        along = direction(fit, poi, calibrated=True)
        inverse = np.linalg.inv(fit.slope[np.ix_(free, free)])
        return cls(
            parameters=tuple(names[k] for k in free),
            nominal=tuple(float(at[k]) for k in free),
            inverse=tuple(tuple(float(x) for x in row) for row in inverse),
            variances=tuple(float(x) for x in slope_variances(fit, along)),
            parts=divide_error(fit, along, names),
        )

    def calibrated(self, estimates: Mapping[str, float | None]) -> NDArray[np.float64]:
        """Distances from nominal, divided by the slopes.

        Args:
            estimates: By parameter; one that is not there is at its nominal value.

        Returns:
            Shape (parameters,).
        """
        known = zip(self.parameters, self.nominal, strict=True)
        away = [value - at if (value := estimates.get(n)) is not None else 0.0 for n, at in known]
        return np.asarray(np.array(self.inverse) @ np.array(away))


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow:
    """The parameter of interest as a paper quotes it.

    Attributes:
        method: `binned` or `unbinned`.
        parameter: Name.
        nominal: Its value in the nominal samples; None where the configuration says none.
        shift: Estimate less nominal, divided by its slope where `calibrated`; None where withheld.
            A blinded one has its hidden offset.
        value: `nominal` + `shift`; None where one of them is.
        error: Whole error: the parts, added in quadrature; None where withheld. Of a blinded audit
            without that of the slope, which would tell the estimate.
        claimed_error: That of the fit of the data.
        expected_error: What a fit at the nominal point claims, which `error` belongs to.
        calibrated: Whether the estimate is divided by its slope.
        blinded: Whether it has a hidden offset.
        reason: Why the line is withheld, without a full stop; None where it is not.
        parts: Of the error.
        slopes: What estimates are divided by where that is done; None of a constrained parameter.
    """

    method: str
    parameter: str
    nominal: float | None
    shift: float | None
    value: float | None
    error: Size | None
    claimed_error: Size | None
    calibrated: bool
    blinded: bool
    reason: str | None
    parts: tuple[Part, ...]
    slopes: SlopeMatrix | None
    expected_error: Annotated[Size | None, Later] = None

    def at(self, estimates: Mapping[str, float | None], *, blind: bool) -> Self:
        """The same with the estimates of data.

        Args:
            estimates: By parameter.
            blind: Whether they have hidden offsets; how far they are from nominal is not told then.
        """
        shift, parts = estimates.get(self.parameter), self.parts
        if self.reason or shift is None:
            return self
        calibrated = self.calibrated
        if self.slopes:
            away = self.slopes.calibrated(estimates)
            own = float(away[self.slopes.parameters.index(self.parameter)])
            slope = float(np.sqrt(np.square(away) @ np.array(self.slopes.variances)))
            far = abs(own - shift) + LIKELY * slope > TOLERATED_PULL * _whole(parts)
            calibrated = calibrated or (far and not blind)
            if calibrated:
                shift, parts = own, self.slopes.parts
                if slope and not blind:
                    parts = (*parts, Part(source="slope", parameter=None, size=slope))
        return replace(
            self,
            shift=shift,
            value=None if self.nominal is None else self.nominal + shift,
            error=_whole(parts),
            calibrated=calibrated,
            parts=parts,
            blinded=blind,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in `audit.json`: lists, and no tuples."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """What `to_dict` made plain data of, or what was read of that."""
        slopes = row["slopes"]
        own = (key for key in cls.__dataclass_fields__ if key not in ("parts", "slopes"))
        return cls(
            **{key: row[key] for key in own if key in row},
            parts=_parts(row["parts"]),
            slopes=slopes
            and SlopeMatrix(
                **{key: tuple(slopes[key]) for key in ("parameters", "nominal", "variances")},
                inverse=tuple(map(tuple, slopes["inverse"])),
                parts=_parts(slopes["parts"]),
            ),
        )


def _whole(parts: Sequence[Part]) -> float:
    return float(np.sqrt(sum(part.size**2 for part in parts)))


def _parts(rows: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    return tuple(Part(**row) for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorParts:
    """What the error of the parameter of interest is made of, with one method.

    Attributes:
        method: Its name.
        parameter: Name.
        calibrated: Whether the estimate is divided by its slope wherever the data are.
        parts: At the nominal point, of the estimate as it stands.
        slopes: What estimates are divided by; None of a constrained parameter, of which slopes are
            below 1 as they should be, and where they cannot be told.
        impacts: Of the nuisances, without pulls.
    """

    method: str
    parameter: str
    calibrated: bool
    parts: tuple[Part, ...]
    slopes: SlopeMatrix | None
    impacts: tuple[ImpactRow, ...]

    @classmethod
    def binned(cls, fit: LinearFit, model: AuditModel, *, calibrated: bool) -> Self:
        """Those of the fit in bins.

        Args:
            fit: Around the nominal point, of the parameters of the likelihood.
            model: Gives names and auxiliary values, and how data are weighted.
            calibrated: Whether the answer is that a free parameter is to be divided by its slope.
        """
        likelihood = model.likelihood
        auxiliary = {
            likelihood.names[k]: float(likelihood.observed[likelihood.n_main + term] / factor)
            for term, (k, factor) in enumerate(
                zip(likelihood.aux_index, likelihood.aux_factor, strict=True)
            )
        }
        fit = as_weighted(fit, data_weights(model))
        start = dict(zip(likelihood.names, likelihood.init.tolist(), strict=True))
        poi = model.expected.config.poi
        return cls._of(fit, poi, start, auxiliary, BINNED.name, calibrated=calibrated)

    @classmethod
    def unbinned(cls, fit: LinearFit, model: AuditModel, *, calibrated: bool) -> Self:
        """Those of the fit with densities.

        Args:
            fit: Around the nominal point, of the parameters of the audit.
            model: Tells how data are weighted.
            calibrated: As for `binned`.
        """
        config = model.expected.config
        fit = as_weighted(fit, np.full(len(fit.rates), _mean_weight(model)))
        start = dict.fromkeys(config.parameter_names, 0.0)
        auxiliary = {one.name: 0.0 for one in config.parameter if not one.free}
        return cls._of(fit, config.poi, start, auxiliary, UNBINNED.name, calibrated=calibrated)

    @classmethod
    def _of(
        cls,
        fit: LinearFit,
        parameter: str,
        start: Mapping[str, float],
        auxiliary: Mapping[str, float],
        method: str,
        *,
        calibrated: bool,
    ) -> Self:
        """Those of a fit, whose parameters have nominal values, and some auxiliary ones."""
        names, init = tuple(start), np.array(list(start.values()))
        poi = names.index(parameter)
        divisible = bool(fit.free[poi]) and fit.usable
        calibrated = calibrated and divisible
        along = direction(fit, poi, calibrated=calibrated)
        return cls(
            method=method,
            parameter=parameter,
            calibrated=calibrated,
            parts=divide_error(fit, direction(fit, poi, calibrated=False), names),
            slopes=SlopeMatrix.of(fit, init, names, poi) if divisible else None,
            impacts=nuisance_impacts(fit, along, poi, names, auxiliary, method),
        )


def data_weights(model: AuditModel) -> NDArray[np.float64]:
    """Sum of squared weights over the sum of weights of the data in each bin; 1 without data.

    An event of weight 2 is two events, and has the variance of four. Where a sum of weights is not
    positive, and for rows that are not events, it is that of all data.

    Args:
        model: Of the observables taken as independent.

    Returns:
        Shape (bins,).
    """
    config = model.expected.config
    found = np.full(model.likelihood.n_main, _mean_weight(model))
    if config.sample_set.data is None or config.repeated == "cluster":
        return found
    read = model.expected.read("data")
    for where, sums, squares in zip(
        model.channels.slices, model.expected.observed.values(), read.counts.squares, strict=True
    ):
        found[where] = np.divide(squares, sums, where=sums > 0, out=found[where].copy())
    return found


def _mean_weight(model: AuditModel) -> float:
    """Sum of squared weights over the sum of weights of all data; 1 without data.

    Where rows are of one event it is that of the rows: that they go together is in the covariance
    already.
    """
    config = model.expected.config
    if config.sample_set.data is None:
        return 1.0
    read = model.expected.read("data")
    if config.repeated == "cluster":
        weights = read.rows.weights
        return float(np.square(weights).sum() / abs(weights.sum())) if weights.sum() else 1.0
    check = read.check
    return abs(check.weight) / check.effective if check.effective > 0 else 1.0


def as_weighted(fit: LinearFit, weights: NDArray[np.float64]) -> LinearFit:
    """The same fit of data whose counts have such variances.

    Args:
        fit: Around the nominal point.
        weights: What variances are multiplied by, shape (bins,).
    """
    if np.all(weights == 1.0):
        return fit
    root = np.sqrt(weights)
    counts = root[:, None] * fit.counts * root
    return replace(
        fit, counts=counts, scatter=np.asarray(fit.log_slopes.T @ counts @ fit.log_slopes)
    )
