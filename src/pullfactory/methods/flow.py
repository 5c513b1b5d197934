"""Fits of single events, with a joint density that is learnt from the calibration samples."""

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.likelihoods.density import DensityLikelihood
from pullfactory.methods.method import Method, MethodKind
from pullfactory.methods.noise import ToldNoise, Untold
from pullfactory.settings.methods import learns


def flow_method(calibration: Calibration, rho: float) -> Method:
    """The method `flow` of a study at one correlation of its scan.

    Args:
        calibration: Gives the flow; the truth is not looked at.
        rho: Factor of the off-diagonal part of the correlation matrix.

    Raises:
        CalibrationError: If there is no flow for this rho.
    """
    study = calibration.study
    likelihood = DensityLikelihood(
        density=calibration.flow(rho).density,
        limits=study.bounds,
        names=study.parameter_names,
        constrained=tuple(int(k) for k in np.flatnonzero(study.constrained)),
    )
    return Method(
        name=FLOW.name,
        likelihood=likelihood,
        observe=likelihood.observe,
        scatter=likelihood.scatter,
        expect=lambda _: None,
        aux_scatter=np.diag(np.where(study.constrained, study.aux_variance, 0.0)),
    )


def _noise(_calibration: Calibration, _rho: float, _theta: NDArray[np.float64]) -> ToldNoise:
    return Untold("that of its coefficients is not yet carried on to the pulls")


FLOW = MethodKind(
    name="flow",
    build=flow_method,
    noise=_noise,
    learns=learns("flow"),
    colour="#009E73",
    marker="*",
)
