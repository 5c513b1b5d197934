"""What is expected in the bins: counts scaled to the data, as processes of a workspace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.reading import ReadEvents, ReadSample
from pullfactory.errors import CalibrationError
from pullfactory.inference.judgement import STARVED
from pullfactory.settings.audit import AuditConfig
from pullfactory.settings.samples import ProcessSamples
from pullfactory.workspaces.morphing import Process, assemble, plain_numbers

__all__ = [
    "Expected",
    "build_audit_workspace",
    "build_joint_audit_workspace",
    "joint_channels",
    "noise_in_slopes",
    "starved_bins",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expected:
    """The samples of an audit, scaled to the events expected in the data.

    Attributes:
        config: The configuration.
        events: What was read.
        factors: Expected events for each unit of weight in the counts, by role.
        normalised: Role of the sample whose sum of weights is in the factor, by role; None where
            the factor does not depend on the events.
    """

    config: AuditConfig
    events: ReadEvents
    factors: dict[str, float]
    normalised: dict[str, str | None]

    @classmethod
    def of(cls, config: AuditConfig, events: ReadEvents) -> "Expected":
        """Scale what was read.

        A sample says how many events it stands for, or what one unit of weight does. A variation
        that says neither has the factor of the nominal sample if it has the same events, so that
        it may select more or fewer of them, and else what the nominal sample says.
        """
        factors: dict[str, float] = {}
        normalised: dict[str, str | None] = {}
        for process in config.sample_set.processes:
            for sample in (process.nominal, *process.varied):
                read = events.samples[sample.role]
                counted = float(read.counts.events.sum())
                table, nominal = sample.table, process.nominal.table
                if sample is not process.nominal and table.events is table.scale is None:
                    if sample.family == process.nominal.family:
                        factors[sample.role] = factors[process.nominal.role]
                        normalised[sample.role] = normalised[process.nominal.role]
                        continue
                    table = nominal
                yields = table.events or (table.scale or 1.0) * read.check.weight
                factors[sample.role] = yields / counted
                normalised[sample.role] = sample.role if table.events else None
        return cls(config=config, events=events, factors=factors, normalised=normalised)

    @property
    def n_events(self) -> float:
        """Events expected in the data, of all processes."""
        return sum(self.yields(role) for role in self.nominal_roles)

    def yields(self, role: str) -> float:
        """Events that a sample stands for."""
        return self.factors[role] * float(self.read(role).counts.events.sum())

    @property
    def nominal_roles(self) -> tuple[str, ...]:
        """Roles of the nominal samples."""
        return tuple(process.nominal.role for process in self.config.sample_set.processes)

    @property
    def norm_names(self) -> dict[str, str]:
        """Name of the parameter for the rate of each process whose rate is not fixed."""
        return {
            process.name: f"norm_{process.name}"
            for process in self.config.sample_set.processes
            if process.norm != "fixed"
        }

    @property
    def parameters(self) -> tuple[str, ...]:
        """What moves in the fits besides the bins' own factors."""
        return (*self.config.parameter_names, *self.norm_names.values())

    def histogram(self, observable: int) -> hist.Hist[Any]:
        """Expected events of one observable in every sample, with their variances.

        Args:
            observable: Its position.
        """
        described, axis = self.config.observable[observable], self.events.axes[observable]
        roles = list(self.factors)
        histogram = hist.Hist(
            hist.axis.StrCategory(roles, name="role"),
            hist.axis.Variable(
                axis.edges,
                name=described.name,
                label=described.label or described.name,
                underflow=False,
                overflow=False,
            ),
            storage=hist.storage.Weight(),
        )
        for i, role in enumerate(roles):
            counts, factor = self.read(role).counts, self.factors[role]
            histogram.values()[i] = factor * counts.channels[observable].sum(axis=0)
            histogram.variances()[i] = factor**2 * counts.squares[observable]
        return histogram

    def read(self, role: str) -> ReadSample:
        """A sample by its role."""
        return self.events.samples[role]


