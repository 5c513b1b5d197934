"""What a method is: a way to fit toys, and for one calibration a likelihood of what they hold."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.calibration import Calibration
from pullfactory.errors import LikelihoodError
from pullfactory.likelihoods._likelihood import Likelihood, Observation
from pullfactory.methods.noise import ToldNoise, Untold
from pullfactory.settings.methods import Learns
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock


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
    """

    name: str
    likelihood: Likelihood
    observe: Callable[[ToyBlock], Observation]
    scatter: Callable[[NDArray[np.float64], Any], NDArray[np.float64]]
    expect: Callable[[Population], Observation | None]
    aux_scatter: NDArray[np.float64]


_NOTHING = Learns()


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
        label: For people; empty: the name, with spaces.
        colour: Of everything that belongs to it in figures, as #RRGGBB.
        marker: Of its points.

    Raises:
        LikelihoodError: If the name or the colour is none.
    """

    name: str
    build: Callable[[Calibration, float], Method]
    noise: Callable[[Calibration, float, NDArray[np.float64]], ToldNoise] = _untold
    learns: Learns = _NOTHING
    independent: bool = False
    binned: bool = False
    workspace: bool = False
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
