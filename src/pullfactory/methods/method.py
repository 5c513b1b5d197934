"""A likelihood together with what it takes from a toy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory.likelihoods._likelihood import Likelihood, Observation
from pullfactory.simulation.population import Population
from pullfactory.simulation.toys import ToyBlock

__all__ = ["Method"]


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
