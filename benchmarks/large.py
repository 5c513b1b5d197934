"""Large models, each in a fresh process: CPU time a toy with errors, compilation, memory."""

import importlib
import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from time import process_time
from typing import NamedTuple

import numpy as np
import pyhf
from numpy.typing import NDArray

from benchmarks.measure import POSTER, Settings, in_fresh_process
from benchmarks.models import gamma_workspace, shape_workspace
from benchmarks.rows import Row, duration
from pullfactory import BinnedLikelihood, fit_toys, read_workspace, throw_toys
from pullfactory.fitting import fit_minuit

_SEED = 1


class _Model(NamedTuple):
    """One model, toys to time, and the targets: seconds of CPU a toy, and bytes."""

    make: Callable[[], pyhf.Workspace]
    toys: int
    seconds: float
    memory: float | None = None


MODELS = {
    "60 parameters, 100 bins": _Model(partial(shape_workspace, 100, 30, 29), 32, 2e-3),
    "120 parameters (100 gammas), 100 bins": _Model(
        partial(shape_workspace, 100, 10, 9, gammas=True), 32, 2e-3
    ),
    "201 parameters, 50 channels x 4 bins": _Model(partial(gamma_workspace, 50, 4), 16, 10e-3),
    "300 parameters (200 gammas), 200 bins": _Model(
        partial(shape_workspace, 200, 50, 49, gammas=True), 16, 15e-3
    ),
    "301 parameters, 10 channels x 100 bins": _Model(
        partial(shape_workspace, 100, 150, 150, channels=10), 8, 250e-3, 1.5e9
    ),
    "poster.json": _Model(partial(read_workspace, POSTER), 10240, 15e-6),
}


SIZES = [(parameters, 100) for parameters in (15, 30, 60, 120, 240)]
SIZES += [(60, bins) for bins in (50, 200, 400)]
"""Parameters, half of them normalisations and half of them shapes, and bins of one channel."""
_WHOLE_TOYS = 2  # fitted without structure, each of which takes up to a second


class Figures(NamedTuple):
    """Seconds of CPU a toy, of the first toys with reading and compilation, and peak memory."""

    toy: float
    first: float
    memory: float
    batch: int
    failed: int
    minuit: str
    nextstat: str


def measure(settings: Settings) -> list[Row]:
    """Rows of every model, and of the scaling with their size."""
    use_one_thread()
    chosen = list(MODELS)[:: settings.size(1, 3)]
    models = {name: MODELS[name] for name in chosen}
    if settings.workspace:
        read = partial(
            read_workspace,
            settings.workspace,
            patches=[settings.patch] if settings.patch else [],
        )
        models[settings.workspace.stem] = _Model(read, 64, 5e-3)
    rows = []
    for name, model in models.items():
        toys = settings.size(model.toys, 2)
        figures = in_fresh_process(figures_of, model.make, toys)
        rows += _rows(name, model, figures)
    rows += [in_fresh_process(scaling_of, *size) for size in SIZES[:: settings.size(1, 4)]]
    return rows


def use_one_thread() -> None:
    """Let XLA compute in one thread: two of them take CPU time while they wait for each other."""
    os.environ.setdefault("NPROC", "1")


