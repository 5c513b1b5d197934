"""What a method is: a way to fit toys, and for one calibration a likelihood of what they hold."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods._likelihood import Likelihood, Observation
from pullfactory.methods.noise import ToldNoise, Untold
from pullfactory.settings.methods import Learns
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock


class FirstFit(NamedTuple):
    """A fit that comes before, at whose estimate the data are weighed.

    Attributes:
        likelihood: What is minimised, with the parameters of that of the method.
        weigh: From its estimates, shape (toys, parameters), and its observation to the observation
            that the likelihood of the method takes.
    """

    likelihood: Likelihood
    weigh: Callable[[NDArray[np.float64], Observation], Observation]


class KnownDensity(NamedTuple):
    """What is known of the joint density that a method fits; the closure judges it.

    Attributes:
        events: Of each calibration sample that it was learnt from; None if nobody knows.
        freedom: How its shape is let change with a parameter, in words; empty if nobody knows.
    """

    events: int | None = None
    freedom: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A likelihood together with what it takes from a toy.

    Attributes:
        name: As in the study file.
        likelihood: What is minimised.
        observe: From a block of toys to what the likelihood takes of them.
        scatter: From parameters, shape (toys, parameters), and the pairs of an observation to
            the covariance of the score of the events: sum_e k_e s_e s_e^T with the weighted score
            s_e of event e summed over its observables and rows, and its multiplicity k_e; shape
            (toys, parameters, parameters).
        expect: From a population to the observation of a toy without fluctuations (Asimov), with
            a toy axis of length 1; None where there is no closed form.
        aux_scatter: Covariance K over the ensemble of the score of the auxiliary data, shape
            (parameters, parameters).
        first: Fit that comes before, which `observe` and `expect` are then for; None if the
            likelihood takes what these give.
        null: Number of combinations of the observations that always have the same value and are
            left out.
        density: Of the likelihood, a `DensityLikelihood`, what is known of its density; None if
            it has none that is judged.
    """

    name: str
    likelihood: Likelihood
    observe: Callable[[ToyBlock], Observation]
    scatter: Callable[[NDArray[np.float64], Any], NDArray[np.float64]]
    expect: Callable[[Population], Observation | None]
    aux_scatter: NDArray[np.float64]
    first: FirstFit | None = None
    null: int = 0
    density: KnownDensity | None = None

    def weighed(self, theta: NDArray[np.float64], seen: Observation) -> Observation:
        """What the likelihood takes, of an observation.

        Args:
            theta: Estimates of the first fit, or values to take instead; shape (toys, parameters).
            seen: From `observe` or `expect`.
        """
        return seen if self.first is None else self.first.weigh(theta, seen)


_NOTHING = Learns()
_MARKER = r"[.,ov^<>12348spP*hH+xXDd|_]|\$[^$]+\$"  # of matplotlib


def _untold(calibration: Calibration, rho: float, theta: NDArray[np.float64]) -> ToldNoise:  # noqa: ARG001
    return Untold("the method does not tell it")


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodKind:
    """A way to fit the toys of a study; one object, in a file of its own or in another package.

    Attributes:
        name: As in the study file.
        build: From a calibration and rho to the method, which has this name.
        noise: From a calibration, rho and true values, shape (points, parameters), to what its fits
            owe to the noise of the calibration.
        learns: What calibration samples of correlated events tell it.
        independent: Whether it takes the observables as independent; then it is the same for every
            rho.
        binned: Whether it fits bins, and is drawn among the methods that do.
        workspace: Whether it fits the pyhf workspace of the study, whose closure is judged.
        density: Whether it fits a joint density, which the closure judges with held-out events; its
            `Method` says what is known of it.
        improves: Name of the method whose observables it combines optimally, if it does.
        label: For people; empty: the name, with spaces.
        colour: Of everything that belongs to it in figures, as #RRGGBB.
        marker: Of its points, a letter or sign of matplotlib's, or a formula between dollars.

    Raises:
        LikelihoodError: If the name, the colour or the marker is none.
    """

    name: str
    build: Callable[[Calibration, float], Method]
    noise: Callable[[Calibration, float, NDArray[np.float64]], ToldNoise] = _untold
    learns: Learns = _NOTHING
    independent: bool = False
    binned: bool = False
    workspace: bool = False
    density: bool = False
    improves: str = ""
    label: str = ""
    colour: str = "#009E73"
    marker: str = "D"

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", self.name):
            raise LikelihoodError(
                f"method {self.name!r} is no name: begin with a letter, go on with letters, digits "
                "and _"
            )
        if not re.fullmatch("#[0-9A-Fa-f]{6}", self.colour):
            raise LikelihoodError(
                f"method {self.name!r}: colour = {self.colour!r} is none; write it as #RRGGBB"
            )
        if not re.fullmatch(_MARKER, self.marker):
            raise LikelihoodError(
                f"method {self.name!r}: marker = {self.marker!r} is none; take a letter or sign of "
                "matplotlib's, such as 'o', or a formula between dollars"
            )
