"""The fit of the data: estimates with claimed, sandwich and bootstrap errors side by side."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.densities import UnbinnedModel
from pullfactory.auditing.model import binned_audit_method, drawn_terms, rates_and_slopes
from pullfactory.auditing.prediction import redraws
from pullfactory.auditing.tally import GROUPS
from pullfactory.auditing.templates import Expected
from pullfactory.events import first_rows
from pullfactory.inference import FitBatch, FitStatus, bootstrap, fit_toys
from pullfactory.inference.sandwich import sandwich_covariance
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.likelihoods.channels import PairCounts
from pullfactory.simulation.toys import ToyBlock

__all__ = ["ChannelFit", "DataFit", "fit_data", "fit_data_unbinned", "in_units", "observed_counts"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelFit:
    """Data and rates of one channel.

    Attributes:
        name: Of the channel.
        observed: Events, shape (bins,).
        before: Expected events before the fit, shape (bins,).
        after: Expected events at the estimate, shape (bins,).
        after_error: Their standard errors from the corrected covariance, shape (bins,).
    """

    name: str
    observed: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    after_error: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataFit:
    """The fit of the data with one method.

    Attributes:
        method: Its name.
        fit: One toy, with claimed and sandwich covariance, of the parameters that are shown.
        bootstrap: Standard deviations over replicas of the data, shape (parameters,).
        bootstrap_failed: Replicas whose fit failed or ended at a bound.
        channels: Data and rates; empty for an unbinned fit.
    """

    method: str
    fit: FitBatch
    bootstrap: NDArray[np.float64]
    bootstrap_failed: int
    channels: tuple[ChannelFit, ...]

    @property
    def status(self) -> str:
        """How the fit ended."""
        return FitStatus(int(self.fit.status[0])).label


def observed_counts(expected: Expected) -> dict[str, NDArray[np.float64]]:
    """Events of the data in each channel, each of shape (bins,).

    Args:
        expected: With data among its samples.
    """
    counts = expected.read("data").counts
    names = expected.config.observable_names
    return {name: each.sum(axis=0) for name, each in zip(names, counts.channels, strict=True)}


def fit_data(expected: Expected, likelihood: BinnedLikelihood) -> DataFit:
    """Fit the data in bins.

    The bootstrap draws groups of events again, with all their observables, and the auxiliary
    values around those observed.

    Args:
        expected: With data among its samples.
        likelihood: Of the observables taken as independent.
    """
    method = binned_audit_method(expected, likelihood)
    often = redraws(expected.config.seed + 1, expected.config.replicas)
    pairs = _pairs(expected, np.concatenate([np.ones((1, GROUPS)), often]))
    fits = fit_toys(likelihood, _data(expected, likelihood, pairs))
    own = PairCounts(
        tuple(each[:1] for each in pairs.counts),
        {key: each[:1] for key, each in pairs.joint.items()},
        None if pairs.events is None else pairs.events[:1],
    )
    fit = fits.head(1)
    scatter = method.scatter(fit.estimate, own)
    fit = replace(fit, sandwich=sandwich_covariance(fit.covariance, scatter, method.aux_scatter))
    drawn = fits.select(expected.parameters)
    good = drawn.status[1:] <= FitStatus.RECOVERED
    estimates = np.where(good[:, None], drawn.estimate[1:], np.nan)
    with np.errstate(invalid="ignore"):
        spread = np.nanstd(estimates, axis=0, ddof=1) if good.sum() > 1 else estimates[0] * np.nan
    return DataFit(
        method="binned",
        fit=fit.select(expected.parameters),
        bootstrap=np.asarray(spread),
        bootstrap_failed=int(np.sum(~good)),
        channels=_channels(expected, likelihood, fit),
    )


def fit_data_unbinned(
    expected: Expected, model: UnbinnedModel, binned: BinnedLikelihood
) -> DataFit:
    """Fit the data with densities.

    Args:
        expected: With data among its samples, all of them in memory.
        model: The densities.
        binned: Gives the auxiliary values.
    """
    rows = expected.read("data").rows
    block = ToyBlock(
        theta_true=np.zeros((1, len(binned.names))),
        aux=binned.observed[None, binned.n_main :],
        events=rows.values[None],
        event_weights=None if np.all(rows.weights == 1) else rows.weights[None],
        owners=first_rows(rows.keys)[None] if expected.config.repeated == "cluster" else None,
    )
    config = expected.config
    drawn = bootstrap(
        model.method,
        block,
        replicas=config.replicas,
        seed=config.seed,
        n_events_law=config.n_events_law,
        aux_sigma=np.where(drawn_terms(expected, binned), binned.aux_sigma, 0.0),
    )
    return DataFit(
        method="unbinned",
        fit=in_units(drawn.fit, model.steps),
        bootstrap=drawn.error * model.steps,
        bootstrap_failed=int(np.sum(drawn.status > FitStatus.RECOVERED)),
        channels=(),
    )


def in_units(fits: FitBatch, steps: NDArray[np.float64]) -> FitBatch:
    """Fits in the units of the parameters, from fits in calibration steps.

    Args:
        fits: Shape (toys, parameters).
        steps: Unit of each parameter, shape (parameters,).
    """
    outer = np.outer(steps, steps)
    return replace(
        fits,
        estimate=fits.estimate * steps,
        covariance=fits.covariance * outer,
        sandwich=None if fits.sandwich is None else fits.sandwich * outer,
    )


def _pairs(expected: Expected, often: NDArray[np.float64]) -> PairCounts:
    """Counts of the data where each group of events comes so often."""
    counts = expected.read("data").counts
    events = often @ counts.once
    factor = np.ones(len(often))
    if expected.config.n_events_law == "fixed":
        factor = counts.once.sum() / events
    return PairCounts(
        tuple(factor[:, None] * (often @ groups) for groups in counts.channels),
        {
            key: factor[:, None, None]
            * (often @ groups.reshape(GROUPS, -1)).reshape(-1, *groups.shape[1:])
            for key, groups in counts.products.items()
        },
        factor * events,
    )


def _data(
    expected: Expected, likelihood: BinnedLikelihood, pairs: PairCounts
) -> NDArray[np.float64]:
    """The data, then replicas, whose auxiliary values are drawn around those observed."""
    names = expected.config.observable_names
    data = likelihood.data(dict(zip(names, pairs.counts, strict=True)))
    sequence = np.random.SeedSequence(expected.config.seed, spawn_key=(2,))
    rng = np.random.Generator(np.random.SFC64(sequence))
    shape = len(data) - 1, len(likelihood.aux_index)
    sigma = np.where(drawn_terms(expected, likelihood), likelihood.aux_sigma, 0.0)
    data[1:, likelihood.n_main :] += sigma * rng.standard_normal(shape)
    return data


def _channels(
    expected: Expected, likelihood: BinnedLikelihood, fit: FitBatch
) -> tuple[ChannelFit, ...]:
    estimate = fit.estimate[0]
    after, slopes = rates_and_slopes(likelihood, estimate)
    assert fit.sandwich is not None
    sandwich = np.nan_to_num(fit.sandwich[0])
    error = np.sqrt(np.maximum(np.einsum("bk,kl,bl->b", slopes, sandwich, slopes), 0.0))
    before, _ = rates_and_slopes(likelihood, likelihood.init)
    observed = observed_counts(expected)
    found = []
    for name in expected.config.observable_names:
        where = likelihood.channel_slice(name)
        found.append(
            ChannelFit(
                name=name,
                observed=observed[name],
                before=before[where],
                after=after[where],
                after_error=error[where],
            )
        )
    return tuple(found)
