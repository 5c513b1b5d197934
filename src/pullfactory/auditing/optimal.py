"""The optimal combination of an audit's observables, beside their product.

It is fitted to data and toys after the product, at whose estimate its weights are taken;
`likelihoods.optimal` has the formulas. Its error is its own, and the event-paired sandwich of the
combined score a check of it. Twice the minimum is a chi-square of what is combined: a goodness of
fit, with the noise of the nominal templates in its covariance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from pullfactory._jax import jnp
from pullfactory.auditing.densities import UnbinnedModel, learn_unbinned
from pullfactory.auditing.linear_fit import LinearFit
from pullfactory.auditing.measurement import data_block, in_units, unbinned_obstacle
from pullfactory.auditing.model import AuditModel
from pullfactory.auditing.optimal_counts import OptimalCounts
from pullfactory.auditing.optimal_linear import OptimalNoise, combined_fit
from pullfactory.auditing.optimal_rows import OptimalFit, OptimalRow, OptimalWeight
from pullfactory.auditing.optimal_weights import optimal_weights
from pullfactory.auditing.scatter import template_scatter
from pullfactory.auditing.unbinned_fit import ScorePlaces, linear_unbinned
from pullfactory.errors import LikelihoodError
from pullfactory.fitting import FitBatch, FitStatus, fit_events
from pullfactory.fitting.sandwich import fit_observation, sandwich_covariance
from pullfactory.likelihoods._likelihood import Observation
from pullfactory.likelihoods.channels import PairCounts
from pullfactory.likelihoods.optimal import Directions, OptimalData, OptimalLikelihood
from pullfactory.methods import Method
from pullfactory.methods.binned_optimal import BINNED_OPTIMAL
from pullfactory.methods.unbinned_optimal import (
    UNBINNED_OPTIMAL,
    combined_densities,
    density_combination,
    density_directions,
)
from pullfactory.simulation.toys import ToyBlock

_EVENTS = 50  # simulated, for each direction: the noise of fewer looks like information


@dataclass(frozen=True, kw_only=True, eq=False)
class OptimalModel:
    """One optimal combination.

    Attributes:
        audit: The samples.
        method: The fit.
        directions: What it combines.
        units: Of the parameters of the fit, shape (parameters,).
        positions: Where the parameters that are shown are among those.
        linear: The product around the nominal point.
        change: From its values to what is combined, shape (elements, values).
        weight: Inverse covariance of what is combined, shape (elements, elements).
        template: Covariance of that over new nominal templates, same shape.
    """

    audit: AuditModel
    method: Method
    directions: Directions
    units: NDArray[np.float64]
    positions: Sequence[int]
    linear: LinearFit
    change: NDArray[np.float64]
    weight: NDArray[np.float64]
    template: NDArray[np.float64]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Those that are shown."""
        names = self.method.likelihood.parameters
        return tuple(names[k] for k in self.positions)

    def fit(self, block: ToyBlock) -> FitBatch:
        """Fit every toy of a block, in the units of the parameters that are shown.

        Args:
            block: Toys.
        """
        return self._shown(fit_events(self.method, block))

    def tell(self, product: Mapping[str, float]) -> OptimalFit:
        """What is expected of it, and its fit of the data, if there are any.

        Args:
            product: Actual errors of the product by parameter.

        Raises:
            CalibrationError: If the parameters are not determined.
        """
        kept = np.flatnonzero(~self.method.likelihood.fixed)
        fit = combined_fit(self.linear, self.weight, self.template, kept, self.change)
        at = [int(np.flatnonzero(kept == k)[0]) for k in self.positions]
        noise, claimed = OptimalNoise.of(fit, at), np.sqrt(np.diag(fit.claimed))[at]
        rows = tuple(
            OptimalRow(
                parameter=name,
                claimed_error=float(claimed[i]),
                product_error=_finite(product[name]),
                template_noise=_finite(noise.template_noise[i]),
                slope=_finite(noise.slope[i]),
                slope_error=_finite(noise.slope_error[i]),
                whole_error=_finite(noise.whole_error[i]),
                calibrated_error=_finite(noise.calibrated_error[i]),
            )
            for i, name in enumerate(self.parameters)
        )
        found = OptimalFit(
            method=self.method.name,
            reason=None,
            elements=self.directions.number,
            null=self.directions.null,
            rows=rows,
            weights=self._weights(),
        )
        seen = self._data()
        return found if seen is None else self._measured(found, seen)

    def _weights(self) -> tuple[OptimalWeight, ...]:
        likelihood = self.method.likelihood
        assert isinstance(likelihood, OptimalLikelihood)
        return optimal_weights(
            likelihood,
            self.weight,
            self.change @ self.linear.slopes,
            self.linear.penalty,
            self.audit.expected.config.observable_names,
            self.positions,
        )

    def _shown(self, fits: FitBatch) -> FitBatch:
        return in_units(fits, self.units).select(self.parameters)

    def _data(self) -> Observation | None:
        """The data as the product takes them; None where there are none that it can take."""
        expected = self.audit.expected
        if expected.config.sample_set.data is None:
            return None
        read = expected.read("data")
        if self.method.name == BINNED_OPTIMAL.name:
            seen = read.counts
            pairs = PairCounts(
                tuple(each.sum(axis=0)[None] for each in seen.channels),
                {key: each[None] for key, each in seen.pair_squares.items()},
                seen.numbers.sum()[None],
                tuple(each[None] for each in seen.squares),
            )
            counts = dict(zip(expected.config.observable_names, pairs.counts, strict=True))
            return Observation(self.audit.likelihood.data(counts), pairs)
        if unbinned_obstacle(read) is not None:
            return None
        return self.method.observe(data_block(self.audit))

    def _measured(self, told: OptimalFit, seen: Observation) -> OptimalFit:
        """With the fit of the data."""
        fits, taken = fit_observation(self.method, seen)
        scatter = self.method.scatter(fits.estimate, taken.pairs)
        sandwich = sandwich_covariance(fits.covariance, scatter, self.method.aux_scatter)
        shown = self._shown(replace(fits, sandwich=sandwich))
        status = FitStatus(int(fits.status[0]))
        numbers = zip(shown.estimate[0], shown.error[0], shown.corrected_error[0], strict=True)
        rows = tuple(
            replace(row, estimate=_finite(at), error=_finite(own), sandwich_error=_finite(check))
            for row, (at, own, check) in zip(told.rows, numbers, strict=True)
        )
        found = replace(told, status=status.label, rows=rows)
        if status > FitStatus.AT_BOUND:
            return found
        chi_square, degrees = self._chi_square(fits.estimate[0], taken.data)
        return replace(
            found,
            chi_square=chi_square,
            degrees=degrees,
            p_value=float(chi2.sf(chi_square, degrees)) if degrees > 0 else None,
        )

    def _chi_square(self, theta: NDArray[np.float64], data: OptimalData) -> tuple[float, int]:
        """Of what is beyond the fitted expectation, and its degrees of freedom.

        It is at least that of a fit with the noise of the templates in its weights.
        """
        likelihood, basis = self.method.likelihood, self.directions.basis
        assert isinstance(likelihood, OptimalLikelihood)
        reference, events = np.asarray(data.reference)[0], np.asarray(data.events)[0]
        fitted = np.asarray(likelihood.scores(jnp.asarray(theta), jnp.asarray(reference)))
        left = basis.T @ (np.asarray(data.totals)[0] - events * fitted)
        back = np.linalg.pinv(basis)
        own = np.linalg.inv(back @ np.asarray(data.weight)[0] @ back.T)
        whole = own + basis.T @ self.template @ basis
        position, factor, information = likelihood.constraints
        used = (np.diag(information) > 0) & ~likelihood.held[position]
        pulls = factor * theta[position] - np.asarray(data.aux)[0]
        square = left @ np.linalg.solve(whole, left) + pulls @ information @ pulls
        measured = self.directions.number + int(np.sum(used))
        return float(square), measured - int(np.sum(~likelihood.held))


