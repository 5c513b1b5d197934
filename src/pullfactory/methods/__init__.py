"""How a toy is fitted: one file per method, and the register of them.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/): blue for unbinned methods,
orange for binned ones, the lighter of each for the joint ones, purple for the optimal ones.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pullfactory.calibration import Calibration
from pullfactory.errors import LikelihoodError
from pullfactory.methods.binned import BINNED
from pullfactory.methods.binned_joint import BINNED_JOINT
from pullfactory.methods.binned_optimal import BINNED_OPTIMAL
from pullfactory.methods.density import density_method
from pullfactory.methods.flow import FLOW
from pullfactory.methods.method import FirstFit, Method, MethodKind
from pullfactory.methods.unbinned import UNBINNED
from pullfactory.methods.unbinned_joint import UNBINNED_JOINT
from pullfactory.methods.unbinned_optimal import UNBINNED_OPTIMAL
from pullfactory.settings.methods import find_method, given_methods

__all__ = [
    "BINNED",
    "BINNED_JOINT",
    "BINNED_OPTIMAL",
    "FLOW",
    "UNBINNED",
    "UNBINNED_JOINT",
    "UNBINNED_OPTIMAL",
    "FirstFit",
    "Method",
    "MethodKind",
    "build_method",
    "build_methods",
    "density_method",
    "given_methods",
    "method_kind",
    "optimal_method",
]

_BUILT_IN: Mapping[str, MethodKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            UNBINNED,
            BINNED,
            UNBINNED_OPTIMAL,
            BINNED_OPTIMAL,
            UNBINNED_JOINT,
            BINNED_JOINT,
            FLOW,
        )
    }
)


def method_kind(name: str) -> MethodKind:
    """What a method is and can tell.

    Args:
        name: As in the study file.

    Raises:
        LikelihoodError: If the method is unknown.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]
    found = find_method(name)
    if not isinstance(found, MethodKind):
        raise LikelihoodError(f"method {name!r} is no MethodKind: {found!r}")
    return found


def optimal_method(name: str, calibration: Calibration, rho: float) -> Method | None:
    """The method that combines optimally what another one takes as independent.

    Args:
        name: Of the other one.
        calibration: What the likelihood may know.
        rho: The point of the scan that it is for.

    Returns:
        None if there is none, or it cannot be: if a combination of the observables would determine
        a parameter exactly, or there are too few events for weights of their own.
    """
    kind = next((one for one in _BUILT_IN.values() if one.improves == name), None)
    if kind is None:
        return None
    try:
        return build_method(kind, calibration, rho)
    except LikelihoodError:
        return None


def build_method(
    method: str | MethodKind, calibration: Calibration, rho: float | None = None
) -> Method:
    """The likelihood of one of the study's methods, and what it takes from a toy.

    Args:
        method: Its name, as in the study file, or itself.
        calibration: What the likelihood may know.
        rho: The point of the scan that a joint method is for; others are the same for all.

    Raises:
        LikelihoodError: If the method is unknown, or a joint one comes without rho.
        CalibrationError: If the calibration has not learnt what the method needs.
    """
    kind = method_kind(method) if isinstance(method, str) else method
    if rho is None and not kind.independent:
        raise LikelihoodError(f"method {kind.name!r} depends on the correlation; give a rho")
    built: object = kind.build(calibration, 0.0 if rho is None else rho)
    if isinstance(built, Method) and built.name == kind.name:
        return built
    what = f"one called {built.name!r}" if isinstance(built, Method) else repr(built)
    raise LikelihoodError(f"method {kind.name!r} builds {what}; let it build a Method called so")


def build_methods(
    calibration: Calibration, kinds: Iterable[MethodKind] | None = None
) -> tuple[tuple[Method, ...], ...]:
    """All methods of the study, for each rho of its scan; what does not depend on rho is shared.

    Args:
        calibration: What the likelihoods may know.
        kinds: The methods, if they are at hand.
    """
    study = calibration.study
    all_kinds = tuple(map(method_kind, study.methods)) if kinds is None else tuple(kinds)
    shared = {kind: build_method(kind, calibration) for kind in all_kinds if kind.independent}
    return tuple(
        tuple(shared.get(kind) or build_method(kind, calibration, rho) for kind in all_kinds)
        for rho in study.ensemble.rho
    )
