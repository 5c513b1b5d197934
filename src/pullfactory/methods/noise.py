"""What a method owes to the noise of its calibration.

Near the truth theta a fit minimises a quadratic form, in which the calibration has two errors:
its prediction is wrong by delta, and the slopes of the prediction by d delta / d theta. With J
the slopes, W the inverse covariance of what is predicted (1 / rate for bins), P the constraints
and a their centres,

    H (estimate - theta) = (J + d delta)^T W (data - prediction) - J^T W delta - P (theta - a) - q'
    H = J^T W J + P + q''

where q(theta) is half the sum of W var(delta). It is what noise adds to the minimum on average: the
fit is drawn to where the templates together make less noise, and learns from that. A sum over all
bins, it counts although it is of second order.

Every method tells what it predicts, and how that depends on what was calibrated (`MethodNoise`), or
why it cannot (`Untold`); the sums are the same for all.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.settings.study import Study

Array = NDArray[np.float64]


class LocalPrediction(NamedTuple):
    """What is predicted at one theta, and what it owes to the calibration.

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


def joined(
    parts: Sequence[LocalPrediction], slices: Sequence[slice], weight: Array
) -> LocalPrediction:
    """What is predicted for several observables that are weighed together.

    Args:
        parts: Of each observable, with calibrated numbers of its own; their weights are not used.
        slices: Where its values are.
        weight: Inverse covariance of all values, shape (values, values).
    """
    sizes = [part.response.shape[-1] for part in parts]
    ends = np.cumsum([0, *sizes])
    jacobian = np.zeros((len(weight), parts[0].jacobian.shape[1]))
    shape = len(weight), int(ends[-1])
    derivatives = [np.zeros((*each.shape[:-2], *shape)) for each in parts[0][2:]]
    for part, where, first, end in zip(parts, slices, ends, ends[1:], strict=False):
        jacobian[where] = part.jacobian
        for into, each in zip(derivatives, part[2:], strict=True):
            into[..., where, first:end] = each
    return LocalPrediction(jacobian, weight, *derivatives)


class NoiseSource(NamedTuple):
    """Calibrated numbers whose noise no other source shares.

    Attributes:
        covariance: Of the numbers, shape (numbers, numbers).
        points: Gives the prediction at each true value.
    """

    covariance: Array
    points: Callable[[], Iterator[LocalPrediction]]


class MethodNoise(NamedTuple):
    """What the fit of a method owes to its calibration.

    Attributes:
        constraint: Information P of the constraints of the parameters of the fit, those of the
            study first; shape (parameters, parameters).
        sources: Of its noise.
    """

    constraint: Array
    sources: tuple[NoiseSource, ...]


class Untold(NamedTuple):
    """Why a method cannot tell the noise of its calibration."""

    reason: str


ToldNoise = MethodNoise | Untold


class NoiseSums(NamedTuple):
    """Sums over the values that a method predicts; matrices of shape (parameters, parameters).

    Attributes:
        data: Information of the data, J^T W J.
        noise: What the noise of the slopes adds to it.
        fake: What the noise adds to it by q''.
        draw: How noise draws the fit at each true value, shape (points, parameters).
        spread: Covariance of the score of delta, over calibrations and true values.
        common: The part of it that all true values share.
    """

    data: Array
    noise: Array
    fake: Array
    draw: Array
    spread: Array
    common: Array

    @classmethod
    def of(cls, told: MethodNoise, points: int, part: float = 1.0) -> Self:
        """Averages over equally likely true values.

        Args:
            told: By the method.
            points: Number of true values that it was asked for.
            part: Of the variance of the noise.
        """
        n_pars = len(told.constraint)
        data, noise, fake, spread, common = (np.zeros((n_pars, n_pars)) for _ in range(5))
        draw = np.zeros((points, n_pars))
        for source in told.sources:
            covariance = part * source.covariance
            mean = np.zeros((n_pars, len(covariance)))
            for i, local in enumerate(source.points()):
                weighted = local.weight @ local.response
                noisy = local.slopes @ covariance
                score = local.jacobian.T @ weighted
                data += local.jacobian.T @ local.weight @ local.jacobian / points
                noise += np.einsum("kme,lme->kl", noisy, local.weight @ local.slopes) / points
                fake += np.einsum("klme,me->kl", local.bends, weighted @ covariance) / points
                draw[i] += np.einsum("kme,me->k", noisy, weighted)
                spread += score @ covariance @ score.T / points
                mean += score / points
            common += mean @ covariance @ mean.T
        return cls(data, noise, fake, draw, spread, common)


def typical_truth(study: Study) -> Array:
    """Points with the mean and covariance of the true values, shape (points, parameters).

    They lie on the axes, or on those of independent parameters where the true ones are correlated
    (Arasaratnam and Haykin, doi:10.1109/TAC.2009.2019800, eq. 24).

    Args:
        study: Its centre alone, where the truth is fixed.
    """
    mean, covariance = study.truth_mean, study.truth_covariance
    drawn = np.flatnonzero(np.diag(covariance))
    if study.ensemble.truth == "fixed" or not len(drawn):
        return mean[None]
    steps = np.zeros((len(drawn), len(mean)))
    steps[:, drawn] = np.linalg.cholesky(covariance[np.ix_(drawn, drawn)]).T
    steps *= np.sqrt(len(drawn))
    return np.concatenate([mean + steps, mean - steps])


def covariance_of_rows(values: Array) -> Array:
    """Covariance of equally likely rows, shape (columns, columns)."""
    centred = values - values.mean(axis=0)
    return np.asarray(centred.T @ centred / len(values))


def constraint_pulls(centre: Array, told: MethodNoise, theta: Array) -> Array:
    """The score of the constraints at true values, P (theta - a), shape (points, parameters).

    Args:
        centre: Of the constraints, `Study.aux_centre`.
        told: By the method.
        theta: True values of the parameters of the study, shape (points, parameters).
    """
    extra = len(told.constraint) - len(centre)
    return np.asarray(np.pad(theta - centre, ((0, 0), (0, extra))) @ told.constraint)


def leaked_truth(centre: Array, told: MethodNoise, theta: Array) -> Array:
    """What noise adds to the covariance of the score over an ensemble whose truth is drawn.

    The noise of the slopes draws a fit to the nominal point, the farther the truth is from there:
    with the covariance Sigma of the truth and X the noise of J^T W J, (P + X) Sigma (P + X)^T -
    P Sigma P^T, of which X^T Sigma X is (A - 1) Sigma (A - 1)^T in the errors, A = 1 - H^-1 X what
    the estimate moves per unit of truth; and the random part of X.

    Args:
        centre: Of the constraints, `Study.aux_centre`.
        told: By the method, at these true values.
        theta: True values that stand for the ensemble, from `typical_truth`; of one that is
            fixed nothing leaks.

    Returns:
        Shape (parameters, parameters), in the order of `told`.
    """
    sums = NoiseSums.of(told, len(theta))
    pull = constraint_pulls(centre, told, theta)
    drawn = covariance_of_rows(pull + sums.draw) - covariance_of_rows(pull)
    return np.asarray(drawn + sums.spread - sums.common)
