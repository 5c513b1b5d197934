"""Keys of a study that a command makes no use of, and why."""

from collections.abc import Mapping
from types import MappingProxyType

_ALWAYS = "this command makes no use of it; leave it out"
_TOYS = "this command throws no toys; leave it out"

UNUSED_WITHOUT_TOYS: Mapping[str, str] = MappingProxyType(
    {
        "ensemble.n_toys": _TOYS,
        "intervals": _TOYS,
        "calibration.replicas": "this command makes one calibration; leave it out",
    }
)
"""Of a command that throws none."""

UNUSED_BY_CLOSURE: Mapping[str, str] = MappingProxyType(
    {
        **UNUSED_WITHOUT_TOYS,
        **dict.fromkeys(("methods", "optimal", "ensemble.rho"), _ALWAYS),
        "joint": "the closure is that of the channels one by one; leave it out",
    }
)
"""Of the one that compares rates."""

USED_BY_DENSITIES = ("methods", "ensemble.rho")
"""Of these, what decides which joint densities it judges."""

_OF_TOYS = ("methods", "optimal", "figures", "ensemble.truth", "joint.correlation")
_OF_DEPENDENCE = ("rho", "correlation", "dependence", "t_dof", "wrong_fraction", "wrong_width")


def of_workspace(*, joint: bool) -> dict[str, str]:
    """Of the one that writes a workspace.

    Args:
        joint: Whether that of all observables in one channel.
    """
    unused = {**UNUSED_WITHOUT_TOYS, **dict.fromkeys(_OF_TOYS, _ALWAYS)}
    if joint:
        return unused
    apart = "each observable has a channel of its own; add --joint, or leave it out"
    together = ("joint", *(f"ensemble.{key}" for key in _OF_DEPENDENCE))
    return {**unused, **dict.fromkeys(together, apart)}


def unused_with(calibration_file: str | None, unused: Mapping[str, str] = {}) -> dict[str, str]:
    """Those that a calibration made before replaces, too.

    Args:
        calibration_file: Its file; None if it is made anew.
        unused: Of the command.
    """
    if calibration_file is None:
        return dict(unused)
    why = "the calibration is that of --calibration; leave one of them out"
    keys = ("source", "events_per_point", "grid")
    return {**unused, **{f"calibration.{key}": why for key in keys}}
