"""Toys of any workspace: throw, fit, summarise."""

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

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
from pullfactory.methods import BINNED
from pullfactory.progress import Progress, silent
from pullfactory.results.identity import identity_of
from pullfactory.results.keeping import Keep
from pullfactory.results.part import Fitted, Layout
from pullfactory.results.sums import Series
from pullfactory.results.toys import ToysResult
from pullfactory.runs.campaign import Campaign, FitBlock
from pullfactory.runs.execution import require_workers

_TOGETHER = 8  # streams of a part: files of some hundred kB where fits are fast
_CALLS = 8  # times as many toys of a large model as are computed side by side, fitted in one call


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    likelihood: BinnedLikelihood
    seed: int
    theta: NDArray[np.float64]
    ensemble: Literal["fixed", "prior"]
    moving: tuple[str, ...]
    errors: tuple[str, ...] | None = None

    @property
    def positions(self) -> list[int]:
        """Of the parameters that move among those of the likelihood."""
        return [self.likelihood.names.index(name) for name in self.moving]

    @property
    def streams(self) -> int:
        """Of random numbers whose toys are fitted in one call: more than one of a large model."""
        abreast = self.likelihood.abreast
        if abreast is None:
            return 1
        return max(min(self.likelihood.batch, _CALLS * abreast) // self.likelihood.block, 1)

    @property
    def together(self) -> int:
        """Calls of a part."""
        return max(_TOGETHER // self.streams, 1)

    def build(self) -> FitBlock:
        """What throws and fits the toys of one call."""
        return self._fit

    def _fit(self, index: int) -> Sequence[Fitted]:
        thrown = [
            throw_block(self.likelihood, stream, self.seed, self.theta, ensemble=self.ensemble)
            for stream in range(index * self.streams, (index + 1) * self.streams)
        ]
        data = np.concatenate([one.data for one in thrown])
        truth = np.concatenate([one.truth for one in thrown])
        fits = fit_toys(self.likelihood, data, errors=self.errors).select(self.moving)
        truth = np.ascontiguousarray(truth[:, self.positions])
        return (Fitted(None, BINNED.name, truth, fits),)


def _sum_up(fits: FitBatch, truth: NDArray[np.float64], slices: Slices | None) -> Series:
    """Sums over the pulls and for the correlation."""
    return {
        "pulls": PullSums.of(fits, truth, slices),
        "correlation": CorrelationSums.of(fits, truth),
    }


@double_precision
def run_toys(
    likelihood: BinnedLikelihood,
    n_toys: int,
    seed: int,
    *,
    truth: Truth = "init",
    ensemble: Literal["fixed", "prior"] = "fixed",
    errors: Literal["all", "poi"] = "all",
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    keep: Keep | str | Path | None = None,
) -> ToysResult:
    """Throw toys of a model, fit each, and summarise the pulls of all parameters that move.

    Memory does not grow with the number of toys; the result depends on neither the executor nor
    the number of workers.

    Args:
        likelihood: The model, from `BinnedLikelihood.from_pyhf`.
        n_toys: How many.
        seed: The same seed gives the same toys.
        truth: As in `throw_toys`.
        ensemble: As in `throw_toys`.
        errors: "poi" for the error of the parameter of interest alone, which takes less time in
            models of hundreds of parameters; others have estimates, and neither errors nor pulls.
        executor: Where the blocks of toys are computed; None for a pool of threads. Process
            pools must start their processes with "spawn".
        workers: Threads of the default pool; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.
        keep: Folder where toys are kept as they are made, so that the same call goes on where
            another one was stopped; a `Keep` says more. None: a temporary file.

    Raises:
        LikelihoodError: As `throw_toys`, if no parameter moves, if the likelihood does not
            change along some direction, or if the one parameter with an error does not move.
        OutputError: If toys cannot be kept, or others are there.
        RunError: If blocks failed for good; the others are kept.
        StudyError: If the executor forks, or there are fewer than one workers.
    """
    if not isinstance(likelihood, BinnedLikelihood):
        raise LikelihoodError(
            f"{type(likelihood).__name__} is no likelihood; make one with "
            "BinnedLikelihood.from_pyhf(read_workspace(path))"
        )
    n_workers = require_workers(executor, workers)
    check_toys(likelihood, n_toys, seed, truth, ensemble)
    moving = tuple(
        name for name, held in zip(likelihood.names, likelihood.held, strict=True) if not held
    )
    if not moving:
        raise LikelihoodError("every parameter is fixed; there is nothing to fit")
    wanted = _wanted(likelihood, errors, moving)
    if truth == "fit":
        refuse_flat(likelihood, likelihood.init)
    theta = resolve_truth(likelihood, truth)
    refuse_flat(likelihood, theta)
    plan = _Plan(
        likelihood=likelihood,
        seed=seed,
        theta=theta,
        ensemble=ensemble,
        moving=moving,
        errors=wanted,
    )
    slices = _slices(plan)
    campaign = Campaign(
        plan=plan,
        n_toys=n_toys,
        block=likelihood.block * plan.streams,
        layout=Layout(
            methods=(BINNED.name,),
            parameters=moving,
            identity=_identity(plan, truth),
        ),
        sum_up=partial(_sum_up, slices=slices),
        together=plan.together,
    )
    toys = campaign.run(executor, n_workers, progress, Keep.of(keep))
    return ToysResult.of(
        toys,
        parameters=moving,
        seed=seed,
        truth=dict(zip(likelihood.names, theta.tolist(), strict=True)),
        ensemble=ensemble,
        slices=slices,
        n_toys=n_toys,
    )


def _wanted(
    likelihood: BinnedLikelihood, errors: str, moving: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Parameters with errors; None for all."""
    if errors == "all":
        return None
    if errors != "poi":
        raise LikelihoodError(f"errors = {errors!r} is neither 'all' nor 'poi'")
    if likelihood.poi is None:
        raise LikelihoodError(
            "errors = 'poi', but the measurement names no parameter of interest; "
            "name one there, or use errors = 'all'"
        )
    if likelihood.poi not in moving:
        raise LikelihoodError(
            f"errors = 'poi', but {likelihood.poi!r} is fixed, and no parameter would have an "
            "error; let it move, or use errors = 'all'"
        )
    return (likelihood.poi,)


def _identity(plan: _Plan, truth: Truth) -> str:
    """What decides the toys of a model."""
    values = (
        truth if isinstance(truth, str) else {name: float(value) for name, value in truth.items()}
    )
    return identity_of(
        "toys",
        model=plan.likelihood.digest,
        seed=plan.seed,
        ensemble=plan.ensemble,
        truth=values,
        **({} if plan.errors is None else {"errors": list(plan.errors)}),
        block=plan.likelihood.block * plan.streams * plan.together,
    )


def _slices(plan: _Plan) -> Slices | None:
    """Where the toys are divided; None where true values are fixed."""
    if plan.ensemble == "fixed":
        return None
    edges, estimated = prior_slices(plan.likelihood, plan.theta)
    return Slices(edges[plan.positions], estimated[plan.positions])
