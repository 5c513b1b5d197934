"""The samples of all processes at one point, as one weighted mixture of events."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected, ExpectedPoint, ExpectedSample
from pullfactory.auditing.influence import normalised
from pullfactory.auditing.tally import GROUPS


class MixedEvents(NamedTuple):
    """Events of one sample in a mixture.

    Attributes:
        role: Of the sample.
        family: Of the samples that have events in common with it.
        normalised: Whether the sum of their weights is given.
        values: Shape (events, observables), in their units.
        weights: Expected events in the data for each one, shape (events,).
        keys: The same for the same event in every sample of a family, shape (events,).
    """

    role: str
    family: str
    normalised: bool
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    keys: NDArray[np.uint64]


class Mixture(NamedTuple):
    """The samples of all processes at one point.

    Attributes:
        processes: Of the data.
        expected: Gives the sums of weights by which samples are normalised.
    """

    processes: tuple[ExpectedPoint, ...]
    expected: Expected

    @property
    def mirrored(self) -> bool:
        """Whether a process is a mirror image, and has no events."""
        return any(point.sample.mirrored for point in self.processes)

    def observable(self, o: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values of one observable, with the weights of the events; no mirror images."""
        values, weights = [], []
        for sample in self._samples:
            rows = sample.read.rows
            kept = sample.read.counts.events.sum() / rows.weights.sum()
            values.append(rows.values[:, o])
            weights.append(sample.factor * kept * rows.weights)
        return np.concatenate(values), np.concatenate(weights)

    def events(self) -> Iterator[MixedEvents]:
        """The events of each sample, which have weights that add up to the data."""
        for sample in self._samples:
            rows = sample.read.rows
            yield MixedEvents(
                role=sample.read.sample.role,
                family=sample.read.sample.family,
                normalised=sample.normalised is not None,
                values=rows.values,
                weights=sample.yields * rows.weights / rows.weights.sum(),
                keys=rows.keys,
            )

    def by_family(
        self, scores: Sequence[NDArray[np.float64]]
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """What groups of each sample add to sums of weighted scores of the events.

        Args:
            scores: Of the events of all samples, in the order of `mixture`, times their weights.

        Yields:
            The family, and what is added, shape (groups, scores).
        """
        first = 0
        for sample in self._samples:
            rows = sample.read.rows
            groups = (rows.keys % np.uint64(GROUPS)).astype(np.intp)
            own = [each[first : first + len(rows)] for each in scores]
            first += len(rows)
            added = np.stack([np.bincount(groups, each, GROUPS) for each in own], axis=1)
            part = normalised(self.expected, sample.read.sample.role)
            yield sample.read.sample.family, added - part[:, None] * added.sum(axis=0)

    @property
    def _samples(self) -> list[ExpectedSample]:
        return [sample for point in self.processes for _, sample in point.terms]


def mixtures(expected: Expected) -> Iterator[tuple[NDArray[np.float64], Mixture]]:
    """The nominal point, and those one step up and down in each parameter.

    Args:
        expected: The samples.

    Yields:
        The point in steps, shape (parameters,), and its samples.
    """
    names = expected.config.parameter_names
    yield np.zeros(len(names)), Mixture(expected.at({}), expected)
    for k, name in enumerate(names):
        for side in (1, -1):
            yield side * np.eye(len(names))[k], Mixture(expected.at({name: side}), expected)
