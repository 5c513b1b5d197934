"""What events say of a workspace: pairs of bins, and errors that know of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pullfactory.sharing.filled import Filled
from pullfactory.sharing.gammas import gamma_covariance
from pullfactory.sharing.pairs import Factors, factor_errors, factors, joint_counts
from pullfactory.sharing.point import Point
from pullfactory.sharing.raking import raked, scaled
from pullfactory.sharing.templates import templates_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What one kind of events says: those of the data, or simulated ones.

    Attributes:
        events: With weights that make the rates of the point; as they are for data.
        joint: Covariance of the counts beside its diagonal, shape (bins, bins).
        counts: Errors with events of the data shared.
        whole: The same with simulated events shared too; of data the same as `counts`.
        error: Of the factors of `whole`, shape (parameters,).
        gammas: Covariance of the scores of gammas beside its diagonal; 0 of data, which do not know
            of it. Shape (parameters, parameters).
    """

    events: Filled
    joint: NDArray[np.float64]
    counts: Factors
    whole: Factors
    error: NDArray[np.float64]
    gammas: NDArray[np.float64]

    @classmethod
    def of_data(cls, point: Point, events: Filled) -> Self:
        """What the pairs of the data say.

        Args:
            point: Of the workspace.
            events: Of the data.
        """
        joint = joint_counts(events)
        found = factors(point, joint)
        error = factor_errors(point, joint, events, found, found, simulated=False)
        none = np.zeros_like(point.inverse)
        return cls(events=events, joint=joint, counts=found, whole=found, error=error, gammas=none)

    @classmethod
    def of_simulation(
        cls,
        point: Point,
        simulated: Mapping[str, Filled],
        rates: Mapping[str, NDArray[np.float64]],
        target: NDArray[np.float64],
        gammas: NDArray[np.float64],
    ) -> Self:
        """What simulated pairs say, scaled to the rates of the point, sample by sample first.

        Args:
            point: Of the workspace.
            simulated: Events of each sample, with the weights of the templates.
            rates: Of each sample at the point.
            target: Rate that they stand for in each bin, shape (bins,).
            gammas: From `gamma_covariance`.
        """
        each = [scaled(matrix, rates[name], point.channel) for name, matrix in simulated.items()]
        stacked = sparse.vstack(each, format="csr")
        events = raked(stacked, target, point.channel)
        joint = joint_counts(events)
        counts, whole = factors(point, joint), factors(point, joint, gammas)
        error = factor_errors(point, joint, events, whole, counts, simulated=True)
        return cls(
            events=events, joint=joint, counts=counts, whole=whole, error=error, gammas=gammas
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What events say of the errors of a workspace.

    Attributes:
        data: Of the data, or None.
        simulated: Of simulation, samples without events taken to be like the others; or None.
        alone: The same with samples without events sharing none; None if there are no such.
        without: Samples without events, in the order of the workspace.
    """

    data: Answer | None
    simulated: Answer | None
    alone: Answer | None
    without: tuple[str, ...]

    @property
    def withheld(self) -> "Answers":
        """None of them, where the workspace does not fit its observations."""
        return Answers(data=None, simulated=None, alone=None, without=self.without)

    @property
    def best(self) -> Answer | None:
        """The one that is quoted: of simulation, which knows of gammas too, else of data."""
        return self.simulated or self.data


def find_answers(
    point: Point,
    workspace: Mapping[str, Any],
    data: Filled | None,
    simulated: Mapping[str, Filled],
    gammas: Mapping[int, int],
    rates: Mapping[str, NDArray[np.float64]],
) -> Answers:
    """What events say of the errors of a workspace.

    Args:
        point: Of the workspace.
        workspace: Its content.
        data: Events of the data, or None.
        simulated: Events of each sample that has some.
        gammas: Bin of each gamma, from `gamma_bins`.
        rates: Of each sample that has events at the point, from `sample_rates`.
    """
    names = [name for name in templates_of(workspace) if name != "data"]
    without = tuple(name for name in names if name not in simulated) if simulated else ()
    of_data = None if data is None else Answer.of_data(point, data)
    of_simulation = alone = None
    if simulated:
        scores = gamma_covariance(point, workspace, simulated, gammas)
        of_simulation = Answer.of_simulation(point, simulated, rates, point.rates, scores)
        if without:
            part = np.sum([rates[name] for name in simulated], axis=0)
            alone = Answer.of_simulation(point, simulated, rates, part, scores)
    return Answers(data=of_data, simulated=of_simulation, alone=alone, without=without)
