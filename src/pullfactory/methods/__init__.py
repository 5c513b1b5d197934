"""How a toy is fitted: one file per method, and the register of them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.errors import LikelihoodError
from pullfactory.methods.binned import binned_method, binned_noise
from pullfactory.methods.binned_joint import binned_joint_method, binned_joint_noise
from pullfactory.methods.method import Method
from pullfactory.methods.noise import ToldNoise
from pullfactory.methods.unbinned import unbinned_method, unbinned_noise
from pullfactory.methods.unbinned_joint import unbinned_joint_method, unbinned_joint_noise

__all__ = ["Method", "MethodKind", "build_method", "build_methods", "method_kind"]


class MethodKind(NamedTuple):
    """One of the methods that a study can name.

    Attributes:
        colour: Of everything that belongs to it in figures.
        marker: Of its points.
        independent: Whether it takes the observables as independent; then it is the same for every
            rho.
        build: From a calibration and rho to the method.
        noise: From a calibration, rho and true values, shape (points, parameters), to what its fits
            owe to the noise of the calibration.
    """

    colour: str
    marker: str
    independent: bool
    build: Callable[[Calibration, float], Method]
    noise: Callable[[Calibration, float, NDArray[np.float64]], ToldNoise]


# Colours of Okabe and Ito (https://jfly.uni-koeln.de/color/): blue for unbinned methods, orange
# for binned ones, the lighter of each for the joint ones.
_KINDS: Mapping[str, MethodKind] = {
    "unbinned": MethodKind(
        colour="#0072B2",
        marker="o",
        independent=True,
        build=lambda calibration, _: unbinned_method(calibration),
        noise=lambda calibration, _, theta: unbinned_noise(calibration, theta),
    ),
    "binned": MethodKind(
        colour="#D55E00",
        marker="s",
        independent=True,
        build=lambda calibration, _: binned_method(calibration),
        noise=lambda calibration, _, theta: binned_noise(calibration, theta),
    ),
    "unbinned_joint": MethodKind(
        colour="#56B4E9",
        marker="^",
        independent=False,
        build=unbinned_joint_method,
        noise=unbinned_joint_noise,
    ),
    "binned_joint": MethodKind(
        colour="#E69F00",
        marker="v",
        independent=False,
        build=binned_joint_method,
        noise=binned_joint_noise,
    ),
}


def method_kind(name: str) -> MethodKind:
    """What a method is and can tell.

    Args:
        name: As in the study file.

    Raises:
        LikelihoodError: If the method is unknown.
    """
    if name not in _KINDS:
        raise LikelihoodError(f"method {name!r} is unknown; use one of {', '.join(_KINDS)}")
    return _KINDS[name]


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
    kind = method_kind(name)
    if rho is None and not kind.independent:
        raise LikelihoodError(f"method {name!r} depends on the correlation; give a rho")
    return kind.build(calibration, 0.0 if rho is None else rho)


def build_methods(calibration: Calibration) -> tuple[tuple[Method, ...], ...]:
    """All methods of the study, for each rho of its scan; what does not depend on rho is shared.

    Args:
        calibration: What the likelihoods may know.
    """
    study = calibration.study
    shared = {
        name: build_method(name, calibration)
        for name in study.methods
        if method_kind(name).independent
    }
    return tuple(
        tuple(shared.get(name) or build_method(name, calibration, rho) for name in study.methods)
        for rho in study.ensemble.rho
    )
