"""The score of auxiliary data: its covariance K over an ensemble.

Each auxiliary value is a measurement of one parameter, so K follows from the covariance of the
values. Those of the gammas of a `staterror` are measured by simulated events: bins that have
events in common have correlated values, though the likelihood multiplies them.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pullfactory.settings.study import Study

if TYPE_CHECKING:
    from pullfactory.likelihoods.binned import BinnedLikelihood


def score_covariance(
    likelihood: "BinnedLikelihood", values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Covariance K of the score of the auxiliary data.

    Args:
        likelihood: Gives the terms, linearised around the truth.
        values: Covariance of auxiliary value minus truth, shape (auxdata, auxdata).

    Returns:
        Shape (parameters, parameters), in inverse products of the parameters' units.
    """
    scores = likelihood.aux_precision @ likelihood.aux_slopes
    return np.asarray(scores.T @ values @ scores)


def constraint_information(likelihood: "BinnedLikelihood") -> NDArray[np.float64]:
    """Information P of Gaussian constraints.

    Args:
        likelihood: Of a workspace of ours.

    Returns:
        Shape (parameters, parameters), in inverse products of the parameters' units.
    """
    slopes = likelihood.aux_slopes
    return np.asarray(slopes.T @ likelihood.aux_precision @ slopes)


def gamma_terms(likelihood: "BinnedLikelihood") -> NDArray[np.int_]:
    """Auxiliary terms of the gammas of all bins, in the order of the bins; shape (bins,).

    Args:
        likelihood: Of a workspace of ours with `staterror`.
    """
    names = [f"staterror_{channel}" for channel, _ in likelihood.channels]
    gammas = [k for name in names for k in likelihood.positions(name)]
    return np.array([likelihood.aux_index.index(k) for k in gammas])


def counting_noise(contents: NDArray[np.float64], channels: tuple[int, ...]) -> NDArray[np.float64]:
    """Covariance of what a fixed number of independent observables of events is counted to.

    Args:
        contents: Events in the bins of all channels, shape (bins,).
        channels: Number of bins of each.

    Returns:
        Relative to the contents, shape (bins, bins): of multinomial counts in each channel.
    """
    result = np.diag(1.0 / contents)
    first = 0
    for bins in channels:
        inside = slice(first, first + bins)
        result[inside, inside] -= 1.0 / contents[inside].sum()
        first += bins
    return result


def study_scatter(
    likelihood: "BinnedLikelihood", study: Study, contents: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Covariance K of the score of the auxiliary data over the ensemble of a study.

    The gammas of a `staterror` are not drawn with the toys; where the calibration is repeated,
    their truth is. Observables of calibration events do not depend on each other, so that only
    bins of one channel have something in common: the fixed number of events.

    Args:
        likelihood: Of a workspace of the study.
        study: The study.
        contents: Calibration events in the bins of the nominal templates, in the order of the
            likelihood, shape (bins,).

    Returns:
        Shape (parameters, parameters), in inverse products of the parameters' units.
    """
    place = {name: i for i, name in enumerate(study.parameter_names)}
    terms = [t for t, k in enumerate(likelihood.aux_index) if likelihood.names[k] in place]
    own = [place[likelihood.names[likelihood.aux_index[term]]] for term in terms]
    values = np.zeros((len(likelihood.aux_index),) * 2)
    values[np.ix_(terms, terms)] = study.aux_covariance[np.ix_(own, own)]
    values *= np.outer(likelihood.aux_factor, likelihood.aux_factor)
    if study.workspace.staterror and study.calibration.replicas > 1:
        gammas = gamma_terms(likelihood)
        sizes = tuple(bins for _, bins in likelihood.channels)
        values[np.ix_(gammas, gammas)] = counting_noise(contents, sizes)
    return score_covariance(likelihood, values)
