"""What the noise of the calibration does to the pulls, without toys.

Near the truth theta a fit minimises a quadratic form, in which the calibration has two errors:
its prediction is wrong by delta, and the slopes of the prediction by d delta / d theta. With J
the slopes, W the inverse covariance of what is predicted (1 / rate for bins), P the constraints
and a their centres,

    H (estimate - theta) = (J + d delta)^T W (data - prediction) - J^T W delta - P (theta - a) - q'
    H = J^T W J + P + q''

where q(theta) is half the sum of W var(delta). It is what noise adds to the minimum on average: the
fit is drawn to where the templates together make less noise, and learns from that. A sum over all
bins, it counts although it is of second order. Shifts and widths are taken to first order in the
variance of the noise: a tenth of the events gives ten times the squared shift.

Delta is linear in the contents of the templates. Its coefficients are those of the workspace
itself, read off a workspace whose templates are a little higher in one bin each. Templates of the
same events share those that fall into the bins of both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pullfactory._jax import jax, jit, jnp
from pullfactory.calibration import Calibration
from pullfactory.calibration.binning import exact_probabilities
from pullfactory.calibration.grid import sample_index
from pullfactory.densities import Family
from pullfactory.likelihoods import BinnedLikelihood, read_workspace
from pullfactory.study import Study
from pullfactory.workspace import build_workspace

__all__ = ["CalibrationNoise", "calibration_noise", "noise_warnings"]

Array = NDArray[np.float64]

_TOLERATED = 0.1  # of the error
_STEP = 1e-3  # calibration steps, for numerical derivatives
_PROBE = 1e-4  # height of what is put on a template to see what it does
_QUANTILES = 2000  # of a density, for its information
_LITTLE = 1e-4  # of the variance of the noise, from which is extrapolated
_RARE = 1e-9  # events; keeps empty bins finite


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationNoise:
    """What the noise of one calibration is expected to do to the pulls of one parameter.

    Attributes:
        method: As in the study.
        parameter: Name.
        shift: Of the mean pull, one standard deviation over calibrations, in fitted errors.
        width: Pull width within one calibration where it would be 1 without noise.
        events_per_point: Events of a calibration point from which on both stay within 10 %.
    """

    method: str
    parameter: str
    shift: float
    width: float
    events_per_point: int

    @property
    def tolerable(self) -> bool:
        """Whether shift and widening are below 10 % of the error."""
        return self.shift <= _TOLERATED and self.width <= 1.0 + _TOLERATED


class _Local(NamedTuple):
    """The prediction for one observable at one theta, and what it owes to the calibration.

    Attributes:
        jacobian: Its slopes, shape (values, parameters).
        weight: Inverse covariance of what is predicted, shape (values, values).
        response: Change with each calibrated number, shape (values, numbers).
        slopes: Slopes of that, shape (parameters, values, numbers).
        bends: Slopes of these, shape (parameters, parameters, values, numbers).
    """

    jacobian: Array
    weight: Array
    response: Array
    slopes: Array
    bends: Array


def calibration_noise(calibration: Calibration) -> tuple[CalibrationNoise, ...]:
    """Estimate what the noise of a calibration does to the pulls at rho = 0.

    A staterror is not looked at: it hardly changes the result.

    Args:
        calibration: What the fits know. The truth is not looked at.

    Returns:
        One row for each method and parameter; none for an exact calibration, and none for a
        parameter that the data do not determine.
    """
    study = calibration.study
    if study.calibration.source == "exact":
        return ()
    rows: list[CalibrationNoise] = []
    theta = _typical_truth(study)
    for method in study.methods:
        shifts, widths = _propagate(calibration, method, theta)
        for name, shift, width in zip(study.parameter_names, shifts, widths, strict=True):
            if not (np.isfinite(shift) and np.isfinite(width)):
                continue
            rows.append(
                CalibrationNoise(
                    method=method,
                    parameter=name,
                    shift=float(shift),
                    width=float(width),
                    events_per_point=_needed(study.calibration.events_per_point, shift, width),
                )
            )
    return tuple(rows)


def _typical_truth(study: Study) -> Array:
    """Points with the mean and covariance of the true values, shape (points, parameters).

    They lie on the axes (Arasaratnam and Haykin, doi:10.1109/TAC.2009.2019800, eq. 24).
    """
    mean = np.array([parameter.truth_mean for parameter in study.parameter])
    sigma = np.array([parameter.truth_sigma for parameter in study.parameter])
    if study.ensemble.truth == "fixed" or not sigma.any():
        return mean[None]
    steps = np.sqrt(np.count_nonzero(sigma)) * np.diag(sigma)[sigma > 0]
    return np.concatenate([mean + steps, mean - steps])


def _propagate(calibration: Calibration, method: str, theta: Array) -> tuple[Array, Array]:
    """Shift and width of the pulls of each parameter, averaged over true values theta."""
    study = calibration.study
    describe = _unbinned if method == "unbinned" else _binned
    n_pars = len(study.parameter)
    data, fake, noise, spread, common = (np.zeros((n_pars, n_pars)) for _ in range(5))
    draw = np.zeros((len(theta), n_pars))
    for whole, points in describe(calibration, theta):
        covariance = _LITTLE * whole
        mean = np.zeros((n_pars, len(covariance)))
        for i, local in enumerate(points):
            weighted = local.weight @ local.response
            noisy = local.slopes @ covariance
            score = local.jacobian.T @ weighted
            data += local.jacobian.T @ local.weight @ local.jacobian / len(theta)
            noise += np.einsum("kme,lme->kl", noisy, local.weight @ local.slopes) / len(theta)
            fake += np.einsum("klme,me->kl", local.bends, weighted @ covariance) / len(theta)
            draw[i] += np.einsum("kme,me->k", noisy, weighted)
            spread += score @ covariance @ score.T / len(theta)
            mean += score / len(theta)
        common += mean @ covariance @ mean.T
    constraint, measured, centre = _constraints(study, method)
    pull = constraint * (theta - centre)
    ideal = _squared_widths(data + np.diag(constraint), data + np.diag(measured) + _cov(pull))
    information = data + noise + fake + np.diag(constraint)
    within = data + noise + np.diag(measured) + _cov(pull + draw) + spread - common
    always = common + np.outer(draw.mean(axis=0), draw.mean(axis=0)) / _LITTLE
    excess = (_squared_widths(information, within) / ideal - 1.0) / _LITTLE
    shifts = np.sqrt(_squared_widths(information, always) / _LITTLE)
    return shifts, np.sqrt(np.maximum(1.0 + excess, 0.0))


def _squared_widths(information: Array, score: Array) -> Array:
    """Variance of estimates whose score has this covariance, over what the fit claims."""
    claimed = np.linalg.pinv(information, hermitian=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.diag(claimed @ score @ claimed) / np.diag(claimed))


def _cov(values: Array) -> Array:
    """Covariance of equally likely rows."""
    centred = values - values.mean(axis=0)
    return np.asarray(centred.T @ centred / len(values))


def _constraints(study: Study, method: str) -> tuple[Array, Array, Array]:
    """Information of each constraint, the part of it that is drawn anew, and its centre."""
    normal = study.constrained
    centre = np.where(normal, [parameter.truth_mean for parameter in study.parameter], 0.0)
    information = normal.astype(np.float64)
    if method == "binned" and study.workspace.mass_constraint:
        for name in study.unduly_constrained:
            unit = study.workspace_units.get(name, 1.0)
            information[study.parameter_names.index(name)] = 1.0 / unit**2
    drawn = normal & (study.ensemble.truth == "fixed")
    return information, drawn.astype(np.float64), centre


def _needed(events: int, shift: float, width: float) -> int:
    """Events from which on the noise is tolerable, to two digits."""
    times = max((shift / _TOLERATED) ** 2, (width**2 - 1.0) / ((1.0 + _TOLERATED) ** 2 - 1.0))
    return int(float(f"{max(events * times, 1.0):.2g}"))


# --- unbinned: location and scale, with the noise of the response ------------------------------


def _unbinned(calibration: Calibration, theta: Array) -> Iterator[tuple[Array, Iterator[_Local]]]:
    """For each observable the covariance of its response, and the prediction at each theta."""
    study = calibration.study
    learnt = calibration.response
    for o, member in enumerate(study.families):
        numbers = np.concatenate(
            [
                *([learnt.mu[o]], learnt.mu_slopes[o]),
                *([learnt.sigma[o]], learnt.sigma_slopes[o]),
            ]
        )
        value, *derivatives = map(np.asarray, _expand_location_scale(numbers, theta))
        information = study.ensemble.n_events * _information(member)
        yield (
            calibration.response_covariance[o],
            (
                _Local(jacobian, information / scale**2, *rest)
                for scale, jacobian, *rest in zip(value[:, 1], *derivatives, strict=True)
            ),
        )


@jit
def _expand_location_scale(numbers: jax.Array, theta: jax.Array) -> tuple[jax.Array, ...]:
    """Location and scale at each theta, and what `_Local` holds of them."""

    def predict(at: jax.Array, numbers: jax.Array) -> jax.Array:
        mu, sigma = jnp.split(numbers, 2)
        return jnp.stack([x[0] * jnp.prod(1.0 + x[1:] * at) for x in (mu, sigma)])

    def expand(at: jax.Array) -> tuple[jax.Array, ...]:
        response = jax.jacfwd(predict, 1)
        slopes = jax.jacfwd(response)
        return (
            predict(at, numbers),
            jax.jacfwd(predict)(at, numbers),
            response(at, numbers),
            jnp.moveaxis(slopes(at, numbers), -1, 0),
            jnp.moveaxis(jax.jacfwd(slopes)(at, numbers), (-2, -1), (0, 1)),
        )

    return jax.vmap(expand)(theta)


def _information(member: Family) -> Array:
    """Information on location and scale in one event at scale 1, shape (2, 2)."""
    u = member.from_normal(ndtri((np.arange(_QUANTILES) + 0.5) / _QUANTILES))
    slope = np.asarray(member.derivatives(jnp.asarray(u))[1])
    scores = np.stack([-slope, -(1.0 + u * slope)])
    return np.asarray(scores @ scores.T / _QUANTILES)


# --- binned: rates, with the noise of the templates --------------------------------------------


def _binned(calibration: Calibration, theta: Array) -> Iterator[tuple[Array, Iterator[_Local]]]:
    """For each observable the covariance of its templates, and the prediction at each theta."""
    study = calibration.study
    morphing = _morphing(calibration, theta)
    used = np.flatnonzero(np.abs(morphing[1]).max(axis=(0, 1)) > _STEP)
    for o in range(len(study.observable)):
        covariance, contents = _template_covariance(calibration, o, used)
        rates = _rates(calibration, o, theta)
        points = zip(*rates, *(factors[..., used] for factors in morphing), strict=True)
        yield covariance, (_bins(study, contents, *point) for point in points)


def _bins(study: Study, contents: Array, rates: Array, jacobian: Array, *morphing: Array) -> _Local:
    """The prediction for bins; `morphing` has the factors of the templates and two derivatives.

    Where bins are multiplied the factors act on relative changes. That these are relative to
    rates that change with theta is left out of the derivatives.
    """
    scale = study.ensemble.n_events / study.calibration.events_per_point
    unit = rates / contents if study.workspace.morphing == "multiplicative" else scale
    per_bin = np.broadcast_to(unit, contents.shape)[:, :, None] * np.eye(len(rates))
    by_bin = np.moveaxis(per_bin, 1, 0)  # of its bin, template, bin of the prediction
    return _Local(
        jacobian,
        np.diag(1.0 / rates),
        *(
            np.einsum("...p,bpa->...apb", factors, by_bin).reshape(
                *factors.shape[:-1], len(rates), -1
            )
            for factors in morphing
        ),
    )


def _template_covariance(
    calibration: Calibration, observable: int, used: NDArray[np.int_]
) -> tuple[Array, Array]:
    """Covariance of the counts of some templates, point by point, and their expected contents.

    Points of one sample are the same standardised events: two bins have in common those between
    the edges of both.
    """
    study = calibration.study
    n_events = study.calibration.events_per_point
    location, scale = calibration.response(calibration.points[used])
    edges = calibration.edges[observable][1:-1]
    inner = (edges - location[:, observable, None]) / scale[:, observable, None]
    below = study.families[observable].cdf(inner)
    low = np.pad(below, ((0, 0), (1, 0)))
    high = np.pad(below, ((0, 0), (0, 1)), constant_values=1.0)
    contents = np.maximum(n_events * (high - low), _RARE)
    low, high = low.ravel(), high.ravel()
    common = np.minimum.outer(high, high) - np.maximum.outer(low, low)
    samples = np.repeat(sample_index(study, calibration.points)[used], len(edges) + 1)
    covariance = np.maximum(common, 0.0) - np.outer(high - low, high - low)
    covariance[samples[:, None] != samples] = 0.0
    return n_events * covariance, contents


def _rates(calibration: Calibration, observable: int, theta: Array) -> tuple[Array, Array]:
    """Smooth rates at each theta, shape (points, bins), and their slopes, (..., parameters)."""
    study = calibration.study

    def at(points: Array) -> Array:
        location, scale = calibration.response(points)
        probabilities = exact_probabilities(study, calibration.edges, location, scale)
        return np.maximum(study.ensemble.n_events * probabilities[observable], _RARE)

    steps = _STEP * np.eye(len(study.parameter))
    slopes = [(at(theta + step) - at(theta - step)) / (2 * _STEP) for step in steps]
    return at(theta), np.stack(slopes, axis=-1)


def _morphing(calibration: Calibration, theta: Array) -> tuple[Array, Array, Array]:
    """How much of each template is in the rates at theta, and two derivatives of that.

    Returns:
        Shapes (points of theta, calibration points), (points of theta, parameters, calibration
        points) and (points of theta, parameters, parameters, calibration points).
    """
    study = calibration.study
    plain = study.workspace.model_copy(update={"staterror": False})
    alone = {"observable": study.observable[:1], "workspace": plain}
    probe = replace(
        calibration,
        study=study.model_copy(update=alone),
        counts=(1.0 + _PROBE * np.eye(len(calibration.points)),),
    )
    workspace = read_workspace(build_workspace(probe))
    likelihood = BinnedLikelihood.from_pyhf(workspace).in_units(study.workspace_units)
    names = study.parameter_names
    scale = study.ensemble.n_events / study.calibration.events_per_point
    order = [names.index(name) for name in likelihood.names]
    back = np.array([likelihood.names.index(name) for name in names])
    rates, slopes, bends = map(np.asarray, _expand_rates(likelihood, theta[:, order]))
    return (
        (rates / scale - 1.0) / _PROBE,
        slopes[:, back] / scale / _PROBE,
        bends[:, back][:, :, back] / scale / _PROBE,
    )


@jit
def _expand_rates(likelihood: BinnedLikelihood, theta: jax.Array) -> tuple[jax.Array, ...]:
    """Rates at each theta, with first and second derivatives before the axis of the bins."""
    slopes = jax.jacfwd(likelihood.expected)
    bends = jax.vmap(jax.jacfwd(slopes))(theta)
    return (
        jax.vmap(likelihood.expected)(theta),
        jnp.moveaxis(jax.vmap(slopes)(theta), -1, 1),
        jnp.moveaxis(bends, 1, -1),
    )


def noise_warnings(rows: Sequence[CalibrationNoise], events_per_point: int) -> Iterator[str]:
    """One line for each method that suffers from too few calibration events.

    Args:
        rows: From `calibration_noise`.
        events_per_point: Events that the calibration has.
    """
    for method in dict.fromkeys(row.method for row in rows):
        poor = [row for row in rows if row.method == method and not row.tolerable]
        if poor:
            worst = max(poor, key=lambda row: row.events_per_point)
            yield (
                f"calibration from {events_per_point} events a point: expect {method} pulls of "
                f"{worst.parameter} shifted by about {worst.shift:.2f}, with width "
                f"{worst.width:.2f} at rho = 0; use at least {worst.events_per_point} events"
            )
