"""Fits of single events, with a joint density that is learnt from the calibration samples."""

from types import MappingProxyType

from pullfactory.calibration import Calibration
from pullfactory.likelihoods.density import DensityLikelihood, constrained_in
from pullfactory.methods.flow_noise import flow_noise
from pullfactory.methods.method import KnownDensity, Method, MethodKind
from pullfactory.settings.methods import learns

FREEDOM = MappingProxyType(
    {
        "fixed": 'set flow.shape = "linear"',
        "auto": 'set flow.shape = "linear", or calibrate with more events',
        "linear": "calibrate with more events, or use closer calibration points",
    }
)
"""How the shape is let change with a parameter, by `flow.shape`."""


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
        constraint=study.constraint_information,
        constrained=constrained_in(study.constraint_information),
    )
    return Method(
        name=FLOW.name,
        likelihood=likelihood,
        observe=likelihood.observe,
        scatter=likelihood.scatter,
        expect=lambda _: None,
        aux_scatter=study.aux_scatter,
        density=KnownDensity(
            events=study.calibration.events_per_point,
            freedom=FREEDOM[study.flow_settings.shape],
        ),
    )


FLOW = MethodKind(
    name="flow",
    build=flow_method,
    noise=flow_noise,
    learns=learns("flow"),
    density=True,
    colour="#009E73",
    marker="*",
)