def optimal_bins(audit: AuditModel, linear: LinearFit) -> OptimalModel:
    """The optimal combination of the bins.

    Args:
        audit: Of the observables taken as independent.
        linear: Their product around the nominal point.

    Raises:
        LikelihoodError: If it would determine a parameter exactly, or there are too few simulated
            events for its weights.
    """
    counts = OptimalCounts(model=audit)
    _refuse_few(audit, counts.directions)
    change = counts.change
    template = np.zeros_like(change)
    if not audit.expected.config.workspace.staterror:
        template = template_scatter(audit.expected.nominal, audit.channels, change.T)
    return OptimalModel(
        audit=audit,
        method=counts.method,
        directions=counts.directions,
        units=np.ones(len(audit.likelihood.names)),
        positions=audit.positions,
        linear=linear,
        change=change,
        weight=np.asarray(counts.nominal.weight)[0],
        template=template,
    )


def optimal_densities(
    audit: AuditModel, model: UnbinnedModel, linear: LinearFit, places: ScorePlaces
) -> OptimalModel:
    """The optimal combination of the scores of densities.

    Args:
        audit: Gives the samples.
        model: Densities of the observables.
        linear: Their product around the nominal point.
        places: What is known of locations and scales.

    Raises:
        LikelihoodError: As `optimal_bins`, or several rows are one event.
    """
    config, events = audit.expected.config, audit.expected.n_events
    if config.repeated == "cluster":
        raise LikelihoodError(
            'rows of one event (repeated = "cluster") have no optimal combination of densities; '
            "that of the bins has them"
        )
    product = model.method
    scale = np.repeat(model.places[:, 0, 1], 2)
    change = scale[:, None] * places.root
    covariance = np.outer(scale, scale) * places.scatter
    likelihood = density_combination(product)
    theta = np.zeros(len(model.steps))
    directions = density_directions(product, likelihood, covariance / events, theta)
    _refuse_few(audit, directions)
    return OptimalModel(
        audit=audit,
        method=combined_densities(product, likelihood, directions, covariance / events),
        directions=directions,
        units=model.steps,
        positions=range(len(model.steps)),
        linear=linear,
        change=change,
        weight=directions.weight(covariance),
        template=np.outer(scale, scale) * places.template,
    )


