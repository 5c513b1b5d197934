"""Location-scale density families of the observables, by name."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from pullfactory.errors import StudyError

from ._bifurcated_normal import BifurcatedNormal
from ._crystal_ball import CrystalBall
from ._family import Family
from ._normal import Normal
from ._spline import Spline
from ._voigt import Voigt

__all__ = [
    "FAMILIES",
    "BifurcatedNormal",
    "CrystalBall",
    "Family",
    "Normal",
    "Spline",
    "Voigt",
    "family",
]

FAMILIES: Mapping[str, type[Family]] = MappingProxyType(
    {member.name: member for member in (Normal, Voigt, BifurcatedNormal, CrystalBall)}
)


def family(name: str, shape: Mapping[str, float]) -> Family:
    """The density family of that name with these shape parameters.

    Args:
        name: A key of `FAMILIES`.
        shape: Value of each shape parameter of the family, dimensionless.

    Raises:
        StudyError: If the family is unknown, or a shape parameter is unknown, missing, no finite
            number, or outside the family's limits.
    """
    if name not in FAMILIES:
        message = f"density {name!r} is unknown; use one of {', '.join(FAMILIES)}"
        raise StudyError(message)
    chosen = FAMILIES[name]
    wanted = ", ".join(chosen.shape_limits) or "none"
    for key in shape:
        if key not in chosen.shape_limits:
            message = f"density {name!r}: shape {key!r} is unknown; shapes of this family: {wanted}"
            raise StudyError(message)
    for key in chosen.shape_limits:
        if key not in shape:
            message = (
                f"density {name!r}: shape {key!r} is missing; give a value to each of {wanted}"
            )
            raise StudyError(message)
    return chosen(
        **{
            key: _checked(f"density {name!r}: shape {key!r}", shape[key], limits)
            for key, limits in chosen.shape_limits.items()
        }
    )


def _checked(place: str, value: object, limits: tuple[float, float]) -> float:
    """The value as a float if it lies between the limits."""
    low, high = limits
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        complaint = "must be a finite number; give one"
    elif value <= low:
        complaint = f"must be greater than {low:g}; raise it or use another density"
    elif value >= high:
        complaint = f"must be less than {high:g}; lower it or use another density"
    else:
        return float(value)
    message = f"{place} = {value!r} {complaint}"
    raise StudyError(message)