def scaling_of(parameters: int, bins: int) -> Row:
    """The same toys by structure and as a whole, which is how they were fitted before."""
    workspace = shape_workspace(bins, parameters // 2, parameters - 1 - parameters // 2)
    likelihood = BinnedLikelihood.from_pyhf(workspace)
    data = throw_toys(likelihood, 32, _SEED).data
    structured = _cpu_of_fits(likelihood, data)
    whole = structured
    if likelihood.structure is not None:
        dense = replace(likelihood, structure=None, numbers=None)
        whole = _cpu_of_fits(dense, data[:_WHOLE_TOYS])
    return Row(
        what=f"{parameters} parameters, {bins} bins: CPU a toy as a whole / by structure",
        value=whole / structured,
        unit="x",
        detail=f"{duration(whole)} and {duration(structured)}",
    )


def _cpu_of_fits(likelihood: BinnedLikelihood, data: NDArray[np.float64]) -> float:
    """Seconds of CPU a toy, compiled before, the best of three."""
    fit_toys(likelihood, data)
    times = []
    for _ in range(3):
        started = process_time()
        fit_toys(likelihood, data)
        times.append((process_time() - started) / len(data))
    return min(times)


def figures_of(make: Callable[[], pyhf.Workspace], toys: int, *, minuit: bool = True) -> Figures:
    """Measure one model in this process."""
    started = process_time()
    workspace = make()
    likelihood = BinnedLikelihood.from_pyhf(workspace)
    data = throw_toys(likelihood, toys, _SEED).data
    fits = fit_toys(likelihood, data)
    first = process_time() - started
    spent = _cpu_of_fits(likelihood, data)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    peer = ""
    if minuit:
        fit_minuit(likelihood, data[0])
        started = process_time()
        other = fit_minuit(likelihood, data[0])
        taken = process_time() - started
        higher = 2 * (fits.nll[0] - other.nll)
        far = np.nanmax(np.abs(fits.estimate[0] - other.estimate) / fits.error[0])
        peer = (
            f"Minuit {duration(taken)}, minimum {higher:.2g} above its, "
            f"estimates within {far:.2g} sigma"
        )
    failed = int(np.sum(fits.status > 2))
    beside = beside_nextstat(workspace, likelihood, toys)
    return Figures(spent, first, memory, likelihood.batch, failed, peer, beside)


def beside_nextstat(workspace: pyhf.Workspace, likelihood: BinnedLikelihood, toys: int) -> str:
    """Fits with errors of the same toys by both in turns, where NextStat is installed.

    It takes counts alone: the auxiliary data of these toys are the observed ones.
    """
    try:
        nextstat = importlib.import_module("nextstat")
    except ImportError:
        return "NextStat is not installed"
    data = throw_toys(likelihood, toys, _SEED, ensemble="prior").data
    model = nextstat.HistFactoryModel.from_workspace(json.dumps(workspace))
    order = [model.parameter_names().index(name) for name in likelihood.names]
    fit_toys(likelihood, data)
    started = process_time()
    fits = fit_toys(likelihood, data)
    ours = (process_time() - started) / toys
    started = process_time()
    others = [nextstat.fit(model, data=list(row[: likelihood.n_main])) for row in data]
    theirs = (process_time() - started) / toys
    kept = [i for i, other in enumerate(others) if other.converged]
    if not kept:
        return f"NextStat {duration(theirs)}, no fit converged"
    estimates = np.array([others[i].bestfit for i in kept])[:, order]
    errors = np.array([others[i].uncertainties for i in kept])[:, order]
    nll = [float(likelihood.nll(at, row)) for at, row in zip(estimates, data[kept], strict=True)]
    higher = 2 * np.max(fits.nll[kept] - nll)
    far = np.nanmax(np.abs(fits.estimate[kept] - estimates) / fits.error[kept])
    apart = np.nanmax(np.abs(errors / fits.error[kept] - 1))
    return (
        f"NextStat {duration(theirs)}, ours {duration(ours)} on the same toys; "
        f"{toys - len(kept)} of its fits did not converge; our minimum at most {higher:.2g} above "
        f"its, estimates within {far:.2g} sigma, errors within {100 * apart:.2g} %"
    )


def _rows(name: str, model: _Model, figures: Figures) -> list[Row]:
    detail = f"{figures.failed} failed; {figures.minuit}; {figures.nextstat}"
    return [
        Row(
            what=f"{name}: CPU a toy with errors",
            value=figures.toy * 1e3,
            unit="ms",
            at_most=model.seconds * 1e3,
            detail=detail,
        ),
        Row(
            what=f"{name}: reading, tracing, compiling and the first toys",
            value=figures.first,
            unit="s",
            detail="CPU",
        ),
        Row(
            what=f"{name}: peak memory",
            value=figures.memory / 1e6,
            unit="MB",
            at_most=None if model.memory is None else model.memory / 1e6,
            detail=f"batches of {figures.batch}",
        ),
    ]


if __name__ == "__main__":
    use_one_thread()
    for _name, _model in MODELS.items():
        if any(word in _name for word in sys.argv[1:]):
            sys.stdout.write(f"{_name}: {figures_of(_model.make, _model.toys)}\n")
            sys.stdout.flush()
    for _parameters, _bins in SIZES if "scaling" in sys.argv[1:] else []:
        sys.stdout.write("  ".join(scaling_of(_parameters, _bins).cells) + "\n")
        sys.stdout.flush()
