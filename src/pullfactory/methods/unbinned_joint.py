"""Fits of single events, with a Gaussian copula over the densities of the observables."""

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.likelihoods.unbinned import UnbinnedLikelihood
from pullfactory.likelihoods.unbinned_joint import JointLikelihood
from pullfactory.methods.method import Method, MethodKind
from pullfactory.methods.noise import MethodNoise, ToldNoise, Untold
from pullfactory.methods.response_noise import joint_response_noise
from pullfactory.methods.unbinned import unbinned_method
from pullfactory.settings.methods import learns


def unbinned_joint_method(calibration: Calibration, rho: float) -> Method:
    """The method `unbinned_joint` of a study at one correlation of its scan.

    Args:
        calibration: Gives the response, and the correlation where it is taken from samples.
        rho: Factor of the off-diagonal part of the correlation matrix.

    Raises:
        CalibrationError: If the correlation is that of calibration samples, and there are none
            with this rho.
    """
    study = calibration.study
    marginals = unbinned_method(calibration).likelihood
    assert isinstance(marginals, UnbinnedLikelihood)
    if study.joint.correlation == "fitted":
        likelihood = JointLikelihood.fitted(marginals, study.correlation(1.0), rho)
    elif study.joint.correlation == "given":
        likelihood = JointLikelihood.known(marginals, study.correlation(rho))
    else:
        likelihood = JointLikelihood.known(marginals, calibration.joint_at(rho).correlation)
    return Method(
        name=UNBINNED_JOINT.name,
        likelihood=likelihood,
        observe=likelihood.observe,
        scatter=likelihood.scatter,
        expect=lambda _: None,
        aux_scatter=np.pad(study.aux_scatter, (0, int(likelihood.fits_correlation))),
    )


def unbinned_joint_noise(
    calibration: Calibration, rho: float, theta: NDArray[np.float64]
) -> ToldNoise:
    """What the method `unbinned_joint` owes to its response, and to the correlation it has learnt.

    Args:
        calibration: Gives both; the truth is not looked at.
        rho: Factor of the off-diagonal part of the correlation matrix.
        theta: True values, shape (points, parameters).

    Returns:
        Untold where the toys have another dependence than the fit, a Gaussian copula.
    """
    study = calibration.study
    if not study.has_normal_scores:
        return Untold(study.without_normal_scores)
    constraint = study.constraint_information
    correlation, noise, pattern = study.correlation(rho), None, None
    match study.joint.correlation:
        case "fitted":
            constraint = np.pad(constraint, (0, 1))
            pattern = study.correlation(1.0) - np.eye(len(study.observable))
        case "calibration":
            correlation = calibration.joint_at(rho).correlation
            noise = calibration.joint_at(rho).correlation_noise(study.calibration.events_per_point)
        case "given":
            pass
        case unknown:
            assert_never(unknown)
    source = joint_response_noise(calibration, theta, correlation, noise=noise, pattern=pattern)
    return MethodNoise(constraint, (source,))


UNBINNED_JOINT = MethodKind(
    name="unbinned_joint",
    build=unbinned_joint_method,
    noise=unbinned_joint_noise,
    learns=learns("unbinned_joint"),
    colour="#56B4E9",
    marker="^",
)
