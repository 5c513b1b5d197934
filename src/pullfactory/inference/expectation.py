"""Exact rates of a study, what a workspace makes of them, and what the exact rates themselves do.

N events instead of N_0 multiply the Poisson part of a likelihood by N / N_0; that is N / N_0 times
the likelihood of N_0 events with all constraints wider by sqrt(N / N_0).

The fit with exact rates is what the workspace is compared with: it has the same data and the same
constraints, and takes the steps of Fisher's scoring (Fisher 1925,
doi:10.1017/S0305004100009580), which needs no second derivatives of the rates.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from pullfactory._jax import jax, jit
from pullfactory.binning.edges import count_events, exact_probabilities
from pullfactory.calibration import Calibration
from pullfactory.fitting.fits import fit_toys
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.likelihoods.auxiliary import constraint_information
from pullfactory.methods import BINNED, Method, build_method
from pullfactory.random import Stream, generator
from pullfactory.settings.study import Study
from pullfactory.simulation.response import Response
from pullfactory.simulation.toys import block_size

_STEP = 1e-4  # widths of a density, for numerical derivatives
_RARE = 1e-9  # events; keeps empty bins finite
_ITERATIONS = 20
_SETTLED = 3e-3  # errors that a last step may have
_SMALL_BLOCK = 16  # toys at once below which sharing the toys' compiled fit does not pay


class ExpectationFits(NamedTuple):
    """Fits, in the order of the study's parameters.

    Attributes:
        estimate: Shape (points, parameters), in the parameters' units.
        error: Standard errors, same shape; NaN where a fit failed or ended at a bound.
    """

    estimate: NDArray[np.float64]
    error: NDArray[np.float64]

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
        likelihood = (method or build_method(BINNED, calibration)).likelihood
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
        """Rates of the model, shape (points, bins), in the order of the likelihood.

        Where the model leaves the totals of the channels free, they are the exact ones.
        """
        rates = np.asarray(_predict(self.likelihood, self._all_parameters(theta)))
        if not self.study.free_totals:
            return rates
        totals = rates @ self._channel_of_bin.T @ self._channel_of_bin
        return np.asarray(self.study.ensemble.n_events * rates / totals)

    def slopes(self, theta: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Exact rates and their derivatives, shapes (points, bins) and (points, bins, parameters).

        By differences in location and scale, which all parameters act through.
        """
        response = Response.from_study(self.study)
        location, scale = response(theta)

        moved = [location + move * scale for move in (0.0, _STEP, -_STEP, 0.0, 0.0)]
        widened = [scale * np.exp(widen) for widen in (0.0, 0.0, 0.0, _STEP, -_STEP)]
        parts = exact_probabilities(self.study, self.edges, *map(np.concatenate, (moved, widened)))
        all_rates = self.study.ensemble.n_events * self._arranged(parts)
        rates, right, left, wide, narrow = np.split(all_rates, 5)
        by_location = (right - left) / (2 * _STEP)
        by_scale = (wide - narrow) / (2 * _STEP)
        at = theta[:, None, :]
        moves = response.mu_slopes / (1.0 + response.mu_slopes * at)
        moves *= (location / scale)[:, :, None]
        widens = response.sigma_slopes / (1.0 + response.sigma_slopes * at)
        o = self._observable_of_bin
        slopes = by_location[:, :, None] * moves[:, o] + by_scale[:, :, None] * widens[:, o]
        return rates, slopes

    def data_at(self, aux: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Data with auxiliary values, shape (points, bins + auxdata).

        Args:
            aux: Of each parameter, shape (points, parameters), in its unit; what has no constraint
                is not looked at.
            counts: Shape (points, bins), in the order of the likelihood.
        """
        likelihood = self.likelihood
        values = self._all_parameters(aux)[:, list(likelihood.aux_index)] * likelihood.aux_factor
        return np.concatenate([counts, values], axis=1)

    @property
    def penalty(self) -> NDArray[np.float64]:
        """Information of the workspace's constraints, shape (parameters, parameters)."""
        return constraint_information(self.likelihood)[np.ix_(self.positions, self.positions)]

    def fit(self, data: NDArray[np.float64], n_events: float | None = None) -> ExpectationFits:
        """Fit data with the workspace, in batches of one size: that of the toys' compiled fit.

        Args:
            data: From `data_at`.
            n_events: Events per toy, of which the data are scaled to the study's; None for the
                study's.
        """
        ratio = self._ratio(n_events)
        likelihood = replace(self.likelihood, aux_sigma=self.likelihood.aux_sigma * np.sqrt(ratio))
        block = 1 << (block_size(self.study) - 1).bit_length()
        size = min(block if block >= _SMALL_BLOCK else likelihood.batch, likelihood.batch)
        estimates, errors = [], []
        for first in range(0, len(data), size):
            chosen = np.arange(first, first + size).clip(max=len(data) - 1)
            fits = fit_toys(likelihood, data[chosen], recover=False)
            estimates.append(fits.estimate)
            errors.append(fits.error)
        estimate, error = (np.concatenate(parts)[: len(data)] for parts in (estimates, errors))
        at = self.positions
        return ExpectationFits(estimate[:, at], error[:, at] / np.sqrt(ratio))

    def fit_exactly(
        self,
        aux: NDArray[np.float64],
        counts: NDArray[np.float64],
        start: NDArray[np.float64],
        n_events: float | None = None,
    ) -> ExpectationFits:
        """Fit data with the exact rates.

        Args:
            aux: As in `data_at`.
            counts: As in `data_at`.
            start: Where the fits begin, shape (points, parameters).
            n_events: As in `fit`.
        """
        ratio, penalty = self._ratio(n_events), self.penalty
        low, high = self.study.bounds.T
        at = start.copy()
        for _ in range(_ITERATIONS):
            rates, slopes = self.slopes(at)
            per_rate = slopes / np.maximum(rates, _RARE)[:, :, None]
            gradient = ratio * np.einsum("pbk,pb->pk", per_rate, counts - rates)
            gradient -= (at - aux) @ penalty
            information = ratio * per_rate.transpose(0, 2, 1) @ slopes + penalty
            covariance = np.linalg.pinv(information, hermitian=True)
            error = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
            step = np.einsum("pkl,pl->pk", covariance, gradient)
            length = np.abs(step / error).max(axis=1)
            moved = at + step / np.maximum(length, 1.0)[:, None]
            inside = self.possible(moved) & ((moved > low) & (moved < high)).all(axis=1)
            at = np.where(inside[:, None], moved, at)
            if np.all(length < _SETTLED):
                break
        settled = (length < _SETTLED) & inside
        return ExpectationFits(at, np.where(settled[:, None], error, np.nan))

    def _ratio(self, n_events: float | None) -> float:
        events = self.study.ensemble.n_events
        return (n_events or events) / events

    @property
    def _channel_of_bin(self) -> NDArray[np.float64]:
        """1 for the bins of a channel, shape (channels, bins)."""
        sizes = [bins for _, bins in self.likelihood.channels]
        return np.repeat(np.eye(len(sizes)), sizes, axis=1)

    @property
    def _observable_of_bin(self) -> NDArray[np.int_]:
        """Position of its observable in the study, shape (bins,)."""
        names = self.study.observable_names
        found = [(names.index(name), bins) for name, bins in self.likelihood.channels]
        return np.repeat(*np.array(found).T)

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


def normal_points(seed: int, power: int, dimensions: int) -> NDArray[np.float64]:
    """Evenly spread standard normal points, shape (2^power, dimensions).

    A scrambled sequence of Sobol (Owen 1995, doi:10.1007/978-1-4612-2552-2_19), so that its first
    2^n points are evenly spread too.

    Args:
        seed: Of the study.
        power: Of two.
        dimensions: Of a point.
    """
    rng = generator(seed, Stream.CLOSURE, 1)
    return np.asarray(ndtri(qmc.Sobol(dimensions, rng=rng).random_base2(power)))


@jit
def _predict(likelihood: BinnedLikelihood, theta: jax.Array) -> jax.Array:
    return jax.vmap(likelihood.expected)(theta)
