"""Fits of many toys and their ledger: every fit ends with a status, none is dropped."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pullfactory._jax import double_precision, jax, jnp
from pullfactory.errors import LikelihoodError
from pullfactory.fitting.minuit import MAX_CALLS, fit_minuit
from pullfactory.fitting.newton import minimise, settle
from pullfactory.fitting.status import FitStatus
from pullfactory.likelihoods import Likelihood, Observation

_ENOUGH = 4  # second tries, after which a batch without any fit is given up


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitBatch:
    """Fits of a batch of toys with one likelihood.

    Attributes:
        parameters: Names, in the order of every parameter axis.
        estimate: Shape (toys, parameters), in the parameters' units.
        covariance: Inverse observed information, shape (toys, parameters, parameters); NaN for
            fits that failed and for parameters at a bound or fixed.
        nll: Minimum of the negative log-likelihood, shape (toys,).
        status: `FitStatus` values, shape (toys,).
        sandwich: Covariance that knows which observables belong to the same event, same shape as
            `covariance`; None where the fits were made without events.
        ratios: Twice the log of the profile likelihood ratio of each true value, and the same
            divided by lambda, shape (2, toys, parameters); NaN where it is not asked for, or there
            is none. None where nothing was tested.
    """

    parameters: tuple[str, ...]
    estimate: NDArray[np.float64]
    covariance: NDArray[np.float64]
    nll: NDArray[np.float64]
    status: NDArray[np.int8]
    sandwich: NDArray[np.float64] | None = None
    ratios: NDArray[np.float64] | None = None

    @property
    def error(self) -> NDArray[np.float64]:
        """Standard errors, shape (toys, parameters); NaN where there is none."""
        return _errors(self.covariance)

    @property
    def corrected_error(self) -> NDArray[np.float64]:
        """Errors from the sandwich, shape (toys, parameters); NaN where there is none."""
        if self.sandwich is None:
            return np.full_like(self.estimate, np.nan)
        return _errors(self.sandwich)

    def select(self, parameters: tuple[str, ...]) -> Self:
        """The same fits with some of the parameters, in the order asked for.

        Args:
            parameters: Names.

        Raises:
            LikelihoodError: If a name is not a parameter of these fits.
        """
        for name in parameters:
            if name not in self.parameters:
                raise LikelihoodError(
                    f"{name!r} is no parameter of these fits; known: {', '.join(self.parameters)}"
                )
        chosen = np.array([self.parameters.index(name) for name in parameters])
        square = np.s_[:, chosen[:, None], chosen]
        return replace(
            self,
            parameters=parameters,
            estimate=np.ascontiguousarray(self.estimate[:, chosen]),
            covariance=np.ascontiguousarray(self.covariance[square]),
            sandwich=None if self.sandwich is None else np.ascontiguousarray(self.sandwich[square]),
            ratios=None if self.ratios is None else np.ascontiguousarray(self.ratios[..., chosen]),
        )

    def uncorrected(self, parameters: Collection[str]) -> Self:
        """The same fits without corrected errors of some parameters.

        Args:
            parameters: Names.
        """
        if self.sandwich is None or not parameters:
            return self
        hidden = np.isin(self.parameters, list(parameters))
        sandwich = np.where(hidden[:, None] | hidden, np.nan, self.sandwich)
        if self.ratios is None:
            return replace(self, sandwich=sandwich)
        plain, corrected = self.ratios
        return replace(
            self, sandwich=sandwich, ratios=np.stack([plain, np.where(hidden, np.nan, corrected)])
        )

    @classmethod
    def join(cls, batches: Sequence[Self]) -> Self:
        """Fits of several batches, one after the other.

        Args:
            batches: With the same parameters; all with a sandwich, or none, and so with ratios.
        """
        sandwiches = [batch.sandwich for batch in batches if batch.sandwich is not None]
        ratios = [batch.ratios for batch in batches if batch.ratios is not None]
        return cls(
            parameters=batches[0].parameters,
            estimate=np.concatenate([batch.estimate for batch in batches]),
            covariance=np.concatenate([batch.covariance for batch in batches]),
            nll=np.concatenate([batch.nll for batch in batches]),
            status=np.concatenate([batch.status for batch in batches]),
            sandwich=np.concatenate(sandwiches) if sandwiches else None,
            ratios=np.concatenate(ratios, axis=1) if ratios else None,
        )

    def head(self, toys: int) -> Self:
        """The first fits of the batch.

        Args:
            toys: How many.
        """
        return replace(
            self,
            estimate=self.estimate[:toys],
            covariance=self.covariance[:toys],
            nll=self.nll[:toys],
            status=self.status[:toys],
            sandwich=None if self.sandwich is None else self.sandwich[:toys],
            ratios=None if self.ratios is None else self.ratios[:, :toys],
        )


def _errors(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    variance = np.ascontiguousarray(np.diagonal(covariance, axis1=1, axis2=2))
    return np.sqrt(np.where(variance > 0, variance, np.nan))


@double_precision
def fit_toys(
    likelihood: Likelihood,
    data: Any,
    *,
    start: ArrayLike | None = None,
    recover: bool = True,
    errors: Collection[str] | None = None,
) -> FitBatch:
    """Fit every toy of a batch.

    Args:
        likelihood: What to minimise.
        data: Its data, every array with a leading toy axis.
        start: Where each fit starts, shape (toys, parameters) or (parameters,); None for the
            likelihood's own start.
        recover: Try fits that failed once more with Minuit; the status tells.
        errors: Parameters whose errors and covariances are wanted; those of others are NaN. None
            for all. One parameter of a large model takes less time than all.

    Raises:
        LikelihoodError: If the data have no toys or different numbers of them, or come with
            pairs, or a name in `errors` is no parameter.
    """
    if isinstance(data, Observation):
        raise LikelihoodError(
            "this is an observation of events; give its data, or use fit_events with the events"
        )
    lengths = {np.shape(leaf)[0] for leaf in jax.tree.leaves(data)}
    if len(lengths) != 1 or 0 in lengths:
        raise LikelihoodError(
            f"the data have {sorted(lengths)} toys; every array needs the same number, at least 1"
        )
    n_toys = lengths.pop()
    first = np.asarray(likelihood.start if start is None else start, dtype=np.float64)
    starts = np.broadcast_to(first, (n_toys, len(likelihood.parameters)))
    wanted = _wanted(likelihood, errors)
    found = minimise(likelihood, data, starts, variances_only=wanted.sum() == 1)
    batch = FitBatch(
        parameters=likelihood.parameters,
        estimate=found.estimate,
        covariance=found.covariance,
        nll=found.nll,
        status=found.status,
    )
    if recover:
        _recover(likelihood, data, starts, batch)
    batch.covariance[:, ~(wanted[:, None] & wanted)] = np.nan
    return batch


def _wanted(likelihood: Likelihood, errors: Collection[str] | None) -> NDArray[np.bool_]:
    """Which parameters' errors are, shape (parameters,)."""
    known = likelihood.parameters
    for name in errors or ():
        if name not in known:
            raise LikelihoodError(
                f"{name!r} is no parameter of the model; known: {', '.join(known)}"
            )
    return np.isin(known, list(known if errors is None else errors))


