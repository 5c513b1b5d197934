"""What a toy is fitted with: one file per method, one protocol."""

from collections.abc import Callable, Mapping

from pullfactory.calibration import Calibration
from pullfactory.likelihoods._likelihood import Expansion, Likelihood, Method, Observation
from pullfactory.likelihoods._reading import read_workspace
from pullfactory.likelihoods.binned import BinnedLikelihood, binned_method
from pullfactory.likelihoods.unbinned import UnbinnedData, UnbinnedLikelihood, unbinned_method

__all__ = [
    "BinnedLikelihood",
    "Expansion",
    "Likelihood",
    "Method",
    "Observation",
    "UnbinnedData",
    "UnbinnedLikelihood",
    "build_method",
    "read_workspace",
]

_BUILDERS: Mapping[str, Callable[[Calibration], Method]] = {
    "unbinned": unbinned_method,
    "binned": binned_method,
}


def build_method(name: str, calibration: Calibration) -> Method:
    """The likelihood of one of the study's methods, and what it takes from a toy.

    Args:
        name: As in the study file.
        calibration: What the likelihood may know.
    """
    return _BUILDERS[name](calibration)