def optimal_models(
    audit: AuditModel, linear: LinearFit, learnt: "LearntDensities | None"
) -> tuple[tuple[OptimalModel, ...], tuple[OptimalFit, ...]]:
    """The optimal combinations that an audit has beside its products.

    Args:
        audit: Of the observables taken as independent.
        linear: Their product in bins around the nominal point.
        learnt: Densities; None if there are none.

    Returns:
        Those that there are, and the others with the reason; none of one observable alone, or
        where none is asked for.
    """
    config = audit.expected.config
    found, refused = list[OptimalModel](), list[OptimalFit]()
    if not config.optimal or len(config.observable) < 2:
        return (), ()
    makers: dict[str, Callable[[], OptimalModel]] = {
        BINNED_OPTIMAL.name: lambda: optimal_bins(audit, linear)
    }
    if learnt is not None:
        makers[UNBINNED_OPTIMAL.name] = lambda: optimal_densities(audit, *learnt)
    for name, make in makers.items():
        try:
            found.append(make())
        except LikelihoodError as error:
            refused.append(OptimalFit(method=name, reason=str(error)))
    return tuple(found), tuple(refused)


class LearntDensities(NamedTuple):
    """Densities of an audit.

    Attributes:
        model: Of the observables.
        linear: Their product around the nominal point.
        places: What is known of locations and scales.
    """

    model: UnbinnedModel
    linear: LinearFit
    places: ScorePlaces

    @classmethod
    def of(cls, audit: AuditModel) -> Self:
        """Learnt from the samples.

        Args:
            audit: The samples.

        Raises:
            CalibrationError, EventsError: If an observable has none.
        """
        model = learn_unbinned(audit)
        places = ScorePlaces.of(audit, model)
        return cls(model, linear_unbinned(audit, model, places), places)


def _refuse_few(audit: AuditModel, directions: Directions) -> None:
    """Refuse weights that are noise."""
    events = sum(sample.read.check.effective for sample in audit.expected.nominal)
    wanted = _EVENTS * directions.number
    if events < wanted:
        raise LikelihoodError(
            f"{events:.0f} simulated events are too few for optimal weights, which need {_EVENTS} "
            f"for each of {directions.number} independent elements, {wanted} in all; give more, or "
            "fewer bins"
        )


def _finite(value: float) -> float | None:
    """A number, or None."""
    return float(value) if np.isfinite(value) else None
