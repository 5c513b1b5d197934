"""The paired bootstrap: what one data set says about errors and correlations.

Events are drawn again from the events (Efron 1979, doi:10.1214/aos/1176344552), all observables
of an event together: nothing is assumed about their dependence. Where the number of events of the
ensemble is fixed, so is that of each replica, and the multiplicities of the events are
multinomial; where it is Poisson, they are Poisson with mean 1 (Chamandy et al. 2012, "Estimating
uncertainty for massive data streams"). An event keeps its weight. The auxiliary values were
measured too, so each replica draws them again, around those observed.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullfactory._jax import double_precision, jax
from pullfactory.errors import LikelihoodError
from pullfactory.events import first_rows
from pullfactory.fitting.fits import FitBatch
from pullfactory.fitting.sandwich import fit_observation, sandwich_covariance
from pullfactory.fitting.status import FitStatus
from pullfactory.likelihoods import Observation
from pullfactory.methods import Method
from pullfactory.random import Stream, generator
from pullfactory.simulation.toys import ToyBlock

_BATCH_VALUES = 2**20  # numbers per batch of replicas: memory stays bounded
_BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BootstrapResult:
    """Replicas of one data set, fitted with one method.

    Attributes:
        method: Name of the method.
        fit: Fit of the data set itself, with claimed and sandwich covariance: one toy.
        estimates: Shape (replicas, parameters), in the parameters' units; NaN where the fit of
            the replica failed or ended at a bound.
        status: `FitStatus` values, shape (replicas,).
        correlation: Pearson's correlation of the observables in the data set, shape
            (observables, observables).
        correlation_error: Its standard error from the replicas, same shape.
    """

    method: str
    fit: FitBatch
    estimates: NDArray[np.float64]
    status: NDArray[np.int8]
    correlation: NDArray[np.float64]
    correlation_error: NDArray[np.float64]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names, in the order of every parameter axis."""
        return self.fit.parameters

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Of the estimates over replicas, shape (parameters, parameters); NaN for fewer than 2."""
        used = self.estimates[np.isfinite(self.estimates).all(axis=1)]
        if len(used) < 2:
            return np.full(2 * used.shape[1:], np.nan)
        return np.asarray(np.cov(used, rowvar=False)).reshape(2 * used.shape[1:])

    @property
    def error(self) -> NDArray[np.float64]:
        """Standard deviations over replicas, shape (parameters,), in the parameters' units."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def error_of_error(self) -> NDArray[np.float64]:
        """Standard error of `error` from a finite number of replicas, shape (parameters,).

        For normal estimates.
        """
        used = int(np.isfinite(self.estimates).all(axis=1).sum())
        return np.asarray(self.error / np.sqrt(2 * max(used - 1, 1)))

    def select(self, parameters: tuple[str, ...]) -> Self:
        """The same replicas with some of the parameters, in the order asked for.

        Args:
            parameters: Names.

        Raises:
            LikelihoodError: If a name is not a parameter of the fits.
        """
        fit = self.fit.select(parameters)
        chosen = [self.parameters.index(name) for name in parameters]
        return replace(self, fit=fit, estimates=self.estimates[:, chosen])

    @property
    def status_counts(self) -> dict[str, int]:
        """Number of replicas by status."""
        counts = Counter(self.status.tolist())
        return {status.label: counts[status] for status in FitStatus}