def build_audit_workspace(
    expected: Expected, data: Mapping[str, NDArray[np.float64]] | None = None
) -> dict[str, Any]:
    """The pyhf workspace of the observables taken as independent, one channel each.

    Args:
        expected: The samples.
        data: Observed events by channel; None for what is expected (Asimov).

    Returns:
        Plain data, valid against pyhf's workspace schema.

    Raises:
        CalibrationError: If a bin has nothing expected, or a sample is missing.
    """
    names = expected.config.observable_names
    _refuse_idle(expected)

    def counts(role: str, channel: int) -> NDArray[np.float64]:
        return np.asarray(expected.read(role).counts.channels[channel].sum(axis=0))

    def squares(role: str, channel: int) -> NDArray[np.float64]:
        return expected.read(role).counts.squares[channel]

    return _build(expected, names, counts, squares, data)


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

    def counts(role: str, channel: int) -> NDArray[np.float64]:
        return np.asarray(expected.read(role).counts.joint[patterns[channel]].sum(axis=0))

    def squares(role: str, channel: int) -> NDArray[np.float64]:
        return expected.read(role).counts.joint_squares[patterns[channel]]

    return _build(expected, joint_channels(expected), counts, squares, data)


def joint_channels(expected: Expected) -> tuple[str, ...]:
    """Names of the channels of the observables together."""
    names = expected.config.observable_names
    return tuple(
        "joint" if len(pattern) == len(names) else "_".join(["joint", *(names[o] for o in pattern)])
        for pattern in expected.events.joint
    )


def _build(
    expected: Expected,
    channels: tuple[str, ...],
    counts: Any,
    squares: Any,
    data: Mapping[str, NDArray[np.float64]] | None,
) -> dict[str, Any]:
    config = expected.config
    processes = tuple(
        _process(expected, process, counts, squares) for process in config.sample_set.processes
    )
    asimov = {
        name: sum(process.template(o, {}) for process in processes)
        for o, name in enumerate(channels)
    }
    for name, rates in asimov.items():
        _refuse_rates(name, np.asarray(rates), processes, list(asimov).index(name))
    observed = {name: np.asarray((data or asimov)[name]) for name in channels}
    return assemble(
        config.name,
        observed,
        processes,
        config.poi,
        _settings(expected),
        free_totals=config.free_totals,
    )


def _process(expected: Expected, process: ProcessSamples, counts: Any, squares: Any) -> Process:
    config = expected.config
    morphing = config.workspace.morphing

    def template(channel: int, steps: Mapping[str, int]) -> NDArray[np.float64]:
        sample = process.at(steps)
        if sample is None:
            wanted = ".".join(f"{name}.{'up' if s > 0 else 'down'}" for name, s in steps.items())
            prefix = "" if process.nominal.role == "nominal" else f"{process.nominal.role}."
            raise CalibrationError(
                f"samples.{prefix}{wanted}: missing, and morphing = {morphing!r} needs it; add it, "
                "or use another workspace.morphing"
            )
        return np.asarray(expected.factors[sample.role] * counts(sample.role, channel))

    def errors(channel: int) -> NDArray[np.float64]:
        role = process.nominal.role
        return np.asarray(expected.factors[role] * np.sqrt(squares(role, channel)))

    own_sample = morphing != "multiplicative"
    return Process(
        name=process.name,
        template=template,
        errors=errors if config.workspace.staterror else None,
        parameters=tuple(n for n in config.parameter_names if n in process.parameters),
        free=tuple(n for n in config.free_names if own_sample and n in process.parameters),
        morphing=morphing,
        aliases={},
        factors=_norm(expected, process),
    )


def _norm(expected: Expected, process: ProcessSamples) -> tuple[dict[str, Any], ...]:
    """The modifier of the rate of a process."""
    name = expected.norm_names.get(process.name)
    if name is None:
        return ()
    if process.norm == "free":
        return ({"name": name, "type": "normfactor", "data": None},)
    assert not isinstance(process.norm, str)
    data = {"hi": 1.0 + process.norm, "lo": 1.0 / (1.0 + process.norm)}
    return ({"name": name, "type": "normsys", "data": data},)


