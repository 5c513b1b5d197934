"""Intervals of the data from the profile likelihood ratio, plain and for the whole error.

The ratio is divided by lambda = E_kk / U_kk, the squares of whole and claimed error of the fit at
the nominal point (`linear_fit`): correlation of the observables and noise of the templates, from
the simulated events, however few the data are. So the interval of z standard deviations is where
the plain ratio is z^2 lambda. Of an estimate that is divided by its slope A the interval is that of
A theta, divided by A, with the error of A in quadrature. At a bound, or with nuisances at theirs,
the ratio of the tested parameter alone is scaled.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import jax
from pullfactory.auditing.densities import UnbinnedModel
from pullfactory.auditing.measurement import DataFit, data_block, in_units
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.paper import PaperRow
from pullfactory.auditing.whole_error import WholeErrors
from pullfactory.described import Size
from pullfactory.fitting import FitBatch, FitStatus
from pullfactory.fitting.intervals import SIGMAS, ratio_ends
from pullfactory.fitting.profile import profile
from pullfactory.likelihoods import Likelihood
from pullfactory.methods import BINNED
from pullfactory.numbers import finite_or_none

_CURVE = 32  # points of the curve
_AT_ONCE = 8  # values that are tested together: one shape to compile for
_BEYOND = 1.15  # of the outermost end, to which the curve is drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioRow:
    """Intervals of one parameter from the profile likelihood ratio of the data.

    Ends are distances from the estimate, below (minus) and above (plus). What cannot be had is
    None: what is corrected where the whole error is withheld, and an end of a blinded audit that
    its bound would tell.

    Attributes:
        method: `binned` or `unbinned`.
        parameter: Name.
        minus_68: Of one standard deviation, as the fit claims it.
        plus_68: The same above.
        minus_95: Of two standard deviations.
        plus_95: The same above.
        scale: lambda, whole over claimed variance of the fit at the nominal point, of simulated
            events.
        corrected_minus_68: From the ratio divided by lambda.
        corrected_plus_68: The same above.
        corrected_minus_95: Of two standard deviations.
        corrected_plus_95: The same above.
        calibrated_minus_68: From the estimate divided by its slope, where the line for the paper is
            so; None where it is not, or several free parameters have slopes.
        calibrated_plus_68: The same above.
        calibrated_minus_95: Of two standard deviations.
        calibrated_plus_95: The same above.
        bounded: Whether an end is at the bound of the parameter.
        distances: From the estimate, of points of the curve.
        ratios: Twice the log of the likelihood ratio there.
    """

    method: str
    parameter: str
    minus_68: Size | None
    plus_68: Size | None
    minus_95: Size | None
    plus_95: Size | None
    scale: Size | None
    corrected_minus_68: Size | None
    corrected_plus_68: Size | None
    corrected_minus_95: Size | None
    corrected_plus_95: Size | None
    calibrated_minus_68: Size | None = None
    calibrated_plus_68: Size | None = None
    calibrated_minus_95: Size | None = None
    calibrated_plus_95: Size | None = None
    bounded: bool
    distances: tuple[float, ...]
    ratios: tuple[float | None, ...]

    def uncorrected(self) -> Self:
        """The same where the whole error is withheld."""
        hidden: dict[str, Any] = dict.fromkeys(("scale", *_CORRECTED))
        return replace(self, **hidden)

    def calibrated(self, paper: PaperRow | None) -> Self:
        """The same with the interval of the estimate divided by its slope.

        Args:
            paper: The line for the paper of this parameter and method; None without one.
        """
        found: dict[str, Any] = dict.fromkeys(f"calibrated_{key}" for key in _ENDS)
        slopes = paper.slopes if paper and paper.calibrated and not paper.reason else None
        if paper and slopes and slopes.parameters == (self.parameter,):
            by = abs(slopes.inverse[0][0])
            error = sum(part.size**2 for part in paper.parts if part.source == "slope")
            for key in _ENDS:
                away = getattr(self, f"corrected_{key}")
                sigma = SIGMAS[key.endswith("95")]
                if away is not None:
                    whole = np.hypot(by * away, sigma * np.sqrt(error))
                    found[f"calibrated_{key}"] = float(whole)
        return replace(self, **found)

    def blinded(self) -> Self:
        """The same without what tells where the estimate is."""
        hidden: dict[str, Any] = dict.fromkeys((*_ENDS, *_CORRECTED))
        return replace(self, **hidden, bounded=False) if self.bounded else self

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as in `audit.json`."""
        row: dict[str, Any] = finite_or_none(asdict(self))
        return {**row, "distances": list(self.distances), "ratios": list(self.ratios)}


_ENDS = ("minus_68", "plus_68", "minus_95", "plus_95")
_CORRECTED = tuple(f"corrected_{key}" for key in _ENDS)