def _recover(
    likelihood: Likelihood,
    data: Any,
    starts: NDArray[np.float64],
    batch: FitBatch,
) -> None:
    """Try the failed fits of a new batch with Minuit, in place.

    Its minimum counts if the Hessian there gives a covariance, which is the one that is kept. A
    minimum that was reached, but whose Hessian gives none, is no better elsewhere in its valley.
    Where no fit at all succeeds, not all are tried, of which each may take a second.
    """
    found = dict[int, NDArray[np.float64]]()
    hope = bool((batch.status <= FitStatus.AT_BOUND).any())
    for tried, toy in enumerate(np.flatnonzero(batch.status > FitStatus.NOT_POSITIVE_DEFINITE)):
        if not (hope or found) and tried == _ENOUGH:
            return
        one = jax.tree.map(lambda leaf, toy=toy: jnp.asarray(leaf[toy]), data)
        again = fit_minuit(likelihood, one, start=starts[toy], hesse_calls=MAX_CALLS)
        if again.valid:
            found[int(toy)] = again.estimate
    if not found:
        return
    toys = np.array(list(found))
    some = jax.tree.map(lambda leaf: np.asarray(leaf)[toys], data)
    settled = settle(likelihood, some, np.stack(list(found.values())))
    good = settled.status <= FitStatus.AT_BOUND
    batch.estimate[toys[good]] = settled.estimate[good]
    batch.covariance[toys[good]] = settled.covariance[good]
    batch.nll[toys[good]] = settled.nll[good]
    batch.status[toys[good]] = FitStatus.RECOVERED
