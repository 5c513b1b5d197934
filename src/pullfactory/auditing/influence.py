"""What groups of simulated events contribute to the templates of their samples."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected
from pullfactory.auditing.tally import GROUPS
from pullfactory.settings.samples import ProcessSamples


class Side(NamedTuple):
    """A sample in the slope with respect to a parameter.

    Attributes:
        parameter: Name.
        role: Of the sample.
        family: Of the samples that have events in common with it.
        times: How often half the difference of up and down has it.
    """

    parameter: str
    role: str
    family: str
    times: float


def sides_of(process: ProcessSamples, parameter: str) -> Iterator[Side]:
    """Samples one step up and down, if the process varies with the parameter.

    Args:
        process: The process.
        parameter: Name.
    """
    families = {one.role: one.family for one in (process.nominal, *process.varied)}
    for step in (1, -1):
        if (sample := process.at({parameter: step})) is not None:
            for role, times in process.terms(sample).items():
                yield Side(parameter, role, families[role], times * step / 2)


def influence(expected: Expected, role: str) -> tuple[NDArray[np.float64], ...]:
    """What one more copy of each group of events adds to the template of a sample.

    Where the sample stands for a given number of events, more of them weigh less each.

    Args:
        expected: The samples.
        role: Of the sample.

    Returns:
        One array of shape (groups, bins) per observable.
    """
    counts, factor = expected.read(role).counts, expected.factors[role]
    part = normalised(expected, role)
    return tuple(
        factor * (groups - part[:, None] * groups.sum(axis=0)) for groups in counts.channels
    )


def normalised(expected: Expected, role: str) -> NDArray[np.float64]:
    """Part of each group in what the factor of a sample divides by.

    Args:
        expected: The samples.
        role: Of the sample.

    Returns:
        Shape (groups,); 0 where the factor does not depend on the events.
    """
    by = expected.normalised[role]
    if by is None:
        return np.zeros(GROUPS)
    events = expected.read(by).counts.events
    return np.asarray(events / events.sum())


def centred(groups: NDArray[np.float64]) -> NDArray[np.float64]:
    """Away from the mean over the groups, so that sums of squares estimate variances.

    Args:
        groups: Shape (groups, ...).
    """
    return np.asarray((groups - groups.mean(axis=0)) * np.sqrt(GROUPS / (GROUPS - 1)))
