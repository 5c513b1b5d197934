"""Templates to a pyhf workspace.

Channels are observables. Two families of morphing:

Additive: sample `ttbar` is the nominal template, with a `histosys` for every constrained
parameter. pyhf gives every histosys a unit Gaussian, so a free parameter is a sample of its own
instead: (T(+1) - T(-1)) / 2, which is negative in some bins, times a `normfactor` with init 0.
With `additive_cross` the products of two parameters are carried too: of a free and a constrained
one by `histosys` modifiers on the sample of the free one, of two free ones by a sample with both
normfactors.

Multiplicative: every bin is a sample, `ttbar_bin7`, with a `normsys` for every parameter, so that
parameters multiply: products of exponentials close for densities whose log is linear in what the
parameters change. pyhf gives every normsys a unit Gaussian; `wide` takes the templates of a free
parameter so far apart that it hardly matters.
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration, Templates
from pullfactory.errors import CalibrationError
from pullfactory.output import write_text
from pullfactory.study import Study

__all__ = ["build_joint_workspace", "build_workspace", "write_workspace"]

SAMPLE = "ttbar"


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
    return _build(calibration.channels)


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
    return _build(calibration.joint_channel(rho))


def _build(templates: Templates) -> dict[str, Any]:
    study = templates.study
    _check_templates(templates)
    scale = study.ensemble.n_events / study.calibration.events_per_point
    channels = [
        {"name": name, "samples": list(_samples(templates, o, scale))}
        for o, name in enumerate(templates.channels)
    ]
    observations = [
        {"name": name, "data": _numbers(templates.template(o) * scale)}
        for o, name in enumerate(templates.channels)
    ]
    return {
        "channels": channels,
        "observations": observations,
        "measurements": [
            {
                "name": study.name,
                "config": {
                    "poi": study.poi,
                    "parameters": [_parameter(study, k) for k in range(len(study.parameter))],
                },
            }
        ],
        "version": "1.0.0",
    }


def write_workspace(spec: Mapping[str, Any], path: str | Path) -> None:
    """Write a workspace as JSON; the file appears whole or not at all.

    Args:
        spec: What `build_workspace` returns.
        path: The file; an existing one is replaced.

    Raises:
        OutputError: If the file cannot be written.
    """
    write_text(path, json.dumps(spec, indent=1, allow_nan=False) + "\n")


def _samples(templates: Templates, channel: int, scale: float) -> Iterator[dict[str, Any]]:
    if templates.study.workspace.morphing == "multiplicative":
        yield from _bin_samples(templates, channel, scale)
    else:
        yield from _template_samples(templates, channel, scale)


def _bin_samples(templates: Templates, channel: int, scale: float) -> Iterator[dict[str, Any]]:
    """One sample for each bin, with factors."""
    study = templates.study
    nominal = templates.template(channel)
    factors = {}
    for name in study.parameter_names:
        step = study.workspace_units.get(name, 1.0)
        up, down = (templates.template(channel, {name: sign * step}) for sign in (1, -1))
        factors[name] = zip(_numbers(up / nominal), _numbers(down / nominal), strict=True)
    errors = np.sqrt(nominal) * scale
    for b, events in enumerate(nominal * scale):
        alone = np.arange(len(nominal)) == b
        modifiers = [_normsys(name, *next(pairs)) for name, pairs in factors.items()]
        if study.workspace.staterror:
            modifiers.append(_staterror(templates.channels[channel], np.where(alone, errors, 0.0)))
        yield {
            "name": f"{SAMPLE}_bin{b}",
            "data": _numbers(np.where(alone, events, 0.0)),
            "modifiers": modifiers,
        }


def _template_samples(templates: Templates, channel: int, scale: float) -> Iterator[dict[str, Any]]:
    """The nominal template with shifts, and the samples of what the free parameters add."""
    study = templates.study
    cross = study.workspace.morphing == "additive_cross"

    def template(steps: Mapping[str, int]) -> NDArray[np.float64]:
        return templates.template(channel, steps) * scale

    def slope(free: str, steps: Mapping[str, int]) -> NDArray[np.float64]:
        return (template({free: 1, **steps}) - template({free: -1, **steps})) / 2

    own_sample = study.workspace.mass_encoding == "normfactor"
    free = [p.name for p in study.parameter if own_sample and p.constraint == "free"]
    constrained = [name for name in study.parameter_names if name not in free]
    nominal: list[dict[str, Any]] = [
        _histosys(name, template({name: 1}), template({name: -1})) for name in constrained
    ]
    if study.workspace.staterror:
        errors = np.sqrt(templates.template(channel)) * scale
        nominal.append(_staterror(templates.channels[channel], errors))
    yield {"name": SAMPLE, "data": _numbers(template({})), "modifiers": nominal}
    for name in free:
        modifiers = [_normfactor(name)]
        if cross:
            modifiers += [
                _histosys(other, slope(name, {other: 1}), slope(name, {other: -1}))
                for other in constrained
            ]
        yield {
            "name": _sample_name(study, name),
            "data": _numbers(slope(name, {})),
            "modifiers": modifiers,
        }
    for first, second in itertools.combinations(free if cross else [], 2):
        product = (slope(first, {second: 1}) - slope(first, {second: -1})) / 2
        yield {
            "name": f"{_sample_name(study, first)}_{second}",
            "data": _numbers(product),
            "modifiers": [_normfactor(first), _normfactor(second)],
        }


def _sample_name(study: Study, parameter: str) -> str:
    return f"{SAMPLE}_mass" if parameter == study.poi else f"{SAMPLE}_{parameter}"


def _normfactor(name: str) -> dict[str, Any]:
    return {"name": name, "type": "normfactor", "data": None}


def _histosys(name: str, up: NDArray[np.float64], down: NDArray[np.float64]) -> dict[str, Any]:
    data = {"hi_data": _numbers(up), "lo_data": _numbers(down)}
    return {"name": name, "type": "histosys", "data": data}


def _normsys(name: str, up: float, down: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": up, "lo": down}}


def _staterror(channel: str, errors: NDArray[np.float64]) -> dict[str, Any]:
    name = f"staterror_{channel}"
    return {"name": name, "type": "staterror", "data": _numbers(errors)}


def _parameter(study: Study, k: int) -> dict[str, Any]:
    described = study.parameter[k]
    unit = study.workspace_units.get(described.name, 1.0)
    bounds = [float(f"{bound / unit:.12g}") for bound in described.bounds]
    return {"name": described.name, "inits": [0.0], "bounds": [bounds]}


def _numbers(values: NDArray[np.float64]) -> list[float]:
    """Rounded to 12 significant digits: the file is the same on machines that round differently."""
    return [float(f"{value:.12g}") for value in values]


def _check_templates(templates: Templates) -> None:
    study = templates.study
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
        if study.workspace.morphing == "multiplicative" and np.any(counts <= 0):
            point, position = np.argwhere(counts <= 0)[0]
            raise CalibrationError(
                f"channel {name!r}: bin {position} of template {templates.labels[point]} is "
                "empty, and a multiplicative morphing has factors between templates; use fewer "
                "bins, other edges or more calibration events"
            )
