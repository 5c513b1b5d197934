"""Toys drawn from the events themselves: the dependence of the observables is the sample's own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.model import aux_covariance
from pullfactory.auditing.templates import Expected
from pullfactory.errors import EventsError
from pullfactory.inference.information import symmetric_root
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.simulation.toys import Stream, ToyBlock, generator

__all__ = ["EventPool", "refuse_negative"]

_BLOCK_VALUES = 2**20  # numbers per block of toys: memory stays bounded
_BLOCK_TOYS = 256
_PADDING = 64  # a Poisson number of events is padded to a multiple: few shapes to compile for
_SPREAD = 6.0  # standard deviations of the number of events that there is room for at first


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventPool:
    """Nominal events of all processes, to be drawn with replacement.

    Attributes:
        values: Shape (events, observables), in their units; NaN where an event lacks one.
        cumulative: Probability to draw an event or one before it, shape (events,).
        n_events: Mean number of events of a toy.
        fixed: Whether every toy has the same number.
        scatter: Root of the covariance of the auxiliary values of the likelihood, shape (auxdata,
            auxdata).
        seed: Of the audit.
    """

    values: NDArray[np.float64]
    cumulative: NDArray[np.float64]
    n_events: float
    fixed: bool
    scatter: NDArray[np.float64]
    seed: int

    @classmethod
    def of(cls, expected: Expected, likelihood: BinnedLikelihood) -> "EventPool":
        """The pool of an audit.

        Args:
            expected: The samples.
            likelihood: Gives the auxiliary data: those of all its terms, in its order.

        Raises:
            EventsError: If an event has a negative weight, or a sample has none held apart.
        """
        refuse_negative(expected)
        values, weights = [], []
        for role in expected.nominal_roles:
            read = expected.read(role)
            if not len(read.apart):
                raise EventsError(
                    f"samples.{role}: toys.held_apart = {expected.config.toys.held_apart:g} of "
                    f"{read.check.selected} events is none; raise it, or set it to 0"
                )
            yields = expected.factors[role] * read.counts.events.sum()
            values.append(read.apart.values)
            weights.append(yields * read.apart.weights / read.apart.weights.sum())
        probability = np.concatenate(weights)
        return cls(
            values=np.concatenate(values),
            cumulative=np.cumsum(probability / probability.sum()),
            n_events=expected.n_events,
            fixed=expected.config.n_events_law == "fixed",
            scatter=symmetric_root(aux_covariance(expected, likelihood)),
            seed=expected.config.seed,
        )

    @property
    def block_size(self) -> int:
        """Toys per block, a function of the size of a toy alone."""
        values: int = max(int(self.n_events) * self.values.shape[1], 1)
        return max(1, min(_BLOCK_TOYS, _BLOCK_VALUES // values))

    def draw(self, likelihood: BinnedLikelihood, block: int) -> ToyBlock:
        """One block of toys at the nominal point of a model, with auxiliary data drawn.

        Args:
            likelihood: Gives the auxiliary data: those of all its terms, in its order.
            block: Which block, from 0.
        """
        toys = self.block_size
        truth = np.tile(likelihood.init, (toys, 1))
        normal = generator(self.seed, Stream.AUXDATA, block).standard_normal(
            (toys, len(likelihood.aux_index))
        )
        aux = truth[:, list(likelihood.aux_index)] * likelihood.aux_factor
        rng = generator(self.seed, Stream.EVENTS, block)
        if self.fixed:
            counts = np.full(toys, max(round(self.n_events), 1))
        else:
            counts = rng.poisson(self.n_events, toys)
        width = self._width(counts)
        used = np.arange(width) < counts[:, None]
        places = rng.random((toys, width))
        places[~used] = 1.0  # padding, last
        places.sort(axis=1)  # so that memory is walked through in order
        drawn = self.cumulative.searchsorted(places, side="right").clip(max=len(self.values) - 1)
        return ToyBlock(
            theta_true=truth,
            aux=aux + normal @ self.scatter,
            events=self.values[drawn],
            event_weights=None if self.fixed else used.astype(np.float64),
        )

    def _width(self, counts: NDArray[np.int_]) -> int:
        """Room for the events of a toy: nearly always the same, so that one shape is compiled."""
        if self.fixed:
            return int(counts.max())
        room = max(self.n_events + _SPREAD * np.sqrt(self.n_events), counts.max(), 1)
        return -(-int(room) // _PADDING) * _PADDING


def refuse_negative(expected: Expected) -> None:
    """Refuse to draw events by negative weights.

    Args:
        expected: The samples.

    Raises:
        EventsError: If a nominal sample has any.
    """
    for role in expected.nominal_roles:
        check = expected.read(role).check
        if check.negative:
            raise EventsError(
                f"samples.{role}: {check.negative} of {check.selected} events have negative "
                "weights, by which nothing can be drawn: no toys (the prediction needs none)"
            )
