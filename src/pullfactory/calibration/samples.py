"""Independent calibration samples: the random numbers that their events are made of."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.random import Stream, generator
from pullfactory.settings.study import Study
from pullfactory.simulation.dependence import Mixer
from pullfactory.simulation.model import EventModel


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSource:
    """Where calibration samples come from.

    Attributes:
        model: How events come to be.
        events: Of each sample.
        seed: Of the study.
        replica: Which of many independent repetitions, from 0.
    """

    model: EventModel
    events: int
    seed: int
    replica: int

    @classmethod
    def of(cls, study: Study, replica: int) -> Self:
        """That of a study.

        Args:
            study: Its true response is used to simulate.
            replica: Which of many independent repetitions, from 0.
        """
        return cls(
            model=EventModel.of(study),
            events=study.calibration.events_per_point,
            seed=study.seed,
            replica=replica,
        )

    def normals(self, sample: int) -> NDArray[np.float64]:
        """What one sample is made of: standard normals, shape (observables, events).

        Args:
            sample: Its number.
        """
        rng = (
            generator(self.seed, Stream.REPLICAS, self.replica, sample)
            if self.replica
            else generator(self.seed, Stream.CALIBRATION, sample)
        )
        return rng.standard_normal((len(self.model.families), self.events))

    def mixer(self, normals: NDArray[np.float64], sample: int, first: int) -> Mixer:
        """For a range of events of one sample, with what their observables have in common.

        Args:
            normals: Of these events, shape (observables, events).
            sample: Its number.
            first: Position of the first of them.
        """
        hidden = generator(self.seed, Stream.JOINT, self.replica, sample, first)
        return self.model.mixer(normals, hidden)
