"""The fit of the data: estimates with claimed, sandwich and bootstrap errors side by side."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.finding import Finding
from pullfactory.auditing.model import AuditModel, rates_and_slopes
from pullfactory.auditing.postfit import process_rates
from pullfactory.auditing.reading import ReadSample
from pullfactory.auditing.tally import GROUPS, Counts
from pullfactory.events import first_rows
from pullfactory.fitting import FitBatch, FitStatus, fit_toys
from pullfactory.fitting.information import symmetric_root
from pullfactory.fitting.sandwich import sandwich_covariance
from pullfactory.inference import BootstrapResult, bootstrap
from pullfactory.inference.judgement import MANY_FAILED
from pullfactory.likelihoods.channels import PairCounts
from pullfactory.methods import BINNED, Method
from pullfactory.numbers import finite_or_none
from pullfactory.random import Stream, generator
from pullfactory.simulation.toys import ToyBlock


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChannelFit:
    """Data and rates of one channel.

    Attributes:
        name: Of the channel.
        observed: Events, sums of their weights, shape (bins,).
        observed_error: Roots of the sums of squared weights, shape (bins,).
        before: Expected events before the fit, shape (bins,); None where estimates are blinded.
        after: Expected events at the estimate, shape (bins,).
        after_error: Their standard errors from the corrected covariance, shape (bins,).
        processes: Expected events at the estimate by process, shape (bins,) each; empty where they
            are not known.
    """

    name: str
    observed: NDArray[np.float64]
    observed_error: NDArray[np.float64]
    before: NDArray[np.float64] | None
    after: NDArray[np.float64]
    after_error: NDArray[np.float64]
    processes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataFit:
    """The fit of the data with one method.

    Attributes:
        method: Its name.
        fit: One toy, with claimed and sandwich covariance, of the parameters that are shown.
        bootstrap: Standard deviations over replicas of the data, shape (parameters,).
        bootstrap_error: Their standard errors, same shape.
        groups: Groups of events that the bootstrap drew; None where it drew the events.
        bootstrap_failed: Replicas whose fit failed or ended at a bound.
        channels: Data and rates; empty for an unbinned fit.
        whole: The same fit with all parameters of its likelihood; None for an unbinned fit.
    """

    method: str
    fit: FitBatch
    bootstrap: NDArray[np.float64]
    bootstrap_error: NDArray[np.float64]
    groups: int | None
    bootstrap_failed: int
    channels: tuple[ChannelFit, ...]
    whole: FitBatch | None = None

    @property
    def status(self) -> str:
        """How the fit ended."""
        return FitStatus(int(self.fit.status[0])).label

    def estimates(self) -> list[dict[str, Any]]:
        """Estimate and errors of each parameter as plain data, without NaN."""
        return [
            finite_or_none(
                {
                    "parameter": name,
                    "estimate": float(self.fit.estimate[0, k]),
                    "claimed_error": float(self.fit.error[0, k]),
                    "sandwich_error": float(self.fit.corrected_error[0, k]),
                    "bootstrap_error": float(self.bootstrap[k]),
                    "bootstrap_error_error": float(self.bootstrap_error[k]),
                }
            )
            for k, name in enumerate(self.fit.parameters)
        ]


def fit_findings(fits: Iterable[DataFit], replicas: int) -> Iterator[Finding]:
    """Warn of fits of the data that do not give all that is asked of them.

    Args:
        fits: With each method.
        replicas: Of the bootstrap.
    """
    for fit in fits:
        if fit.fit.status[0] > FitStatus.RECOVERED:
            lost = [
                name
                for name, error in zip(fit.fit.parameters, fit.fit.error[0], strict=True)
                if not np.isfinite(error)
            ]
            yield Finding(
                level="warn",
                cause="fit_status",
                place=f"fit.{fit.method}",
                text=f"The {fit.method} fit of the data ended as {fit.status}; no error of "
                f"{', '.join(lost) or 'nothing'}.",
                remedy=f"Widen parameter.{(*lost, 'NAME')[0]}.bounds, or look at the data.",
            )
        if fit.bootstrap_failed:
            yield Finding(
                level="warn" if fit.bootstrap_failed > MANY_FAILED * replicas else "fine",
                cause="bootstrap",
                place=f"fit.{fit.method}",
                text=f"{fit.bootstrap_failed} of {replicas} {fit.method} fits of the bootstrap "
                "failed or ended at a bound, and are left out.",
                remedy="Take the sandwich errors.",
            )


def unbinned_obstacle(data: ReadSample) -> str | None:
    """Why the data cannot be fitted with densities, though there are some; None if they can.

    Args:
        data: As they were read.
    """
    check, rows = data.check, data.rows
    if check.negative:
        return f"{check.negative} of {check.selected} events of the data have negative weights"
    if len(rows) < check.selected:
        return (
            f"{check.selected} events of the data are more than toys.reservoir = {len(rows)} keeps "
            "in memory"
        )
    if missing := int(np.sum(~np.isfinite(rows.values).all(axis=1))):
        return f"{missing} of {check.selected} events of the data lack an observable"
    return None


def fit_data(model: AuditModel) -> DataFit:
    """Fit the data in bins.

    The bootstrap draws events again, with all their observables, and the auxiliary values around
    those observed; where not all events are in memory, it draws groups of them.

    Args:
        model: Of the observables taken as independent, with data among its samples.
    """
    read = model.expected.read("data")
    in_memory = len(read.rows) == read.check.selected
    drawn = _bootstrap(model, model.method) if in_memory else _group_bootstrap(model)
    shown = drawn.select(model.expected.parameters)
    groups = None if in_memory else GROUPS
    few = 0.0 if groups is None else 1.0 / (2 * (groups - 1))
    return DataFit(
        method=BINNED.name,
        fit=shown.fit,
        bootstrap=shown.error,
        bootstrap_error=np.hypot(shown.error_of_error, shown.error * np.sqrt(few)),
        groups=groups,
        bootstrap_failed=int(np.sum(drawn.status > FitStatus.RECOVERED)),
        channels=_channels(model, drawn.fit, model.expected.observed, read.counts),
        whole=drawn.fit,
    )


class DensityModel(Protocol):
    """What single events are fitted with; its parameters are in calibration steps."""

    @property
    def method(self) -> Method:
        """Fits them."""

    @property
    def steps(self) -> NDArray[np.float64]:
        """Unit of each parameter, shape (parameters,)."""


def fit_data_unbinned(audit: AuditModel, model: DensityModel) -> DataFit:
    """Fit the data with densities.

    Args:
        audit: With data among its samples, all of them in memory; gives the auxiliary values.
        model: The densities.
    """
    drawn = _bootstrap(audit, model.method)
    return DataFit(
        method=model.method.name,
        fit=in_units(drawn.fit, model.steps),
        bootstrap=drawn.error * model.steps,
        bootstrap_error=drawn.error_of_error * model.steps,
        groups=None,
        bootstrap_failed=int(np.sum(drawn.status > FitStatus.RECOVERED)),
        channels=(),
    )


def data_block(model: AuditModel) -> ToyBlock:
    """The events of the data as a toy, with the auxiliary values that were observed.

    Args:
        model: Of the audit; its data must have been read event by event.
    """
    rows, config = model.expected.read("data").rows, model.expected.config
    binned = model.likelihood
    return ToyBlock(
        theta_true=np.zeros((1, len(binned.names))),
        aux=binned.observed[None, binned.n_main :],
        events=rows.values[None],
        event_weights=rows.weights[None],
        owners=first_rows(rows.keys)[None] if config.repeated == "cluster" else None,
    )


def _bootstrap(model: AuditModel, method: Method) -> BootstrapResult:
    """Replicas of the data, drawn from its events; every method has the same."""
    config = model.expected.config
    return bootstrap(
        method,
        data_block(model),
        replicas=config.replicas,
        seed=config.seed,
        n_events_law=config.n_events_law,
        aux_sigma=symmetric_root(model.aux_covariance),
    )


def _group_bootstrap(model: AuditModel) -> BootstrapResult:
    """Replicas of the data, drawn from groups of its events."""
    method, config = model.method, model.expected.config
    seen = model.expected.read("data").counts
    often = np.concatenate([np.ones((1, GROUPS)), model.expected.redraws(1)])
    counts = _counts(seen, often, fixed=config.n_events_law == "fixed")
    fits = fit_toys(model.likelihood, _data(model, counts))
    own = PairCounts(
        tuple(each[:1] for each in counts),
        {key: each[None] for key, each in seen.pair_squares.items()},
        seen.numbers.sum()[None],
        tuple(each[None] for each in seen.squares),
    )
    fit = fits.head(1)
    scatter = method.scatter(fit.estimate, own)
    good = fits.status[1:] <= FitStatus.RECOVERED
    unknown = np.full(2 * (len(config.observable),), np.nan)
    return BootstrapResult(
        method=method.name,
        fit=replace(fit, sandwich=sandwich_covariance(fit.covariance, scatter, method.aux_scatter)),
        estimates=np.where(good[:, None], fits.estimate[1:], np.nan),
        status=fits.status[1:],
        correlation=unknown,
        correlation_error=unknown,
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


def _counts(
    counts: Counts, often: NDArray[np.float64], *, fixed: bool
) -> list[NDArray[np.float64]]:
    """Counts of the data in each channel where each group of events comes so often."""
    factor = np.ones(len(often))
    if fixed:
        factor = counts.numbers.sum() / (often @ counts.numbers)
    return [factor[:, None] * (often @ groups) for groups in counts.channels]


def _data(model: AuditModel, counts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The data, then replicas, whose auxiliary values are drawn around those observed."""
    config, likelihood = model.expected.config, model.likelihood
    data = likelihood.data(dict(zip(config.observable_names, counts, strict=True)))
    rng = generator(config.seed, Stream.AUDIT_DATA)
    normal = rng.standard_normal((len(data) - 1, len(likelihood.aux_index)))
    data[1:, likelihood.n_main :] += normal @ symmetric_root(model.aux_covariance)
    return data


def _channels(
    model: AuditModel,
    fit: FitBatch,
    observed: Mapping[str, NDArray[np.float64]],
    counts: Counts,
) -> tuple[ChannelFit, ...]:
    likelihood, estimate = model.likelihood, fit.estimate[0]
    after, slopes = rates_and_slopes(likelihood, estimate)
    assert fit.sandwich is not None
    sandwich = np.nan_to_num(fit.sandwich[0])
    error = np.sqrt(np.maximum(np.einsum("bk,kl,bl->b", slopes, sandwich, slopes), 0.0))
    before, _ = rates_and_slopes(likelihood, likelihood.init)
    processes = process_rates(model, estimate)
    found = []
    for name, square in zip(observed, counts.squares, strict=True):
        where = likelihood.channel_slice(name)
        found.append(
            ChannelFit(
                name=name,
                observed=observed[name],
                observed_error=np.sqrt(square),
                before=before[where],
                after=after[where],
                after_error=error[where],
                processes={process: rates[where] for process, rates in processes.items()},
            )
        )
    return tuple(found)
