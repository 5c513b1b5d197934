"""Workspaces of what is expected in the bins."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected, ExpectedPoint
from pullfactory.auditing.smoothing import Smoothing
from pullfactory.errors import CalibrationError
from pullfactory.settings.audit import AuditConfig, AuditParameter, AuditWorkspace
from pullfactory.settings.samples import ProcessSamples
from pullfactory.workspaces.morphing import Process, assemble, plain_numbers
from pullfactory.workspaces.rotation import Rotation, named

_Bins = Callable[[ExpectedPoint, int], NDArray[np.float64]]


class _Channels(NamedTuple):
    """The channels of a workspace.

    Attributes:
        names: Of the channels.
        template: Expected events of a process at a point in the bins of a channel.
        error: Their statistical errors.
    """

    names: tuple[str, ...]
    template: _Bins
    error: _Bins


def build_audit_workspace(
    expected: Expected,
    data: Mapping[str, NDArray[np.float64]] | None = None,
    *,
    workspace: AuditWorkspace | None = None,
    smoothing: Smoothing | None = None,
) -> dict[str, Any]:
    """The pyhf workspace of the observables taken as independent, one channel each.

    Args:
        expected: The samples.
        data: Observed events by channel; None for what is expected (Asimov).
        workspace: Settings; None for those of the configuration.
        smoothing: Of the derivatives of templates; None for none.

    Returns:
        Plain data, valid against pyhf's workspace schema.

    Raises:
        CalibrationError: If a bin has nothing expected, or a sample is missing.
    """
    config = expected.config

    def error(point: ExpectedPoint, channel: int) -> NDArray[np.float64]:
        ((_, sample),) = point.terms
        return np.asarray(sample.factor * np.sqrt(sample.read.counts.squares[channel]))

    channels = _Channels(config.observable_names, ExpectedPoint.template, error)
    settings = workspace or config.workspace
    processes = [_process(expected, settings, process, channels) for process in expected.processes]
    if smoothing:
        processes = [
            replace(process, template=smoothing.smoothed(process.template)) for process in processes
        ]
    return _build(config, settings, processes, channels.names, data)


def build_joint_audit_workspace(
    expected: Expected, data: Mapping[str, NDArray[np.float64]] | None = None
) -> dict[str, Any]:
    """The pyhf workspace of the observables together.

    Events that have all observables are in the channel `joint`; those that lack some have a
    channel for what they have, such as `joint_m_t`.

    Args:
        expected: The samples.
        data: Observed events by channel; None for what is expected (Asimov).

    Returns:
        Plain data, valid against pyhf's workspace schema.

    Raises:
        CalibrationError: If a bin has nothing expected, or a sample is missing.
    """
    patterns = list(expected.events.joint)

    def template(point: ExpectedPoint, channel: int) -> NDArray[np.float64]:
        return np.asarray(point.total(lambda counts: counts.joint[patterns[channel]]))

    def error(point: ExpectedPoint, channel: int) -> NDArray[np.float64]:
        ((_, sample),) = point.terms
        squares = sample.read.counts.joint_squares[patterns[channel]]
        return np.asarray(sample.factor * np.sqrt(squares))

    channels = _Channels(expected.joint_channels, template, error)
    config = expected.config
    processes = [
        _process(expected, config.workspace, process, channels) for process in expected.processes
    ]
    return _build(config, config.workspace, processes, channels.names, data)


def _build(
    config: AuditConfig,
    workspace: AuditWorkspace,
    processes: Sequence[Process],
    names: Sequence[str],
    data: Mapping[str, NDArray[np.float64]] | None,
) -> dict[str, Any]:
    asimov = {
        name: sum(process.template(o, {}) for process in processes) for o, name in enumerate(names)
    }
    for position, (name, rates) in enumerate(asimov.items()):
        _refuse_rates(name, np.asarray(rates), processes, position)
    observed = {name: np.asarray((data or asimov)[name]) for name in names}
    rotation = Rotation.of(config)
    return assemble(
        config.name,
        observed,
        tuple(processes if rotation is None else map(rotation.rotate, processes)),
        config.poi,
        [
            *named(rotation, list(map(_parameter, config.parameter))),
            *_free_rates(config.sample_set.processes),
        ],
        free_totals=workspace.frees_totals(config.n_events_law),
        statement=None if rotation is None else rotation.statement,
    )


def _process(
    expected: Expected, workspace: AuditWorkspace, process: ProcessSamples, channels: _Channels
) -> Process:
    config = expected.config

    def template(channel: int, steps: Mapping[str, int]) -> NDArray[np.float64]:
        point = expected.point(process, steps)
        if point is None:
            wanted = ".".join(f"{name}.{'up' if s > 0 else 'down'}" for name, s in steps.items())
            prefix = "" if process.nominal.role == "nominal" else f"{process.nominal.role}."
            raise CalibrationError(
                f"samples.{prefix}{wanted}: missing, and morphing = {workspace.morphing!r} needs "
                "it; add it, or use another workspace.morphing"
            )
        return channels.template(point, channel)

    def errors(channel: int) -> NDArray[np.float64]:
        return channels.error(expected.nominal_point(process), channel)

    own_sample = workspace.morphing != "multiplicative"
    return Process(
        name=process.name,
        template=template,
        errors=errors if workspace.staterror else None,
        parameters=tuple(n for n in config.parameter_names if n in process.parameters),
        free=tuple(n for n in config.free_names if own_sample and n in process.parameters),
        morphing=workspace.morphing,
        aliases={},
        factors=_norm(process),
    )


def _norm(process: ProcessSamples) -> tuple[dict[str, Any], ...]:
    """The modifier of the rate of a process."""
    if process.norm == "fixed":
        return ()
    if process.norm == "free":
        return ({"name": process.norm_name, "type": "normfactor", "data": None},)
    data = {"hi": 1.0 + process.norm, "lo": 1.0 / (1.0 + process.norm)}
    return ({"name": process.norm_name, "type": "normsys", "data": data},)


def _parameter(parameter: AuditParameter) -> dict[str, Any]:
    """Its settings in the measurement."""
    bounds = plain_numbers(np.array(parameter.bounds) / parameter.step)
    return {"name": parameter.name, "inits": [0.0], "bounds": [bounds]}


def _free_rates(processes: Iterable[ProcessSamples]) -> list[dict[str, Any]]:
    """Settings of the rates that are free."""
    return [
        {"name": process.norm_name, "inits": [1.0], "bounds": [[0.0, 10.0]]}
        for process in processes
        if process.norm == "free"
    ]


def _refuse_rates(
    channel: str, rates: NDArray[np.float64], processes: Sequence[Process], position: int
) -> None:
    bad = np.flatnonzero(~(rates > 0))
    if len(bad):
        raise CalibrationError(
            f"channel {channel!r}: {len(bad)} of {len(rates)} bins of the nominal templates are "
            f"not positive (bin {bad[0]}: {rates[bad[0]]:.3g} events); use fewer bins, other edges "
            "or more events"
        )
    for process in processes:
        if process.morphing != "multiplicative":
            continue
        points = [{}, *({name: s} for name in process.parameters for s in (1, -1))]
        for steps in points:
            empty = np.flatnonzero(~(process.template(position, steps) > 0))
            if len(empty):
                raise CalibrationError(
                    f"channel {channel!r}: bin {empty[0]} of process {process.name!r} at "
                    f"{_point(steps)} is not positive, and a multiplicative morphing has "
                    "factors between templates; use fewer bins, more events or another "
                    "workspace.morphing"
                )


def _point(steps: Mapping[str, int]) -> str:
    """A point in words."""
    return " ".join(f"{name}.{'up' if step > 0 else 'down'}" for name, step in steps.items()) or (
        "nominal"
    )