def _settings(expected: Expected) -> list[dict[str, Any]]:
    """Settings of the parameters in the measurement."""
    settings = [
        {
            "name": p.name,
            "inits": [0.0],
            "bounds": [plain_numbers(np.array(p.bounds) / p.step)],
        }
        for p in expected.config.parameter
    ]
    free = [p.name for p in expected.config.sample_set.processes if p.norm == "free"]
    for name in free:
        entry = {"name": expected.norm_names[name], "inits": [1.0], "bounds": [[0.0, 10.0]]}
        settings.append(entry)
    return settings


def _refuse_idle(expected: Expected) -> None:
    """Refuse free parameters that change nothing: no fit could measure them."""
    for name in expected.config.free_names:
        sides = [
            [s for p in expected.config.sample_set.processes if (s := p.at({name: side}))]
            for side in (1, -1)
        ]
        if all(
            np.array_equal(_template(expected, up.role, o), _template(expected, down.role, o))
            for up, down in zip(*sides, strict=True)
            for o in range(len(expected.config.observable))
        ):
            raise CalibrationError(
                f"parameter {name!r}: its samples up and down are the same in every bin, so that "
                "nothing measures it; check what varies"
            )


def _template(expected: Expected, role: str, o: int) -> NDArray[np.float64]:
    return np.asarray(expected.factors[role] * expected.read(role).counts.channels[o].sum(axis=0))


def _refuse_rates(
    channel: str, rates: NDArray[np.float64], processes: tuple[Process, ...], position: int
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
                    f"{steps or 'nominal'} is not positive, and a multiplicative morphing has "
                    "factors between templates; use fewer bins, more events or another "
                    "workspace.morphing"
                )


def noise_in_slopes(expected: Expected) -> dict[str, float]:
    """Part of the sensitivity to each parameter that is noise of the templates up and down.

    The information sum of d^2 / rate, with d half the difference of two templates, has a share of
    the variance of d in it. Templates of the nominal events are left out: their noise cancels.

    Args:
        expected: The samples.

    Returns:
        From 0 to 1, for parameters with samples of their own.
    """
    found = {}
    for name in expected.config.parameter_names:
        noise, information = 0.0, 0.0
        for o in range(len(expected.config.observable)):
            rates, change, variance = (np.zeros(expected.events.axes[o].size) for _ in range(3))
            for process in expected.config.sample_set.processes:
                role = process.nominal.role
                rates += expected.factors[role] * expected.read(role).counts.channels[o].sum(axis=0)
                for side in (1, -1):
                    sample = process.at({name: side})
                    if sample is None:
                        continue
                    counts, factor = (
                        expected.read(sample.role).counts,
                        expected.factors[sample.role],
                    )
                    change += side * factor * counts.channels[o].sum(axis=0) / 2
                    if sample.family != process.nominal.family:
                        variance += factor**2 * counts.squares[o] / 4
            noise += float(np.sum(variance / rates))
            information += float(np.sum(change**2 / rates))
        if noise:
            found[name] = noise / max(information, noise)
    return found


def starved_bins(expected: Expected) -> dict[str, int]:
    """Bins whose nominal templates have fewer than ten effective events, by channel.

    Args:
        expected: The samples.

    Returns:
        Only channels with such bins.
    """
    found = {}
    for o, name in enumerate(expected.config.observable_names):
        total, square = (np.zeros(expected.events.axes[o].size) for _ in range(2))
        for role in expected.nominal_roles:
            counts, factor = expected.read(role).counts, expected.factors[role]
            total = total + factor * counts.channels[o].sum(axis=0)
            square = square + factor**2 * counts.squares[o]
        effective = np.square(total) / np.maximum(square, np.finfo(float).tiny)
        if starved := int(np.sum(effective < STARVED)):
            found[name] = starved
    return found
