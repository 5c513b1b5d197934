"""Toys of any workspace: throw, fit, summarise."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision
from pullfactory.errors import LikelihoodError
from pullfactory.fitting import FitBatch, fit_toys
from pullfactory.fitting.flatness import refuse_flat
from pullfactory.fitting.slices import Slices
from pullfactory.fitting.throwing import Truth, check_toys, prior_slices, resolve_truth, throw_block
from pullfactory.inference import CorrelationSums, PullSums
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.progress import Progress, silent
from pullfactory.results import ToyLedger, ToysResult, provenance
from pullfactory.runs.execution import count_workers, in_order, worker_pool

__all__ = ["run_toys"]

_COLLECTED = 1024  # toys summed at once: fewer sums of small arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    likelihood: BinnedLikelihood
    seed: int
    theta: NDArray[np.float64]
    ensemble: Literal["fixed", "prior"]
    moving: tuple[str, ...]


class _Block(NamedTuple):
    truth: NDArray[np.float64]
    fits: FitBatch


@double_precision
def run_toys(
    likelihood: BinnedLikelihood,
    n_toys: int,
    seed: int,
    *,
    truth: Truth = "init",
    ensemble: Literal["fixed", "prior"] = "fixed",
    workers: int | None = None,
    progress: Progress = silent,
) -> ToysResult:
    """Throw toys of a model, fit each, and summarise the pulls of all parameters that move.

    Memory does not grow with the number of toys; the result does not depend on the workers.

    Args:
        likelihood: The model, from `BinnedLikelihood.from_pyhf`.
        n_toys: How many.
        seed: The same seed gives the same toys.
        truth: As in `throw_toys`.
        ensemble: As in `throw_toys`.
        workers: Threads; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.

    Raises:
        LikelihoodError: As `throw_toys`, if no parameter moves, or if the likelihood does not
            change along some direction.
        StudyError: If there are fewer than one workers.
    """
    check_toys(likelihood, n_toys, seed, truth, ensemble)
    moving = tuple(
        name for name, held in zip(likelihood.names, likelihood.held, strict=True) if not held
    )
    if not moving:
        raise LikelihoodError("every parameter is fixed; there is nothing to fit")
    if truth == "fit":
        refuse_flat(likelihood, likelihood.init)
    theta = resolve_truth(likelihood, truth)
    refuse_flat(likelihood, theta)
    plan = _Plan(likelihood=likelihood, seed=seed, theta=theta, ensemble=ensemble, moving=moving)
    slices = _slices(plan)
    n_workers = count_workers(workers)
    size = likelihood.batch
    ledger = ToyLedger(
        methods=["binned"],
        parameters=moving,
        metadata={"provenance": json.dumps(provenance(seed))},
    )
    sums: PullSums | None = None
    correlation: CorrelationSums | None = None
    minima: list[NDArray[np.float64]] = []
    with worker_pool(None, n_workers) as pool, progress("toys", n_toys) as advance:
        blocks = in_order(pool, partial(_run_block, plan), -(-n_toys // size), n_workers)
        together = max(1, _COLLECTED // size)
        for index, some in enumerate(_grouped(blocks, together)):
            first = index * together * size
            kept = min(len(some) * size, n_toys - first)
            fits = FitBatch.join([block.fits for block in some]).head(kept)
            true = np.concatenate([block.truth for block in some])[:kept]
            new, pairs = PullSums.of(fits, true, slices), CorrelationSums.of(fits, true)
            sums = new if sums is None else sums + new
            correlation = pairs if correlation is None else correlation + pairs
            minima.append(fits.nll[np.isfinite(fits.error).any(axis=1)])
            ledger.append(first, None, "binned", true, fits)
            advance(kept)
    assert sums is not None
    assert correlation is not None
    return ToysResult(
        parameters=moving,
        seed=seed,
        truth=dict(zip(likelihood.names, theta.tolist(), strict=True)),
        ensemble=ensemble,
        sums=sums,
        correlation=correlation,
        minima=np.concatenate(minima),
        toys=ledger.close(),
        slices=slices,
    )


def _grouped(blocks: Iterator[_Block], size: int) -> Iterator[list[_Block]]:
    """Blocks in lists of one size; the last may be shorter."""
    while some := list(itertools.islice(blocks, size)):
        yield some


def _run_block(plan: _Plan, index: int) -> _Block:
    thrown = throw_block(plan.likelihood, index, plan.seed, plan.theta, ensemble=plan.ensemble)
    fits = fit_toys(plan.likelihood, thrown.data).select(plan.moving)
    return _Block(np.ascontiguousarray(thrown.truth[:, _positions(plan)]), fits)


def _slices(plan: _Plan) -> Slices | None:
    """Where the toys are divided; None where true values are fixed."""
    if plan.ensemble == "fixed":
        return None
    edges, estimated = prior_slices(plan.likelihood, plan.theta)
    return Slices(edges[_positions(plan)], estimated[_positions(plan)])


def _positions(plan: _Plan) -> list[int]:
    """Of the parameters that move among those of the likelihood."""
    return [plan.likelihood.names.index(name) for name in plan.moving]
