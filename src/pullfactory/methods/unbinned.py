"""Fits of single events, with densities of each observable."""

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.likelihoods.unbinned import UnbinnedLikelihood, constraint_coupling
from pullfactory.methods.method import Method, MethodKind
from pullfactory.methods.noise import MethodNoise
from pullfactory.methods.response_noise import response_noise


def unbinned_method(calibration: Calibration, _rho: float = 0.0) -> Method:
    """The method `unbinned` of a study: calibrated densities, one per observable.

    Args:
        calibration: Gives the response; the truth is not looked at.
    """
    study = calibration.study
    likelihood = UnbinnedLikelihood(
        response=calibration.response,
        limits=study.bounds,
        names=study.parameter_names,
        families=study.families,
        constrained=tuple(int(k) for k in np.flatnonzero(study.constrained)),
        coupling=constraint_coupling(study),
    )
    return Method(
        name=UNBINNED.name,
        likelihood=likelihood,
        observe=likelihood.observe,
        scatter=likelihood.scatter,
        expect=likelihood.expect,
        aux_scatter=study.aux_scatter,
    )


def unbinned_noise(
    calibration: Calibration, _rho: float, theta: NDArray[np.float64]
) -> MethodNoise:
    """What the method `unbinned` owes to its response, observable by observable.

    Args:
        calibration: Gives response and covariance; the truth is not looked at.
        theta: True values, shape (points, parameters).
    """
    study = calibration.study
    return MethodNoise(
        study.constraint_information,
        tuple(response_noise(calibration, o, theta) for o in range(len(study.observable))),
    )


UNBINNED = MethodKind(
    name="unbinned",
    build=unbinned_method,
    noise=unbinned_noise,
    independent=True,
    colour="#0072B2",
    marker="o",
)
