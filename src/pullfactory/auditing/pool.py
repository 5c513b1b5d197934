"""Toys drawn from the events themselves: the dependence of the observables is the sample's own."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.reading import SampleCheck
from pullfactory.errors import EventsError
from pullfactory.events import first_rows
from pullfactory.fitting.information import symmetric_root
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.random import Stream, generator
from pullfactory.simulation.toys import ToyBlock

_BLOCK_VALUES = 2**20  # numbers per block of toys: memory stays bounded
_BLOCK_TOYS = 256
_PADDING = 64  # a Poisson number of events is padded to a multiple: few shapes to compile for
_SPREAD = 6.0  # standard deviations of the number of events that there is room for at first


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventPool:
    """Nominal events of all processes, to be drawn with replacement.

    Attributes:
        values: Shape (rows, observables), in their units; NaN where an event lacks one.
        cumulative: Probability to draw an event or one before it, shape (events,).
        first: First row of each event, and the number of rows at the end, shape (events + 1,);
            None where every row is an event.
        n_events: Mean number of events of a toy.
        fixed: Whether every toy has the same number.
        scatter: Root of the covariance of the auxiliary values of the likelihood, shape (auxdata,
            auxdata).
        seed: Of the audit.
    """

    values: NDArray[np.float64]
    cumulative: NDArray[np.float64]
    first: NDArray[np.intp] | None
    n_events: float
    fixed: bool
    scatter: NDArray[np.float64]
    seed: int

    @classmethod
    def of(cls, model: AuditModel) -> "EventPool":
        """The pool of an audit.

        Args:
            model: Gives the samples, and the auxiliary data: those of all terms of its likelihood,
                in its order.

        Raises:
            EventsError: If an event has a negative weight, or a sample has none held apart.
        """
        expected, config = model.expected, model.expected.config
        refuse_negative(sample.read.check for sample in expected.nominal)
        values, weights, keys = [], [], []
        for sample in expected.nominal:
            read = sample.read
            if not len(read.apart):
                raise EventsError(
                    f"samples.{read.check.role}: toys.held_apart = {config.toys.held_apart:g} of "
                    f"{read.check.selected} events is none; raise it, or set it to 0"
                )
            yields = sample.factor * read.counts.events.sum()
            values.append(read.apart.values)
            keys.append(read.apart.keys)
            weights.append(yields * read.apart.weights / read.apart.weights.sum())
        probability, n_events, first = np.concatenate(weights), expected.n_events, None
        if config.repeated == "cluster":
            rows = len(probability)
            first = np.flatnonzero(first_rows(np.concatenate(keys)) == np.arange(rows))
            probability = probability[first]
            n_events, first = float(probability.sum()), np.append(first, rows)
        return cls(
            values=np.concatenate(values),
            cumulative=np.cumsum(probability / probability.sum()),
            first=first,
            n_events=n_events,
            fixed=config.n_events_law == "fixed",
            scatter=symmetric_root(model.aux_covariance),
            seed=config.seed,
        )

    @property
    def block_size(self) -> int:
        """Toys per block, a function of the size of a toy alone."""
        rows = 1.0 if self.first is None else self._rows_of_event[0]
        values: int = max(int(self.n_events * rows) * self.values.shape[1], 1)
        return max(1, min(_BLOCK_TOYS, _BLOCK_VALUES // values))

    def draw(self, likelihood: BinnedLikelihood, block: int) -> ToyBlock:
        """One block of toys at the nominal point of a model, with auxiliary data drawn.

        Args:
            likelihood: Gives the auxiliary data: those of all its terms, in its order.
            block: Which block, from 0.
        """
        toys = self.block_size
        truth = np.tile(likelihood.init, (toys, 1))
        normal = generator(self.seed, Stream.AUDIT_AUXDATA, block).standard_normal(
            (toys, len(likelihood.aux_index))
        )
        aux = truth[:, list(likelihood.aux_index)] * likelihood.aux_factor
        rng = generator(self.seed, Stream.AUDIT_EVENTS, block)
        if self.fixed:
            counts = np.full(toys, max(round(self.n_events), 1))
        else:
            counts = rng.poisson(self.n_events, toys)
        width = self._width(counts)
        used = np.arange(width) < counts[:, None]
        places = rng.random((toys, width))
        places[~used] = 1.0  # padding, last
        places.sort(axis=1)  # so that memory is walked through in order
        last = len(self.cumulative) - 1
        drawn = self.cumulative.searchsorted(places, side="right").clip(max=last)
        aux = aux + normal @ self.scatter
        if self.first is not None:
            return self._unfolded(truth, aux, drawn, used)
        return ToyBlock(
            theta_true=truth,
            aux=aux,
            events=self.values[drawn],
            event_weights=None if self.fixed else used.astype(np.float64),
        )

    def _unfolded(
        self,
        truth: NDArray[np.float64],
        aux: NDArray[np.float64],
        drawn: NDArray[np.intp],
        used: NDArray[np.bool_],
    ) -> ToyBlock:
        """Toys of the rows of the events drawn."""
        assert self.first is not None
        toy, event = np.nonzero(used)[0], drawn[used]
        rows = np.diff(self.first)[event]
        ends = np.cumsum(rows)
        total = np.bincount(toy, rows, len(drawn)).astype(np.intp)
        starts = np.cumsum(total) - total  # of each toy, in all rows
        within = np.arange(ends[-1]) - np.repeat(ends - rows, rows)  # of the event
        which = np.repeat(toy, rows)
        place = np.arange(ends[-1]) - starts[which]
        mean, square = self._rows_of_event
        room = self.n_events * mean + _SPREAD * np.sqrt(self.n_events * square)
        width = -(-int(max(room, total.max())) // _PADDING) * _PADDING
        events = np.tile(self.values[:1], (len(drawn), width, 1))
        events[which, place] = self.values[np.repeat(self.first[event], rows) + within]
        owners = np.tile(np.arange(width), (len(drawn), 1))
        owners[which, place] = place - within
        return ToyBlock(
            theta_true=truth,
            aux=aux,
            events=events,
            event_weights=(np.arange(width) < total[:, None]).astype(np.float64),
            owners=owners,
        )

    @property
    def _rows_of_event(self) -> tuple[float, float]:
        """Mean of the number of rows of an event that is drawn, and of its square."""
        assert self.first is not None
        rows, probability = np.diff(self.first), np.diff(self.cumulative, prepend=0.0)
        return float(rows @ probability), float(rows**2 @ probability)

    def _width(self, counts: NDArray[np.int_]) -> int:
        """Room for the events of a toy: nearly always the same, so that one shape is compiled."""
        if self.fixed:
            return int(counts.max())
        room = max(self.n_events + _SPREAD * np.sqrt(self.n_events), counts.max(), 1)
        return -(-int(room) // _PADDING) * _PADDING


def refuse_negative(nominal: Iterable[SampleCheck]) -> None:
    """Refuse to draw events by negative weights.

    Args:
        nominal: What was seen in the nominal samples.

    Raises:
        EventsError: If one has any.
    """
    for check in nominal:
        if check.negative:
            raise EventsError(
                f"samples.{check.role}: {check.negative} of {check.selected} events have negative "
                "weights, by which nothing can be drawn: no toys (the prediction needs none)"
            )
