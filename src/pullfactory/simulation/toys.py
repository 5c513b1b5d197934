"""Toys: pseudo-experiments, drawn in blocks of fixed size from streams of their own.

Every block draws from `SeedSequence(seed, spawn_key=(stream, block))`, so toys do not depend on
how many there are, on the order of the blocks, or on who computes them; the same base normals
serve every correlation of a scan.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pullfactory.events import row_pairs
from pullfactory.random import Stream, generator
from pullfactory.settings.sections import Ensemble
from pullfactory.settings.study import Study
from pullfactory.simulation.model import EventModel, Events

_BLOCK_VALUES = 2**20  # numbers per block: 8 MB of events, near the size of a processor's cache
_BLOCK_TOYS = 256
_PADDING = 64  # a Poisson number of events is padded to a multiple: few shapes to compile for


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyBlock:
    """Toys of one block at one correlation.

    Attributes:
        theta_true: True parameters, shape (toys, parameters), in their units.
        aux: Auxiliary values of the constrained parameters, shape (toys, constrained), in units
            of one constraint width.
        events: Observed values, shape (toys, events, observables), in the observables' units.
        event_weights: What each row counts for, w; 0 for padding; shape (toys, events). None for
            ones.
        multiplicity: How many independent events each stands for, k: as often as it was drawn
            again, or a fraction where light events together are what is expected; the same for
            all rows of an event, shape (toys, events). None for ones.
        owners: Where several rows may belong to one event, the first row of the event of each,
            shape (toys, events); padding is of its own. None if every row is an event.

    A sum over rows of k w s has the covariance that independent events give it: the sum over
    events of k (sum of w s)(sum of w s)^T, with the inner sums over the rows of an event.
    """

    theta_true: NDArray[np.float64]
    aux: NDArray[np.float64]
    events: NDArray[np.float64]
    event_weights: NDArray[np.float64] | None
    multiplicity: NDArray[np.float64] | None = None
    owners: NDArray[np.intp] | None = None

    @property
    def sums(self) -> NDArray[np.float64] | None:
        """What a row adds to a sum, k w, shape (toys, events); None for ones."""
        if self.event_weights is None or self.multiplicity is None:
            return self.multiplicity if self.event_weights is None else self.event_weights
        return self.event_weights * self.multiplicity

    @property
    def variances(self) -> NDArray[np.float64] | None:
        """What it adds to the variance of a sum, k w^2; None for ones.

        The same array as `sums` where there are no weights but 0 and 1.
        """
        weights = self.event_weights
        if weights is None or np.all((weights == 0) | (weights == 1)):
            return self.sums
        squares = np.square(weights)
        return squares if self.multiplicity is None else squares * self.multiplicity

    @property
    def numbers(self) -> NDArray[np.float64]:
        """Independent events of each toy, shape (toys,): those of a weight that is not 0."""
        counted = np.ones(self.events.shape[:2])
        if self.event_weights is not None:
            counted = (self.event_weights != 0).astype(np.float64)
        if self.owners is not None:
            toy, row = np.nonzero(counted)
            counted = np.zeros_like(counted)
            counted[toy, self.owners[toy, row]] = 1.0
        if self.multiplicity is not None:
            counted *= self.multiplicity
        return np.asarray(counted.sum(axis=1))

    def row_pairs(
        self,
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]]:
        """All pairs of different rows of one event, each once, and what they add to a covariance.

        Yields:
            Of some pairs the positions of the one and of the other row in all rows of the block,
            toy by toy, and k w w'; each of shape (pairs,).
        """
        if self.owners is None:
            return
        toys, rows = self.owners.shape
        weights = None if self.event_weights is None else self.event_weights.ravel()
        often = None if self.multiplicity is None else self.multiplicity.ravel()
        for one, other in row_pairs((np.arange(toys)[:, None] * rows + self.owners).ravel()):
            product = np.ones(len(one)) if weights is None else weights[one] * weights[other]
            yield one, other, product if often is None else product * often[one]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyBase:
    """What the toys of one block have in common for every correlation.

    Attributes:
        theta_true: As in `ToyBlock`.
        aux: As in `ToyBlock`.
        event_weights: As in `ToyBlock`.
        drawn: Their events.
    """

    theta_true: NDArray[np.float64]
    aux: NDArray[np.float64]
    event_weights: NDArray[np.float64] | None
    drawn: Events

    def correlate(self, cholesky: NDArray[np.float64]) -> ToyBlock:
        """The toys at one correlation.

        Args:
            cholesky: Lower triangular factor of the correlation matrix of the observables.
        """
        return ToyBlock(
            theta_true=self.theta_true,
            aux=self.aux,
            events=self.drawn.correlate(cholesky),
            event_weights=self.event_weights,
        )


def block_size(study: Study) -> int:
    """Toys per block: memory stays bounded, and every replica of the calibration has a block.

    With one calibration it is a function of the size of a toy alone.
    """
    values = study.ensemble.n_events * len(study.observable)
    size = min(_BLOCK_TOYS, _BLOCK_VALUES // values)
    if study.calibration.replicas > 1:
        size = min(size, study.ensemble.n_toys // study.calibration.replicas)
    return max(1, size)


def draw_base(study: Study, block_index: int) -> ToyBase:
    """Draw what the toys of one block share for every correlation.

    Args:
        study: The study.
        block_index: Which block, from 0.
    """
    toys = block_size(study)
    ensemble = study.ensemble
    theta_true, aux = _draw_truth(study, block_index, toys)
    counts = _draw_counts(ensemble, study.seed, block_index, toys)
    width = int(counts.max())
    weights = None
    if ensemble.n_events_law == "poisson":
        width = -(-width // _PADDING) * _PADDING
        weights = (np.arange(width) < counts[:, None]).astype(np.float64)
    return ToyBase(
        theta_true=theta_true,
        aux=aux,
        event_weights=weights,
        drawn=EventModel.of(study).draw(theta_true, width, study.seed, block_index),
    )


def draw_toys(study: Study, block_index: int, rho: float) -> ToyBlock:
    """Draw one block of correlated toys: the poster's five steps.

    Args:
        study: The study.
        block_index: Which block, from 0; blocks have `block_size(study)` toys.
        rho: Factor of the off-diagonal part of the correlation matrix.

    Raises:
        StudyError: If the correlation matrix is not positive definite.
    """
    return draw_base(study, block_index).correlate(study.cholesky(rho))


def _draw_truth(
    study: Study, block: int, toys: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """True parameters and auxiliary data, shapes (toys, parameters) and (toys, constrained).

    A constraint is a measurement a ~ N(theta_true, 1). Either the truth moves and the
    measurement stays (`prior`), or the truth stays and the measurement moves (`fixed`). What
    moves of correlated constraints is correlated.
    """
    mean, constrained = study.truth_mean, study.constrained
    if study.ensemble.truth == "prior":
        rng = generator(study.seed, Stream.TRUTH, block)
        normal = rng.standard_normal((toys, len(mean)))
        sigma = np.array([parameter.truth_sigma for parameter in study.parameter])
        theta_true = mean + sigma * correlated_constraints(study, normal)
        aux = np.tile(mean[constrained], (toys, 1))
    else:
        rng = generator(study.seed, Stream.AUXDATA, block)
        theta_true = np.tile(mean, (toys, 1))
        normal = np.zeros((toys, len(mean)))
        normal[:, constrained] = rng.standard_normal((toys, int(constrained.sum())))
        aux = mean[constrained] + correlated_constraints(study, normal)[:, constrained]
    return theta_true, aux


def correlated_constraints(study: Study, normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal numbers with the correlation of the constraints; as they are where there is none.

    Args:
        study: With its constraints.
        normal: Independent standard normal numbers, shape (toys, parameters).
    """
    where = [study.parameter_names.index(name) for name in study.correlated]
    if not where:
        return normal
    found = normal.copy()
    root = np.linalg.cholesky(study.constraint_correlation[np.ix_(where, where)])
    found[:, where] = normal[:, where] @ root.T
    return found


def _draw_counts(ensemble: Ensemble, seed: int, block: int, toys: int) -> NDArray[np.int64]:
    """Number of events of each toy, shape (toys,)."""
    if ensemble.n_events_law == "fixed":
        return np.full(toys, ensemble.n_events)
    return generator(seed, Stream.N_EVENTS, block).poisson(ensemble.n_events, toys)
