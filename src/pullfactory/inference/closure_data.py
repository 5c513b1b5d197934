"""Data of an ensemble without correlation: what the closure of a workspace is judged with.

A fit does not see the truth but counts, and the estimate scatters around the truth by the fit
error. To first order in the noise that is the part of the noise that looks like a change of the
parameters: with exact rates nu, their slopes J and weights W = 1 / nu the counts are

    n = nu(theta) + J delta,    delta ~ N(0, (J^T W J)^-1),

which `displaced_data` gives: smooth in the number of events, and free of the noise that no
parameter takes up. `thrown_data` are toys.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.errors import StudyError
from pullfactory.inference.expectation import Expectations, normal_points
from pullfactory.random import Stream, generator
from pullfactory.simulation.toys import correlated_constraints

_WEAK = 1e-9  # part of the largest information below which nothing is told


class ClosureData(NamedTuple):
    """Data of an ensemble.

    Attributes:
        truth: Shape (points, parameters), in the parameters' units.
        aux: Auxiliary values, same shape; 0 for parameters without a constraint.
        counts: Shape (points, bins), in the order of the likelihood, of the study's events.
        linear: Pulls that exact rates would have to first order in the noise, shape (points,
            parameters).
        mean: Of these over the ensemble, expected of errors as they are here; same shape.
        variance: Likewise.
    """

    truth: NDArray[np.float64]
    aux: NDArray[np.float64]
    counts: NDArray[np.float64]
    linear: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def displaced_data(model: Expectations, power: int, n_events: float | None = None) -> ClosureData:
    """Exact rates over the truth and the fit error.

    Args:
        model: Gives the study.
        power: Of two, for the number of points.
        n_events: Events per toy, which the fit error is of; None for the study's.
    """
    n_pars = len(model.study.parameter)
    normal = normal_points(model.study.seed, power, 2 * n_pars)
    truth, aux, kept = _ensemble(model, normal[:, :n_pars])
    rates, slopes = model.slopes(truth)
    information = slopes.transpose(0, 2, 1) @ (slopes / rates[:, :, None])
    size, direction = np.linalg.eigh(information)
    told = size > _WEAK * size[:, -1:]
    spread = np.where(told, 1.0 / np.sqrt(np.where(told, size, 1.0)), 0.0)
    ratio = (n_events or model.study.ensemble.n_events) / model.study.ensemble.n_events
    delta = np.einsum("pkl,pl->pk", direction, spread * normal[kept, n_pars:]) / np.sqrt(ratio)
    counts = np.maximum(rates + np.einsum("pbk,pk->pb", slopes, delta), 0.0)
    return _data(model, truth, aux, counts, rates, slopes)


def thrown_data(model: Expectations, power: int) -> ClosureData:
    """Toys of the study at rho = 0, as counts; their truth is spread evenly.

    Args:
        model: Gives the study.
        power: Of two, for the number of toys.
    """
    study = model.study
    rng = generator(study.seed, Stream.CLOSURE, 0)
    truth, aux, _ = _ensemble(model, normal_points(study.seed, power, len(study.parameter)))
    rates, slopes = model.slopes(truth)
    events = np.full(len(truth), study.ensemble.n_events)
    if study.ensemble.n_events_law == "poisson":
        events = rng.poisson(events)
    bins = np.cumsum([bins for _, bins in model.likelihood.channels])[:-1]
    counts = [
        rng.multinomial(events, part / part.sum(axis=1, keepdims=True))
        for part in np.split(rates, bins, axis=1)
    ]
    return _data(model, truth, aux, np.concatenate(counts, axis=1).astype(float), rates, slopes)


def _ensemble(
    model: Expectations, normal: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """True and auxiliary values of the toys that are possible, and which of them are.

    Raises:
        StudyError: If none is.
    """
    study = model.study
    centre = np.tile(study.truth_mean, (len(normal), 1))
    aux = np.tile(study.aux_centre, (len(normal), 1))
    if study.ensemble.truth == "prior":
        widths = [parameter.truth_sigma for parameter in study.parameter]
        truth = centre + correlated_constraints(study, normal) * widths
    else:
        truth = centre
        drawn = correlated_constraints(study, normal)
        aux = aux + np.where(study.constrained, drawn, 0.0)
    kept = model.possible(truth)
    if not kept.any():
        raise StudyError(
            f"the true values of none of {len(truth)} toys are within the bounds of the parameters "
            "with positive scales; use wider bounds, smaller sigma_slopes or a smaller truth_sigma"
        )
    return truth[kept], aux[kept], kept


def _data(
    model: Expectations,
    truth: NDArray[np.float64],
    aux: NDArray[np.float64],
    counts: NDArray[np.float64],
    rates: NDArray[np.float64],
    slopes: NDArray[np.float64],
) -> ClosureData:
    study = model.study
    per_rate = slopes / rates[:, :, None]
    penalty = model.penalty
    information = per_rate.transpose(0, 2, 1) @ slopes
    covariance = np.linalg.pinv(information + penalty, hermitian=True)
    error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    score = np.einsum("pbk,pb->pk", per_rate, counts - rates) + (aux - truth) @ penalty
    scatter = information + penalty @ study.aux_covariance @ penalty
    variance = np.einsum("pkl,plm,pkm->pk", covariance, scatter, covariance)
    return ClosureData(
        truth=truth,
        aux=aux,
        counts=counts,
        linear=np.einsum("pkl,pl->pk", covariance, score) / error,
        mean=covariance @ (penalty @ (study.aux_centre - study.truth_mean)) / error,
        variance=variance / error**2,
    )
