"""Which interpolated modifiers bend the rates, or have a kink."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.workspaces._pyhf import pyhf

_KINKED_CODES = ("code0", "code1")
_BEND = 0.2  # standard deviations of the counts; two minima take counts 1.3 of them away
_BEND_PER_TILT = 0.5  # 1 where one side is the nominal template, more where both are alike


def kinked(model: pyhf.Model) -> tuple[int, ...]:
    """Positions of the parameters of modifiers with piecewise interpolation.

    Args:
        model: Any.
    """
    appliers = model.main_model.modifiers_appliers
    kinds = [
        kind
        for kind in ("histosys", "normsys")
        if kind in appliers and appliers[kind].interpcode in _KINKED_CODES
    ]
    names = {name for name, kind in model.config.modifiers if kind in kinds}
    return tuple(sorted(model.config.par_slice(name).start for name in names))


def one_sided(model: pyhf.Model) -> NDArray[np.bool_]:
    """The parameters whose templates bend the rates about as much as they tilt them.

    For a parameter alpha the rates are n + alpha t + alpha^2 b at alpha = -1, 0 and 1. A second
    minimum takes a noticeable b: in standard deviations of the counts, and beside t.

    Args:
        model: Any.
    """
    squares: dict[str, NDArray[np.float64]] = {}
    for channel in model.spec["channels"]:
        nominal = sum(np.array(sample["data"]) for sample in channel["samples"])
        weight = 1 / np.sqrt(np.maximum(nominal, 1.0))
        shifts: dict[str, NDArray[np.float64]] = {}
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                both = _up_and_down(sample, modifier)
                if both is not None:
                    shifts[modifier["name"]] = shifts.get(modifier["name"], 0.0) + both
        for name, (up, down) in shifts.items():
            parts = weight * np.array([up + down, up - down]) / 2
            squares[name] = squares.get(name, 0.0) + np.sum(parts**2, axis=1)
    found = np.zeros(model.config.npars, dtype=bool)
    for name, (bend, tilt) in squares.items():
        found[model.config.par_slice(name)] = bend > max(_BEND**2, _BEND_PER_TILT**2 * tilt)
    return found


def _up_and_down(
    sample: Mapping[str, Any], modifier: Mapping[str, Any]
) -> NDArray[np.float64] | None:
    """What an interpolated modifier adds to a sample at 1 and -1, shape (2, bins)."""
    nominal = np.array(sample["data"], dtype=np.float64)
    values = modifier["data"]
    if modifier["type"] == "histosys":
        return np.array([values["hi_data"], values["lo_data"]]) - nominal
    if modifier["type"] == "normsys":
        return np.outer([values["hi"] - 1.0, values["lo"] - 1.0], nominal)
    return None
