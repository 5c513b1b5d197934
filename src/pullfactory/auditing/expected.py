"""What is expected in the data: the samples of an audit, scaled to it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import hist
import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.halves import half_signs
from pullfactory.auditing.reading import ReadEvents, ReadSample
from pullfactory.auditing.tally import GROUPS, Counts
from pullfactory.inference.judgement import STARVED
from pullfactory.random import Stream, generator
from pullfactory.settings.audit import AuditConfig
from pullfactory.settings.samples import ProcessSamples, Sample


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpectedSample:
    """A simulated sample, scaled to the events expected in the data.

    Attributes:
        read: The sample.
        factor: Expected events for each unit of weight in its counts.
        normalised: Role of the sample whose sum of weights is in the factor; None where that does
            not depend on the events.
    """

    read: ReadSample
    factor: float
    normalised: str | None

    @property
    def yields(self) -> float:
        """Events that it stands for."""
        return self.factor * float(self.read.counts.events.sum())

    def template(self, observable: int) -> NDArray[np.float64]:
        """Expected events in the bins of one observable, shape (bins,).

        Args:
            observable: Its position.
        """
        return np.asarray(self.factor * self.read.counts.channels[observable].sum(axis=0))

    def variance(self, observable: int) -> NDArray[np.float64]:
        """Variance of the template, shape (bins,).

        Args:
            observable: Its position.
        """
        return np.asarray(self.factor**2 * self.read.counts.squares[observable])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpectedPoint:
    """One process at one point: a sum of samples, in nearly all cases of one.

    Attributes:
        sample: What stands for it in the configuration.
        terms: Samples with events, and how often each is taken: 2 and -1 for a mirror image.
        sums: Sum of weights of each group of events of the samples by which the terms are
            normalised, each of shape (groups,); None where a factor does not depend on the events.
    """

    sample: Sample
    terms: tuple[tuple[int, ExpectedSample], ...]
    sums: tuple[NDArray[np.float64] | None, ...]

    @property
    def yields(self) -> float:
        """Events that it stands for."""
        return sum(times * sample.yields for times, sample in self.terms)

    def template(self, observable: int) -> NDArray[np.float64]:
        """Expected events in the bins of one observable, shape (bins,).

        Args:
            observable: Its position.
        """
        return np.asarray(self.total(lambda counts: counts.channels[observable]))

    def variance(self, observable: int) -> NDArray[np.float64]:
        """Variance of the template, shape (bins,); of a sum of samples from groups of events.

        Args:
            observable: Its position.
        """
        if len(self.terms) == 1:
            return self.terms[0][1].variance(observable)
        groups = sum(
            times * sample.factor * sample.read.counts.channels[observable]
            for times, sample in self.terms
        )
        return np.asarray(scatter_of(np.asarray(groups)))

    def total(self, counted: Callable[[Counts], NDArray[np.float64]]) -> Any:
        """Expected value of what was counted in groups of events.

        Args:
            counted: Of shape (groups, ...).

        Returns:
            Shape (...).
        """
        return sum(
            times * (sample.factor * counted(sample.read.counts).sum(axis=0))
            for times, sample in self.terms
        )

    def influence(self, counted: Callable[[Counts], NDArray[np.float64]]) -> NDArray[np.float64]:
        """What one more copy of each group of events adds to a total, to first order.

        Args:
            counted: Of shape (groups, ...).

        Returns:
            Shape (groups, ...).
        """
        found: Any = 0.0
        for (times, sample), sums in zip(self.terms, self.sums, strict=True):
            groups = times * sample.factor * counted(sample.read.counts)
            found = found + groups
            if sums is not None:
                part = (sums / sums.sum()).reshape(-1, *(1,) * (groups.ndim - 1))
                found = found - part * groups.sum(axis=0)
        return np.asarray(found)


def scatter_of(groups: NDArray[np.float64]) -> Any:
    """Variance of a sum from what groups of events contribute to it.

    Args:
        groups: Shape (groups, ...).

    Returns:
        Shape (...).
    """
    away = groups - groups.mean(axis=0)
    return GROUPS / (GROUPS - 1) * np.sum(away**2, axis=0)


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
                if sample.mirrored is not None:
                    continue
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

    def sample(self, role: str) -> ExpectedSample:
        """A simulated sample by its role."""
        return ExpectedSample(
            read=self.read(role), factor=self.factors[role], normalised=self.normalised[role]
        )

    def point(self, process: ProcessSamples, steps: Mapping[str, int]) -> ExpectedPoint | None:
        """A process at a point; None where it has no sample there.

        Args:
            process: One of `processes`.
            steps: Step of each parameter that is not nominal.
        """
        at = process.at(steps)
        if at is None:
            return None
        terms = tuple((n, self.sample(role)) for role, n in process.terms(at).items())
        return ExpectedPoint(
            sample=at,
            terms=terms,
            sums=tuple(
                None if (by := sample.normalised) is None else self.read(by).counts.events
                for _, sample in terms
            ),
        )

    def nominal_point(self, process: ProcessSamples) -> ExpectedPoint:
        """A process at the nominal point.

        Args:
            process: One of `processes`.
        """
        found = self.point(process, {})
        assert found is not None
        return found

    @property
    def data(self) -> ExpectedPoint | None:
        """The data, which count as they are; None if there are none."""
        sample = self.config.sample_set.data
        if sample is None:
            return None
        own = ExpectedSample(read=self.read(sample.role), factor=1.0, normalised=None)
        return ExpectedPoint(sample=sample, terms=((1, own),), sums=(None,))

    @property
    def processes(self) -> tuple[ProcessSamples, ...]:
        """What is expected, the signal first."""
        return self.config.sample_set.processes

    @property
    def nominal(self) -> tuple[ExpectedSample, ...]:
        """The nominal samples of all processes."""
        return tuple(self.sample(process.nominal.role) for process in self.processes)

    def at(self, steps: Mapping[str, int]) -> tuple[ExpectedPoint, ...]:
        """All processes at a point; at the nominal one where a process does not vary.

        Args:
            steps: Step of each parameter that is not nominal.
        """
        return tuple(
            self.point(process, steps) or self.nominal_point(process) for process in self.processes
        )

    @property
    def n_events(self) -> float:
        """Events expected in the data, of all processes."""
        return sum(sample.yields for sample in self.nominal)

    @property
    def n_independent(self) -> float:
        """Independent events among these: each once, however many rows it has."""
        return float(
            sum(sample.factor * sample.read.counts.numbers.sum() for sample in self.nominal)
        )

    @property
    def norm_names(self) -> dict[str, str]:
        """Name of the parameter for the rate of each process whose rate is not fixed."""
        return {process.name: name for process in self.processes if (name := process.norm_name)}

    @property
    def parameters(self) -> tuple[str, ...]:
        """What moves in the fits besides the bins' own factors."""
        return (*self.config.parameter_names, *self.norm_names.values())

    @property
    def joint_channels(self) -> tuple[str, ...]:
        """Names of the channels of the observables together."""
        names = self.config.observable_names
        return tuple(
            "joint"
            if len(pattern) == len(names)
            else "_".join(["joint", *(names[o] for o in pattern)])
            for pattern in self.events.joint
        )

    @property
    def observed(self) -> dict[str, NDArray[np.float64]]:
        """Events of the data in each channel, each of shape (bins,); there are data."""
        names, counts = self.config.observable_names, self.read("data").counts
        return {name: each.sum(axis=0) for name, each in zip(names, counts.channels, strict=True)}

    def redraws(self, offset: int = 0) -> NDArray[np.float64]:
        """How often each group of events comes in each replica, shape (replicas, groups).

        Args:
            offset: Another number, other replicas.
        """
        rng = generator(self.config.seed + offset, Stream.AUDIT_GROUPS)
        groups = rng.multinomial(GROUPS, np.full(GROUPS, 1.0 / GROUPS), self.config.replicas)
        return groups.astype(np.float64)

    def redrawn(self, often: NDArray[np.float64]) -> "Expected":
        """The samples with each group of events counted so often.

        Only bins of single observables know it, and not how much their contents scatter.

        Args:
            often: Shape (groups,).
        """
        samples, factors = {}, {}
        for role, read in self.events.samples.items():
            channels = tuple(often[:, None] * groups for groups in read.counts.channels)
            samples[role] = replace(read, counts=replace(read.counts, channels=channels))
        for role, by in self.normalised.items():
            factors[role] = self.factors[role]
            if by is not None:
                events = self.read(by).counts.events
                factors[role] *= events.sum() / (often @ events)
        return replace(self, events=replace(self.events, samples=samples), factors=factors)

    def halves(self) -> Iterator[tuple["Expected", "Expected"]]:
        """Both halves of the samples, each counted twice, for every way to halve them.

        See `redrawn`. The halves are balanced: the bits of a group's number.
        """
        for signs in half_signs():
            yield self.redrawn(1.0 + signs), self.redrawn(1.0 - signs)

    def histogram(self, observable: int) -> hist.Hist[Any]:
        """Expected events of one observable in every sample, with their variances.

        Args:
            observable: Its position.
        """
        described, axis = self.config.observable[observable], self.events.axes[observable]
        points = {
            sample.role: point
            for process in self.processes
            for sample in (process.nominal, *process.varied)
            if (point := self.point(process, dict(sample.point)))
        }
        roles = list(points)
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
        for i, point in enumerate(points.values()):
            histogram.values()[i] = point.template(observable)
            histogram.variances()[i] = point.variance(observable)
        return histogram

    def read(self, role: str) -> ReadSample:
        """A sample by its role."""
        return self.events.samples[role]

    def noise_in_slopes(
        self, projections: Mapping[int, NDArray[np.float64]] | None = None
    ) -> dict[str, float]:
        """Part of the sensitivity to each parameter that is noise of the templates up and down.

        The information sum of d^2 / rate, with d half the difference of two templates, has a share
        of the variance of d in it. Templates of the nominal events are left out: their noise
        cancels.

        Args:
            projections: Of the derivatives of rates in the bins of an observable, by its position,
                each of shape (bins, bins).

        Returns:
            From 0 to 1, for parameters with samples of their own.
        """
        found = {}
        for name in self.config.parameter_names:
            noise, information = 0.0, 0.0
            for o, axis in enumerate(self.events.axes):
                rates, change, variance = (np.zeros(axis.size) for _ in range(3))
                for process in self.processes:
                    rates += self.sample(process.nominal.role).template(o)
                    for role, part in _half_difference(process, name).items():
                        sample = self.sample(role)
                        change += part * sample.template(o)
                        if self.apart(process, name) and (
                            sample.read.sample.family != process.nominal.family
                            or role == process.nominal.role
                        ):
                            variance += part**2 * sample.variance(o)
                known = rates > 0
                onto = (projections or {}).get(o)
                if onto is not None:
                    change, variance = onto @ change, onto**2 @ variance
                noise += float(np.sum(variance[known] / rates[known]))
                information += float(np.sum(change[known] ** 2 / rates[known]))
            if noise:
                found[name] = noise / max(information, noise)
        return found

    def apart(self, process: ProcessSamples, name: str) -> bool:
        """Whether a process has other events than the nominal ones up and down in a parameter.

        Args:
            process: One of `processes`.
            name: Of the parameter.
        """
        families = {self.read(role).sample.family for role in _half_difference(process, name)}
        return bool(families - {process.nominal.family})

    def starved_bins(self) -> dict[str, int]:
        """Bins whose nominal templates have fewer than ten effective events, by channel.

        Returns:
            Only channels with such bins.
        """
        found = {}
        for o, name in enumerate(self.config.observable_names):
            total, square = (np.zeros(self.events.axes[o].size) for _ in range(2))
            for sample in self.nominal:
                total = total + sample.template(o)
                square = square + sample.variance(o)
            effective = np.square(total) / np.maximum(square, np.finfo(float).tiny)
            if starved := int(np.sum(effective < STARVED)):
                found[name] = starved
        return found


def _half_difference(process: ProcessSamples, name: str) -> dict[str, float]:
    """How often half the difference of up and down takes each sample with events, by role."""
    found: dict[str, float] = {}
    for side in (1, -1):
        sample = process.at({name: side})
        for role, times in process.terms(sample).items() if sample else ():
            found[role] = found.get(role, 0.0) + side * times / 2
    return found
