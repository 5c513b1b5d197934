"""Events of one true theta as a distribution, where it is known in closed form.

With Gaussian marginals, or a Gaussian copula, the normal scores of the observables are
multivariate normal: moments and probabilities of bins follow without drawing an event.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pullfactory.binning.bivariate import bin_probabilities
from pullfactory.densities import Family
from pullfactory.settings.study import Study
from pullfactory.simulation.response import Response


class Population(NamedTuple):
    """What the events of toys with one true theta are distributed like.

    Attributes:
        families: Density family of each observable.
        location: Shape (observables,), in the observables' units.
        scale: Same shape and units.
        correlation: Of the normal scores, shape (observables, observables).
        n_events: Mean number of events of a toy.
        aux: Auxiliary values of the constrained parameters, shape (constrained,).
    """

    families: tuple[Family, ...]
    location: NDArray[np.float64]
    scale: NDArray[np.float64]
    correlation: NDArray[np.float64]
    n_events: int
    aux: NDArray[np.float64]

    @classmethod
    def of(cls, study: Study, rho: float) -> Self | None:
        """The events at the centre of the truth; None where there is no closed form.

        Args:
            study: The study.
            rho: Factor of the off-diagonal part of the correlation matrix.
        """
        if not study.has_normal_scores:
            return None
        location, scale = Response.from_study(study)(study.truth_mean)
        return cls(
            families=study.families,
            location=np.asarray(location),
            scale=np.asarray(scale),
            correlation=study.correlation(rho),
            n_events=study.ensemble.n_events,
            aux=study.truth_mean[study.constrained],
        )

    def normal_scores(self, observable: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What values of an observable are on the scale of standard normals.

        Args:
            observable: Position.
            values: In its unit.
        """
        z = (values - self.location[observable]) / self.scale[observable]
        member = self.families[observable]
        return z if member.sufficient else np.asarray(ndtri(member.cdf(z)))

    def bin_probabilities(
        self, pair: tuple[int, int], edges: tuple[NDArray[np.float64], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Joint probabilities of the bins of two observables; the outermost bins are open.

        Args:
            pair: Positions of the observables.
            edges: Bin edges of each, in its unit.

        Returns:
            Shape (bins of the first, bins of the second).
        """
        first, second = (
            self.normal_scores(o, cuts[1:-1]) for o, cuts in zip(pair, edges, strict=True)
        )
        rows = np.tile(second, (len(first) + 1, 1))
        found = bin_probabilities(first, rows, float(self.correlation[pair]))
        return found.reshape(len(first) + 1, len(second) + 1)
