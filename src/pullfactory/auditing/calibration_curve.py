"""The calibration curve of the binned fit: estimate against generated value, two-fold crossed.

Templates are made of one half of the simulated events, pseudo-data of the other, at the nominal
point and one step up and down in every parameter; then the halves are exchanged, and the mean of
both is taken. The events are halved in seven ways, and the curve is the mean over these. Slopes
that the formulas give are so compared with fits, which know nothing of the formulas.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.crossed_slope import CrossedSlopes, crossed_slopes
from pullfactory.auditing.crossing import (
    crossed_estimates,
    generated_points,
    point_estimates,
)
from pullfactory.auditing.finding import Finding
from pullfactory.auditing.half_models import HalfModels
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.prediction import ErrorModel
from pullfactory.auditing.unclosed import UnclosedNoise, unclosed_noise
from pullfactory.auditing.whole_error import told_slopes
from pullfactory.described import Size
from pullfactory.errors import CalibrationError
from pullfactory.inference.judgement import Agreement, curve_agrees
from pullfactory.numbers import rounded
from pullfactory.settings.audit import AuditConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The estimate of one parameter at a point where there are samples.

    Attributes:
        parameter: Name.
        role: What stands for the point: `nominal`, or such as `m_t.up`; all processes move.
        generated: Value of the parameter there, in its unit.
        estimate: Mean of the crossed fits.
        error: Its standard error, from the simulated events.
    """

    parameter: str
    role: str
    generated: float
    estimate: float
    error: Size


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveLine:
    """The line through the points of one parameter.

    Attributes:
        parameter: Name.
        slope: What the estimate moves for each unit of the generated value, with templates of half
            the events.
        slope_error: Its standard error beside `expected_slope`.
        expected_slope: What the formula says of half the events.
        closed_slope: The slope where templates and pseudo-data are the same events: 1 where the
            morphing goes through its samples. It is in `expected_slope`.
        whole_slope: What the formula says of all events, as `slope` of the errors.
        offset: Mean of the estimates less that of the generated values, in the parameter's unit.
        offset_error: Its standard error.
        calibrated_slope: Slope of the estimate divided by `expected_slope`, a matrix where several
            parameters are free; None for a constrained parameter.
        calibrated_slope_error: Its standard error.
        calibrated_offset: Its offset; None for a constrained parameter.
        calibrated_offset_error: Its standard error.
        agreement: `agrees`: the slope is as expected, within three errors and what the first order
            of the noise leaves out; `differs`: it is not, by less than would matter;
            `contradicts`: by more.
    """

    parameter: str
    slope: float
    slope_error: Size
    expected_slope: float
    closed_slope: float
    whole_slope: float
    offset: float
    offset_error: Size
    calibrated_slope: float | None
    calibrated_slope_error: Size | None
    calibrated_offset: float | None
    calibrated_offset_error: Size | None
    agreement: Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationCurve:
    """Estimate against generated value of the parameters of an audit.

    Attributes:
        points: Of each parameter, at the points where it is moved and the nominal one.
        lines: Through these, one for each parameter.
        reason: Why there are none; None where there are.
    """

    points: tuple[CurvePoint, ...] = ()
    lines: tuple[CurveLine, ...] = ()
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As in `audit.json`."""
        return {
            "points": [asdict(one) for one in self.points],
            "lines": [asdict(one) for one in self.lines],
            "reason": self.reason,
        }

    def contradicts(self, parameter: str) -> bool:
        """Whether it says that nothing is known of a slope.

        Args:
            parameter: Name.
        """
        return any(
            one.parameter == parameter and one.agreement == "contradicts" for one in self.lines
        )

    def findings(self) -> Iterator[Finding]:
        """Slopes that the formula does not know."""
        for one in self.lines:
            if one.agreement == "contradicts":
                yield Finding(
                    level="warn",
                    cause="calibration_curve",
                    place=f"parameter.{one.parameter}",
                    text="The formula for the slope fails here: fits of half the events to the "
                    f"other half have a slope of {rounded(one.slope, one.slope_error)}, not "
                    f"{one.expected_slope:.3f}.",
                    remedy="Take more simulated events, workspace.smooth = 5 or fewer bins.",
                )


def measure_curve(model: ErrorModel, fit: LinearFit, halved: HalfModels) -> CalibrationCurve:
    """Fit halves of the events to each other, at every point with samples.

    Args:
        model: Of the observables taken as independent.
        fit: Its fit around the nominal point.
        halved: Models of halves of its events.
    """
    audit = model.audit
    config, likelihood = audit.expected.config, audit.likelihood
    at = [likelihood.positions(name)[0] for name in config.parameter_names]
    try:
        crossed = _Response.of(crossed_estimates(halved)[..., at], config)
        closed = _Response.of(point_estimates(audit, audit.expected)[None, :, at], config)
        formula = crossed_slopes(fit, at)
    except (CalibrationError, np.linalg.LinAlgError) as error:
        return CalibrationCurve(reason=str(error))
    unclosed = [unclosed_noise(model, name) for name in config.parameter_names]
    return CalibrationCurve(
        points=tuple(_points(crossed, unclosed, config)),
        lines=tuple(_lines(crossed, closed, formula, unclosed, told_slopes(fit, at), config)),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Response:
    """Estimates at the points, and lines through them, for every way to halve the events.

    Attributes:
        estimates: Shape (splits, points, parameters).
        slopes: Of each estimate in each parameter, shape (splits, parameters, parameters).
        offsets: Of each estimate in its own parameter, shape (splits, parameters).
    """

    estimates: NDArray[np.float64]
    slopes: NDArray[np.float64]
    offsets: NDArray[np.float64]

    @classmethod
    def of(cls, estimates: NDArray[np.float64], config: AuditConfig) -> "_Response":
        nominal, up, down = estimates[:, :1], estimates[:, 1::2], estimates[:, 2::2]
        steps = np.array([one.step for one in config.parameter])
        means = (nominal + up + down) / 3.0
        return cls(
            estimates=estimates,
            slopes=((up - down) / (2.0 * steps[:, None])).swapaxes(1, 2),
            offsets=np.diagonal(means, axis1=1, axis2=2),
        )


def _points(
    crossed: _Response, unclosed: Sequence[UnclosedNoise], config: AuditConfig
) -> Iterator[CurvePoint]:
    spread = _spread(crossed.estimates)
    for k, (one, noise) in enumerate(zip(config.parameter, unclosed, strict=True)):
        for i, point in enumerate(generated_points(config)):
            if point.parameter in ("", one.name):
                known = {1: noise.up, -1: noise.down, 0: 0.0}[point.side]
                yield CurvePoint(
                    parameter=one.name,
                    role=point.role,
                    generated=point.side * one.step,
                    estimate=float(crossed.estimates[:, i, k].mean()),
                    error=float(np.hypot(spread[i, k], known)),
                )


def _lines(
    crossed: _Response,
    closed: _Response,
    formula: CrossedSlopes,
    unclosed: Sequence[UnclosedNoise],
    whole: NDArray[np.float64],
    config: AuditConfig,
) -> Iterator[CurveLine]:
    """One line for each parameter; of two errors of a slope the larger one."""
    own = closed.slopes[0]
    expected = formula.expected + own - formula.closed
    slopes, offsets = (each.mean(axis=0) for each in (crossed.slopes, crossed.offsets))
    errors = np.maximum(np.diag(_spread(crossed.slopes)), formula.error)
    offset_errors = np.hypot(_spread(crossed.offsets), [noise.offset for noise in unclosed])
    free = np.flatnonzero([one.free for one in config.parameter])
    inverse = np.full_like(expected, np.nan)
    inverse[np.ix_(free, free)] = np.linalg.inv(expected[np.ix_(free, free)])
    for k, name in enumerate(config.parameter_names):
        row = inverse[k, free]
        slope, error, wanted = float(slopes[k, k]), float(errors[k]), float(expected[k, k])
        yield CurveLine(
            parameter=name,
            slope=slope,
            slope_error=error,
            expected_slope=wanted,
            closed_slope=float(own[k, k]),
            whole_slope=float(whole[k]),
            offset=float(offsets[k]),
            offset_error=float(offset_errors[k]),
            calibrated_slope=_known(row @ slopes[free, k]),
            calibrated_slope_error=_known(np.abs(inverse[k, k]) * error),
            calibrated_offset=_known(row @ offsets[free]),
            calibrated_offset_error=_known(np.hypot.reduce(row * offset_errors[free])),
            agreement=curve_agrees(slope, error, wanted, float(own[k, k])),
        )


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _spread(splits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard errors of means over the ways to halve the events, which hardly depend on them."""
    return np.asarray(splits.std(axis=0, ddof=1) / np.sqrt(len(splits)))