@double_precision
def bootstrap(
    method: Method,
    data: ToyBlock,
    *,
    toy: int = 0,
    replicas: int = 500,
    seed: int = 0,
    n_events_law: Literal["fixed", "poisson"] = "fixed",
    aux_sigma: ArrayLike = 1.0,
) -> BootstrapResult:
    """Draw replicas of one data set and fit each of them.

    Replica r, from 1, depends on the seed, r and the data alone, and is the same for every method.

    Args:
        method: Likelihood, and what it takes from the events.
        data: Events and auxiliary values; truths are not looked at.
        toy: Which toy of the block.
        replicas: How many.
        seed: Seed of the multiplicities and auxiliary values.
        n_events_law: "fixed": every replica has as many events as the data; "poisson": their
            number varies as that of the ensemble does.
        aux_sigma: Width with which auxiliary values are drawn again, in units of one constraint
            width; a number, shape (constrained,), or the symmetric root of their covariance.

    Raises:
        LikelihoodError: If there is no such toy, it has no events, or only expected ones,
            replicas is below 2, or the method refuses the weights of the events.
    """
    if replicas < 2:
        raise LikelihoodError(f"replicas = {replicas} have no spread; draw at least 2")
    one = _take(data, toy)
    root = np.asarray(aux_sigma, dtype=np.float64)
    if root.ndim < 2:
        root = np.diag(np.broadcast_to(root, one.aux.shape[1:]))
    moments = _moments(one.events[0])
    size = min(replicas + 1, _BATCH, max(1, _BATCH_VALUES // one.events.size))
    fits, correlations = [], []
    for first in range(0, replicas + 1, size):
        drawn = _draw(one, range(first, first + size), seed, n_events_law, root)
        found, seen = fit_observation(method, method.observe(drawn))
        fits.append(found)
        correlations.append(_correlations(np.asarray(drawn.sums) @ moments))
        if first == 0:
            itself = _with_sandwich(method, fits[0].head(1), seen)
    drawn_again = slice(1, replicas + 1)
    status = np.concatenate([batch.status for batch in fits])[drawn_again]
    estimates = np.concatenate([batch.estimate for batch in fits])[drawn_again]
    correlation = np.concatenate(correlations)
    return BootstrapResult(
        method=method.name,
        fit=itself,
        estimates=np.where((status <= FitStatus.RECOVERED)[:, None], estimates, np.nan),
        status=status,
        correlation=correlation[0],
        correlation_error=correlation[drawn_again].std(axis=0, ddof=1),
    )


def _with_sandwich(method: Method, fit: FitBatch, seen: Observation) -> FitBatch:
    """The fit of the first toy of an observation, with its corrected covariance."""
    pairs = jax.tree.map(lambda leaf: leaf[:1], seen.pairs)
    scatter = method.scatter(fit.estimate, pairs)
    return replace(fit, sandwich=sandwich_covariance(fit.covariance, scatter, method.aux_scatter))


def _take(data: ToyBlock, toy: int) -> ToyBlock:
    """One toy of a block, without padding."""
    if not 0 <= toy < len(data.events):
        raise LikelihoodError(f"toy {toy} is none of the {len(data.events)} of the block")
    if data.multiplicity is not None:
        raise LikelihoodError("the events are expected ones; a bootstrap needs observed events")
    events, weights, owners = (
        None if each is None else each[toy]
        for each in (data.events, data.event_weights, data.owners)
    )
    assert events is not None
    if weights is not None:
        used = weights != 0
        events, weights = events[used], weights[used]
        owners = None if owners is None else first_rows(owners[used].astype(np.uint64))
        weights = None if np.all(weights == 1) else weights
    if not len(events):
        raise LikelihoodError(f"toy {toy} has no events; a bootstrap needs some")
    return ToyBlock(
        theta_true=data.theta_true[toy][None],
        aux=data.aux[toy][None],
        events=events[None],
        event_weights=None if weights is None else weights[None],
        owners=None if owners is None else owners[None],
    )


def _draw(
    one: ToyBlock,
    numbers: range,
    seed: int,
    law: Literal["fixed", "poisson"],
    aux_root: NDArray[np.float64],
) -> ToyBlock:
    """Replicas of a data set as toys: its events, each so often; 0 is the data itself."""
    rows = np.arange(one.events.shape[1]) if one.owners is None else one.owners[0]
    _, event = np.unique(rows, return_inverse=True)  # of each row
    n_events = int(event.max()) + 1
    often = np.ones((len(numbers), len(event)))
    aux = np.tile(one.aux, (len(numbers), 1))
    for row, replica in enumerate(numbers):
        if replica == 0:
            continue
        rng = generator(seed, Stream.BOOTSTRAP, replica)
        aux[row] += rng.standard_normal(one.aux.shape[1]) @ aux_root
        drawn = (
            np.bincount(rng.integers(n_events, size=n_events), minlength=n_events)
            if law == "fixed"
            else rng.poisson(1.0, n_events)
        )
        often[row] = drawn[event]

    def again(values: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(values, (len(numbers), *values.shape[1:]))

    return ToyBlock(
        theta_true=again(one.theta_true),
        aux=aux,
        events=again(one.events),
        event_weights=None if one.event_weights is None else again(one.event_weights),
        multiplicity=often,
        owners=None if one.owners is None else again(one.owners),
    )


def _moments(events: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products of 1 and the standardised observables, shape (events, (1 + observables)^2)."""
    spread = events.std(axis=0)
    z = (events - events.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    columns = np.concatenate([np.ones((len(z), 1)), z], axis=1)
    return np.asarray((columns[:, :, None] * columns[:, None, :]).reshape(len(z), -1))


def _correlations(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlations, shape (samples, observables, observables), from `_moments`."""
    n = int(np.sqrt(sums.shape[1]))
    table = sums.reshape(-1, n, n) / sums[:, 0, None, None]
    covariance = table[:, 1:, 1:] - table[:, 1:, :1] * table[:, :1, 1:]
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    with np.errstate(invalid="ignore"):  # no spread, no correlation
        result = covariance / (sigma[:, :, None] * sigma[:, None, :])
    return np.asarray(result)
