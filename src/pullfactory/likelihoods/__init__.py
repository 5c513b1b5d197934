"""What a toy is fitted with: one file per method, one protocol."""

from collections.abc import Callable, Mapping

from pullfactory.calibration import Calibration
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods._likelihood import Expansion, Likelihood, Method, Observation
from pullfactory.likelihoods._reading import read_workspace
from pullfactory.likelihoods.binned import BinnedLikelihood, binned_method
from pullfactory.likelihoods.binned_joint import binned_joint_method
from pullfactory.likelihoods.unbinned import UnbinnedData, UnbinnedLikelihood, unbinned_method
from pullfactory.likelihoods.unbinned_joint import (
    JointData,
    JointLikelihood,
    unbinned_joint_method,
)

__all__ = [
    "BinnedLikelihood",
    "Expansion",
    "JointData",
    "JointLikelihood",
    "Likelihood",
    "Method",
    "Observation",
    "UnbinnedData",
    "UnbinnedLikelihood",
    "build_method",
    "build_methods",
    "read_workspace",
]

_BUILDERS: Mapping[str, Callable[[Calibration], Method]] = {
    "unbinned": unbinned_method,
    "binned": binned_method,
}
_JOINT_BUILDERS: Mapping[str, Callable[[Calibration, float], Method]] = {
    "unbinned_joint": unbinned_joint_method,
    "binned_joint": binned_joint_method,
}


def build_method(name: str, calibration: Calibration, rho: float | None = None) -> Method:
    """The likelihood of one of the study's methods, and what it takes from a toy.

    Args:
        name: As in the study file.
        calibration: What the likelihood may know.
        rho: The point of the scan that a joint method is for; others are the same for all.

    Raises:
        LikelihoodError: If the method is unknown, or a joint one comes without rho.
        CalibrationError: If the calibration has not learnt what the method needs.
    """
    if name in _BUILDERS:
        return _BUILDERS[name](calibration)
    if name not in _JOINT_BUILDERS:
        known = ", ".join([*_BUILDERS, *_JOINT_BUILDERS])
        raise LikelihoodError(f"method {name!r} is unknown; use one of {known}")
    if rho is None:
        raise LikelihoodError(f"method {name!r} depends on the correlation; give a rho")
    return _JOINT_BUILDERS[name](calibration, rho)


def build_methods(calibration: Calibration) -> tuple[tuple[Method, ...], ...]:
    """All methods of the study, for each rho of its scan; what does not depend on rho is shared.

    Args:
        calibration: What the likelihoods may know.
    """
    study = calibration.study
    shared = {name: build_method(name, calibration) for name in study.methods if name in _BUILDERS}
    return tuple(
        tuple(shared.get(name) or build_method(name, calibration, rho) for name in study.methods)
        for rho in study.ensemble.rho
    )