def data_intervals(
    model: AuditModel,
    unbinned: UnbinnedModel | None,
    fits: Sequence[DataFit],
    whole: Mapping[str, WholeErrors],
) -> Iterator[RatioRow]:
    """Intervals of the fits of the data, of the parameters that are asked for.

    Args:
        model: Of the observables taken as independent, with data among its samples.
        unbinned: Densities of the unbinned fit, if there is one.
        fits: Of the data.
        whole: Whole errors, by method.
    """
    config = model.expected.config
    wanted = (config.poi,) if config.intervals is None else config.intervals
    for fit in fits:
        if fit.fit.status[0] > FitStatus.AT_BOUND:
            continue
        ratio = (
            _binned(model, fit) if fit.method == BINNED.name else _unbinned(model, unbinned, fit)
        )
        errors = whole.get(fit.method)
        for name in wanted:
            factor = np.nan
            if errors is not None and errors.usable:
                factor = float(errors.factor[errors.parameters.index(name)])
            yield ratio.row(fit.method, name, factor)


def _binned(model: AuditModel, fit: DataFit) -> "_Ratio":
    """The ratio of the fit in bins."""
    likelihood, observed = model.likelihood, model.expected.observed
    assert fit.whole is not None
    data = likelihood.data({name: counts[None] for name, counts in observed.items()})
    names = model.expected.parameters
    positions = dict(zip(names, model.positions, strict=True))
    return _Ratio(likelihood, data, fit.whole, positions, dict.fromkeys(names, 1.0))


def _unbinned(model: AuditModel, unbinned: UnbinnedModel | None, fit: DataFit) -> "_Ratio":
    """The ratio of the fit with densities, whose parameters are in calibration steps."""
    assert unbinned is not None
    method, names = unbinned.method, fit.fit.parameters
    return _Ratio(
        method.likelihood,
        method.observe(data_block(model)).data,
        in_units(fit.fit, 1.0 / unbinned.steps),
        {name: k for k, name in enumerate(names)},
        dict(zip(names, unbinned.steps.tolist(), strict=True)),
    )


@dataclass(frozen=True, slots=True)
class _Ratio:
    """The profile likelihood ratio of a fit of the data.

    Attributes:
        likelihood: What was fitted.
        data: Its data, one toy.
        fits: Of all its parameters, one toy.
        positions: Of the parameters that are shown.
        units: What 1 in the likelihood means, by parameter.
    """

    likelihood: Likelihood
    data: Any
    fits: FitBatch
    positions: Mapping[str, int]
    units: Mapping[str, float]

    def row(self, method: str, parameter: str, factor: float) -> RatioRow:
        """Intervals and curve of one parameter.

        Args:
            method: Name.
            parameter: Name.
            factor: Whole over claimed error; NaN where it is not known.
        """
        k, unit = self.positions[parameter], self.units[parameter]
        known = factor if np.isfinite(factor) else 1.0
        sides = np.array([side * sigma for sigma in SIGMAS for side in (-1.0, 1.0)])
        ends = self._ends(k, np.concatenate([sides, known * sides]))
        bounded = bool(np.isin(ends, self.likelihood.bounds[k]).any())
        away = np.abs(ends - self.fits.estimate[0, k]) * unit
        found: dict[str, Any] = dict(zip((*_ENDS, *_CORRECTED), map(_known, away), strict=True))
        if not np.isfinite(factor):
            found |= dict.fromkeys(_CORRECTED)
        reach = _BEYOND * np.nanmax(away, initial=0.0) / unit
        tested = np.linspace(-reach, reach, _CURVE) + self.fits.estimate[0, k]
        return RatioRow(
            method=method,
            parameter=parameter,
            **found,
            scale=_known(factor**2),
            bounded=bounded,
            distances=tuple(((tested - self.fits.estimate[0, k]) * unit).tolist()),
            ratios=tuple(map(_known, self._curve(k, tested))),
        )

    def _ends(self, k: int, sigmas: NDArray[np.float64]) -> NDArray[np.float64]:
        data, fits = self._repeated
        return ratio_ends(self.likelihood, data, fits, k, sigmas)

    def _curve(self, k: int, tested: NDArray[np.float64]) -> NDArray[np.float64]:
        data, fits = self._repeated
        return np.concatenate(
            [
                profile(self.likelihood, data, fits, k, some).ratio
                for some in tested.reshape(-1, _AT_ONCE)
            ]
        )

    @property
    def _repeated(self) -> tuple[Any, FitBatch]:
        """The data and their fit, once for each value that is tested."""
        data = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf), _AT_ONCE, axis=0), self.data)
        return data, FitBatch.join([self.fits] * _AT_ONCE)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
