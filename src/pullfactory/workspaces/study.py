"""Templates of a study to a pyhf workspace.

Channels are observables, there is one process; `morphing` says how its samples are made.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration, Templates
from pullfactory.errors import CalibrationError
from pullfactory.files import write_text
from pullfactory.settings.sections import Parameter
from pullfactory.workspaces.morphing import Process, assemble
from pullfactory.workspaces.rotation import Rotation, named


def build_workspace(calibration: Calibration) -> dict[str, Any]:
    """Assemble the pyhf workspace of a calibrated study.

    Args:
        calibration: Templates, and the study that says how to use them. Rates are scaled to
            `ensemble.n_events`; the observations are the Asimov data of the nominal point.

    Returns:
        Plain data, valid against pyhf's workspace schema.

    Raises:
        CalibrationError: If a template is empty, a bin has no nominal events (or, where bins
            are multiplied, no events at a calibration point), or a sample is missing.
    """
    return build_channels(calibration.channels)


def build_joint_workspace(calibration: Calibration, rho: float) -> dict[str, Any]:
    """Assemble the pyhf workspace of all observables together, in one channel `joint`.

    Args:
        calibration: Of a study with `binned_joint` among its methods; see `build_workspace`.
        rho: Point of the scan; the templates carry this correlation.

    Returns:
        Plain data, valid against pyhf's workspace schema; bins in the order of
        `calibration.joint_at(rho).bins`.

    Raises:
        CalibrationError: As `build_workspace`, or if there are no joint templates for this rho.
    """
    return build_channels(calibration.joint_channel(rho))


def build_channels(templates: Templates) -> dict[str, Any]:
    """Assemble the pyhf workspace of any templates; see `build_workspace`.

    Args:
        templates: Of the channels, and the study that says how to use them.

    Returns:
        Plain data, valid against pyhf's workspace schema.

    Raises:
        CalibrationError: As `build_workspace`.
    """
    study = templates.study
    _check_templates(templates)
    process = _process(templates)
    rotation = Rotation.of(study)
    channels = {name: process.template(o, {}) for o, name in enumerate(templates.channels)}
    return assemble(
        study.name,
        channels,
        (process if rotation is None else rotation.rotate(process),),
        study.poi,
        named(
            rotation,
            [_parameter(one, templates.units.get(one.name, 1.0)) for one in study.parameter],
        ),
        free_totals=templates.free_totals,
        statement=None if rotation is None else rotation.statement,
    )


def _process(templates: Templates) -> Process:
    """The only process of a study."""
    study = templates.study
    settings, units, scale = templates.workspace, templates.units, templates.scale

    def template(channel: int, steps: Mapping[str, int]) -> NDArray[np.float64]:
        points = {name: step * units.get(name, 1.0) for name, step in steps.items()}
        return templates.template(channel, points) * scale

    def errors(channel: int) -> NDArray[np.float64]:
        return np.asarray(np.sqrt(templates.template(channel)) * scale)

    own_sample = settings.mass_encoding == "normfactor"
    return Process(
        name=settings.process,
        template=template,
        errors=errors if settings.staterror else None,
        parameters=study.parameter_names,
        free=study.free_names if own_sample else (),
        morphing=settings.morphing,
        aliases={study.poi: "mass"},
    )


def write_workspace(spec: Mapping[str, Any], path: str | Path) -> None:
    """Write a workspace as JSON; the file appears whole or not at all.

    RooFit's HistFactory reads negative bins of a sample as 0 (see `negative_samples`).

    Args:
        spec: What `build_workspace` returns.
        path: The file; an existing one is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    write_text(path, json.dumps(spec, indent=1, allow_nan=False) + "\n")


def negative_samples(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """Samples that pyhf reads as they are and RooFit does not: those with a negative bin.

    RooFit's HistFactory takes such bins as 0. Additive morphing makes them, in the sample that
    carries a free parameter, multiplicative morphing does not; negative weights may.

    Args:
        spec: A pyhf workspace.

    Returns:
        Names, each once.
    """
    found = (
        sample["name"]
        for channel in spec["channels"]
        for sample in channel["samples"]
        if min(sample["data"], default=0.0) < 0.0
    )
    return tuple(dict.fromkeys(found))


def clipping_note(spec: Mapping[str, Any]) -> str | None:
    """One line on what RooFit makes of a workspace, or None if it makes the same as pyhf.

    Args:
        spec: A pyhf workspace.
    """
    names = negative_samples(spec)
    if not names:
        return None
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"not for RooFit: it takes the negative bins of sample {shown} as 0, which pyhf does not; "
        'workspace.morphing = "multiplicative" has none.'
    )


def _parameter(parameter: Parameter, unit: float) -> dict[str, Any]:
    bounds = [float(f"{bound / unit:.12g}") for bound in parameter.bounds]
    return {"name": parameter.name, "inits": [0.0], "bounds": [bounds]}


def _check_templates(templates: Templates) -> None:
    for o, counts in enumerate(templates.counts):
        name = templates.channels[o]
        empty = np.flatnonzero(counts.sum(axis=1) <= 0)
        if len(empty):
            raise CalibrationError(
                f"channel {name!r}: template {templates.labels[empty[0]]} is empty; "
                "use more calibration events or other edges"
            )
        starved = int(np.count_nonzero(templates.template(o) <= 0))
        if starved:
            raise CalibrationError(
                f"channel {name!r}: {starved} of {counts.shape[1]} bins of the nominal "
                "template are empty; use fewer bins, other edges or more calibration events"
            )
        if templates.workspace.morphing == "multiplicative" and np.any(counts <= 0):
            point, position = np.argwhere(counts <= 0)[0]
            raise CalibrationError(
                f"channel {name!r}: bin {position} of template {templates.labels[point]} is "
                "empty, and a multiplicative morphing has factors between templates; use fewer "
                "bins, other edges or more calibration events"
            )
