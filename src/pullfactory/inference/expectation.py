"""Fits of exact expectations: what a morphing does to the pulls, without toys.

A toy of truth theta has counts n = nu(theta) + noise, nu the exact rates. Its estimate is that of
the fit to nu, moved by the noise: to first order

    theta_hat = theta_A(theta) + H^-1 s,    Cov(s) = H - P,

with H the observed information of the fit to nu, and P its part from the constraints, a diagonal
(Cowan, Cranmer, Gross and Vitells 2011, arXiv:1007.1727, section 3.2, for the data without noise;
Wald 1943, doi:10.1090/S0002-9947-1943-0012401-3, for the expansion). With V = H^-1 and
p_k(theta) = (theta_A - theta)_k / sqrt(V_kk) the pulls at rho = 0 have

    mean_k    = E[p_k]
    width_k^2 = Var(p_k) + E[1 - sum_j V_kj^2 P_j / V_kk],

over the truth of the ensemble. What the truth, drawn, and the auxiliary data, held, do to the
pulls is in Var(p_k); where truth is held and auxiliary data are drawn, P_j is 0 in the sum for the
parameters whose data are. A morphing that closes has theta_A = theta but for its constraints,
which pull by - V P (theta - its centre): then Var(p_k) is sum_j (V_kj P_j s_j)^2 / V_kk, with s_j
the width of the truth. Terms of order 1 / sqrt(events) are left out: the bias and the fluctuating
errors of maximum likelihood itself. (A fixed number of events takes nothing from Cov(s) as long as
the model keeps the number of events.)

N events instead of N_0 multiply the Poisson part by N / N_0; that is N / N_0 times the likelihood
of N_0 events with all constraints wider by sqrt(N / N_0).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from pullfactory._jax import jax, jit
from pullfactory.calibration import Calibration
from pullfactory.calibration.binning import count_events, exact_probabilities
from pullfactory.inference.fits import fit_toys
from pullfactory.likelihoods import BinnedLikelihood, Method, build_method
from pullfactory.simulation.response import Response
from pullfactory.simulation.toys import Stream, block_size, generator
from pullfactory.study import Study

__all__ = ["ExpectationFits", "Expectations", "normal_points"]

_SMALL_BLOCK = 16  # toys at once below which sharing the toys' compiled fit does not pay


class ExpectationFits(NamedTuple):
    """Fits of exact expectations, in the order of the study's parameters.

    Attributes:
        estimate: Shape (points, parameters), in the parameters' units.
        error: Standard errors, same shape; NaN where a fit failed or ended at a bound.
        noise: Variance of the pulls from what is drawn besides the truth, same shape.
        shrinkage: Variance of the pulls from the truth that a closing morphing has, same shape.
    """

    estimate: NDArray[np.float64]
    error: NDArray[np.float64]
    noise: NDArray[np.float64]
    shrinkage: NDArray[np.float64]

    def pull(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Estimate - truth in units of the error, shape (points, parameters).

        Args:
            theta: The truth, same shape.
        """
        return np.asarray((self.estimate - theta) / self.error)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expectations:
    """The binned model of a study, and the exact expectation of what it is fitted to.

    Attributes:
        study: Gives truth and ensemble.
        edges: Bin edges of each observable, in its unit; the outermost bins are open.
        likelihood: What the toys are fitted with.
        positions: Where the study's parameters are among those of the likelihood.
    """

    study: Study
    edges: tuple[NDArray[np.float64], ...]
    likelihood: BinnedLikelihood
    positions: NDArray[np.int_]

    @classmethod
    def of(cls, calibration: Calibration, method: Method | None = None) -> Self:
        """Those of a calibrated study.

        Args:
            calibration: Gives bins and templates.
            method: `binned` of this calibration, if it is there already.
        """
        likelihood = (method or build_method("binned", calibration)).likelihood
        assert isinstance(likelihood, BinnedLikelihood)
        study = calibration.study
        positions = [likelihood.positions(name)[0] for name in study.parameter_names]
        return cls(
            study=study,
            edges=calibration.edges,
            likelihood=likelihood,
            positions=np.array(positions),
        )

    def possible(self, theta: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Where the truth can be: scales are positive, parameters within their bounds.

        Args:
            theta: Shape (points, parameters), in the parameters' units; also below.
        """
        low, high = self.study.bounds.T
        _, scale = Response.from_study(self.study)(theta)
        return np.asarray((scale > 0).all(axis=1) & ((theta > low) & (theta < high)).all(axis=1))

    def exact(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rates from the densities, shape (points, bins), in the order of the likelihood."""
        location, scale = Response.from_study(self.study)(theta)
        parts = exact_probabilities(self.study, self.edges, location, scale)
        return self.study.ensemble.n_events * self._arranged(parts)

    def simulated(self, theta: NDArray[np.float64], events: int) -> NDArray[np.float64]:
        """Rates from independent samples, shape (points, bins), in the order of the likelihood.

        Args:
            theta: As above.
            events: In each sample.
        """
        location, scale = Response.from_study(self.study)(theta)
        parts = tuple(np.empty((len(theta), len(edges) - 1)) for edges in self.edges)
        for point in range(len(theta)):
            rng = generator(self.study.seed, Stream.CLOSURE, 2 + point)
            for o, member in enumerate(self.study.families):
                sample = location[point, o] + scale[point, o] * member.sample(rng, events)
                parts[o][point] = count_events(sample[None], self.edges[o])[0] / events
        return self.study.ensemble.n_events * self._arranged(parts)

    def predicted(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rates of the model, shape (points, bins), in the order of the likelihood."""
        return np.asarray(_predict(self.likelihood, self._all_parameters(theta)))

    def data_at(
        self, theta: NDArray[np.float64], rates: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Data whose auxiliary values are those of the truth, shape (points, bins + auxdata)."""
        likelihood = self.likelihood
        aux = self._all_parameters(theta)[:, list(likelihood.aux_index)] * likelihood.aux_factor
        return np.concatenate([rates, aux], axis=1)

    def data_of_toys(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Data whose auxiliary values are the mean of those of the toys, same shape."""
        likelihood = self.likelihood
        centre = {p.name: p.truth_mean for p in self.study.parameter if p.constraint == "normal"}
        split = np.cumsum([bins for _, bins in likelihood.channels])[:-1]
        names = [name for name, _ in likelihood.channels]
        channels = dict(zip(names, np.split(rates, split, axis=1), strict=True))
        return likelihood.data(
            channels, {name: np.full(len(rates), value) for name, value in centre.items()}
        )

    def fit(self, data: NDArray[np.float64], n_events: float | None = None) -> ExpectationFits:
        """Fit expectations, in batches of one size: that of the toys, whose compiled fit it is.

        Args:
            data: From `data_at` or `data_of_toys`.
            n_events: Events per toy; None for the study's.
        """
        events = self.study.ensemble.n_events
        ratio = (n_events or events) / events
        likelihood = replace(self.likelihood, aux_sigma=self.likelihood.aux_sigma * np.sqrt(ratio))
        block = 1 << (block_size(self.study) - 1).bit_length()
        size = min(block if block >= _SMALL_BLOCK else likelihood.batch, likelihood.batch)
        estimates, covariances = [], []
        for first in range(0, len(data), size):
            chosen = np.arange(first, first + size).clip(max=len(data) - 1)
            fits = fit_toys(likelihood, data[chosen], recover=False)
            estimates.append(fits.estimate)
            covariances.append(fits.covariance)
        estimate, covariance = (
            np.concatenate(parts)[: len(data)] for parts in (estimates, covariances)
        )
        return self._of_study(estimate, covariance / ratio)

    def _of_study(
        self, estimate: NDArray[np.float64], covariance: NDArray[np.float64]
    ) -> ExpectationFits:
        """Variances of the pulls; the sums of the module's text, for the study's parameters."""
        at = self.positions
        likelihood, study = self.likelihood, self.study
        prior = study.ensemble.truth == "prior"
        curvature = np.zeros(len(likelihood.names))
        np.add.at(
            curvature,
            list(likelihood.aux_index),
            likelihood.aux_used * np.square(likelihood.aux_factor / likelihood.aux_sigma),
        )
        drawn = np.zeros(len(curvature), dtype=bool)
        drawn[at] = study.constrained & (not prior)
        spread = np.zeros(len(curvature))
        spread[at] = [p.truth_sigma if prior else 0.0 for p in study.parameter]
        rows = np.nan_to_num(covariance[:, at])  # parameters at a bound or fixed do not move
        variance = np.diagonal(covariance, axis1=1, axis2=2)[:, at]
        return ExpectationFits(
            estimate=estimate[:, at],
            error=np.sqrt(variance),
            noise=1.0 - rows**2 @ np.where(drawn, 0.0, curvature) / variance,
            shrinkage=rows**2 @ np.square(curvature * spread) / variance,
        )

    def _all_parameters(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameters of the likelihood, those beyond the study's at their initial values."""
        full = np.tile(self.likelihood.init, (len(theta), 1))
        full[:, self.positions] = theta
        return full

    def _arranged(self, parts: tuple[NDArray[np.float64], ...]) -> NDArray[np.float64]:
        """Bins of all observables, which come in the study's order, side by side."""
        names = self.study.observable_names
        ordered = [parts[names.index(name)] for name, _ in self.likelihood.channels]
        return np.concatenate(ordered, axis=1)


def normal_points(study: Study, power: int) -> NDArray[np.float64]:
    """Evenly spread standard normal points, shape (2^power, parameters).

    A scrambled sequence of Sobol (Owen 1995, doi:10.1007/978-1-4612-2552-2_19), so that its first
    2^n points are evenly spread too.

    Args:
        study: Gives the seed.
        power: Of two.
    """
    rng = generator(study.seed, Stream.CLOSURE, 1)
    return np.asarray(ndtri(qmc.Sobol(len(study.parameter), rng=rng).random_base2(power)))


@jit
def _predict(likelihood: BinnedLikelihood, theta: jax.Array) -> jax.Array:
    return jax.vmap(likelihood.expected)(theta)
