"""How events come to be at true parameters: response, densities, dependence."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pullfactory.densities import Family
from pullfactory.errors import StudyError
from pullfactory.random import Stream, generator
from pullfactory.settings.sections import Ensemble
from pullfactory.settings.study import Study
from pullfactory.simulation.dependence import Mixer, mixer
from pullfactory.simulation.response import Response


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Events:
    """Events of some toys, for every correlation.

    Attributes:
        location: Location of each observable in each toy, shape (toys, observables).
        scale: Scale of each observable in each toy, shape (toys, observables).
        mix: From a Cholesky factor to standardised events, shape (observables, toys, events).
    """

    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    mix: Mixer

    def correlate(self, cholesky: NDArray[np.float64]) -> NDArray[np.float64]:
        """The events at one correlation, shape (toys, events, observables), in their units.

        Args:
            cholesky: Lower triangular factor of the correlation matrix of the observables.
        """
        events = self.mix(cholesky)
        events *= self.scale.T[:, :, None]
        events += self.location.T[:, :, None]
        return np.moveaxis(events, 0, -1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EventModel:
    """How events come to be at true parameters.

    Attributes:
        parameters: Names.
        observables: Names.
        response: True location and scale of the observables.
        families: Density family of each observable.
        ensemble: Says how the observables depend on each other.
    """

    parameters: tuple[str, ...]
    observables: tuple[str, ...]
    response: Response
    families: tuple[Family, ...]
    ensemble: Ensemble

    @classmethod
    def of(cls, study: Study) -> Self:
        """The truth of a study."""
        return cls(
            parameters=study.parameter_names,
            observables=study.observable_names,
            response=Response.from_study(study),
            families=study.families,
            ensemble=study.ensemble,
        )

    def mixer(self, normals: NDArray[np.float64], hidden: np.random.Generator) -> Mixer:
        """Prepare standardised events for every correlation; see `mixer`.

        Args:
            normals: Independent standard normals, shape (observables, ...).
            hidden: Draws what is common to the observables of an event.
        """
        return mixer(normals, self.families, self.ensemble, hidden)

    def place(
        self, point: NDArray[np.float64], standard: Iterable[NDArray[np.float64]]
    ) -> list[NDArray[np.float64]]:
        """Events of each observable, in its unit, from standardised ones.

        Args:
            point: True parameters, shape (parameters,), in their units.
            standard: Of each observable.
        """
        location, scale = self.response(point)
        return [location[o] + scale[o] * z for o, z in enumerate(standard)]

    def draw(self, theta: NDArray[np.float64], n_events: int, seed: int, block: int = 0) -> Events:
        """Draw events.

        Args:
            theta: True parameters of each toy, shape (toys, parameters), in their units.
            n_events: Of each toy.
            seed: Of the study.
            block: Which block of toys, from 0.

        Raises:
            StudyError: If a scale is not positive.
        """
        normals = generator(seed, Stream.EVENTS, block).standard_normal(
            (len(self.families), len(theta), n_events)
        )
        location, scale = self.response(theta)
        self._check_scale(theta, scale)
        hidden = generator(seed, Stream.HIDDEN, block)
        return Events(location=location, scale=scale, mix=self.mixer(normals, hidden))

    def _check_scale(self, theta: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        if np.all(scale > 0):
            return
        toy, observable = np.argwhere(scale <= 0)[0]
        truth = ", ".join(
            f"{name} = {value:.3g}" for name, value in zip(self.parameters, theta[toy], strict=True)
        )
        raise StudyError(
            f"observable {self.observables[observable]!r} has scale "
            f"{scale[toy, observable]:.3g} at the true value {truth}; "
            "use smaller sigma_slopes or a smaller truth_sigma"
        )
