"""Toys a second of any workspace, against loops of `pyhf.infer.mle.fit`."""

from functools import partial
from pathlib import Path
from statistics import median

import pyhf

from benchmarks.measure import (
    CORES,
    POSTER,
    Settings,
    Task,
    in_fresh_process,
    ratio,
    seconds,
    take_turns,
)
from benchmarks.models import large_workspace
from benchmarks.peers import fit_with_pyhf
from benchmarks.rows import Row, duration
from pullfactory import BinnedLikelihood, fit_toys, read_workspace, run_toys, throw_toys

_SEED = 1


def measure(settings: Settings) -> list[Row]:
    rows = _poster(settings)
    rows += _morphing(settings)
    rows += _large(settings, "synthetic workspace", large_workspace(20))
    if settings.workspace:
        own = _read(settings.workspace, settings.patch)
        rows += _large(settings, settings.workspace.stem, own)
    return rows


def _poster(settings: Settings) -> list[Row]:
    n_toys, n_loop = settings.size(10_000, 512), settings.size(100, 5)
    workspace = read_workspace(POSTER)
    likelihood = BinnedLikelihood.from_pyhf(workspace)
    thrown = throw_toys(likelihood, n_toys, _SEED)
    tasks: dict[str, Task] = {
        "run_toys": partial(run_toys, likelihood, n_toys, _SEED),
        "fit_toys": partial(fit_toys, likelihood, thrown.data),
        **_loops(workspace, likelihood, n_loop),
    }
    for ours in ("run_toys", "fit_toys"):
        tasks[ours]()
    times = take_turns(tasks, settings.rounds)
    times["first"] = [in_fresh_process(_first_run, POSTER, n_toys) for _ in range(settings.rounds)]
    sizes = {"Minuit": n_loop, "SLSQP": n_loop}
    per_toy = {name: [t / sizes.get(name, n_toys) for t in times[name]] for name in times}
    where = f"poster.json, {n_toys} toys"
    kinds = {
        "run_toys": (f"run_toys on {CORES} threads", {"Minuit": 300.0, "SLSQP": 100.0}),
        "first": ("the same with tracing and compilation", {"Minuit": 60.0, "SLSQP": 30.0}),
        "fit_toys": ("fit_toys from one thread, without throwing", {}),
    }
    return [
        _speedup(f"{where}: {label} / {peer}", per_toy[peer], per_toy[ours], targets.get(peer))
        for ours, (label, targets) in kinds.items()
        for peer in sizes
    ]


def _morphing(settings: Settings) -> list[Row]:
    """A sample for each bin, beside two samples: the same toys a second, or how many fewer."""
    n_toys = settings.size(10_000, 512)
    tasks: dict[str, Task] = {
        kind: partial(run_toys, BinnedLikelihood.from_pyhf(read_workspace(path)), n_toys, _SEED)
        for kind, path in {
            "additive_cross": POSTER,
            "multiplicative": POSTER.with_name("poster_multiplicative.json"),
        }.items()
    }
    for task in tasks.values():
        task()
    times = take_turns(tasks, settings.rounds)
    per_toy = {kind: duration(median(times[kind]) / n_toys) for kind in tasks}
    return [
        Row(
            what=f"{n_toys} toys: multiplicative / additive_cross, time of run_toys",
            value=ratio(times["multiplicative"], times["additive_cross"]),
            at_most=4.0,
            detail=f"{per_toy['multiplicative']} and {per_toy['additive_cross']} a toy",
        )
    ]


def _large(settings: Settings, name: str, workspace: pyhf.Workspace) -> list[Row]:
    likelihood = BinnedLikelihood.from_pyhf(workspace)
    n_toys = likelihood.batch * CORES * settings.size(2, 1)
    n_loop = settings.size(5, 1)
    loops = _loops(workspace, likelihood, n_loop)
    tasks: dict[str, Task] = {
        "ours": partial(run_toys, likelihood, n_toys, _SEED),
        "Minuit": loops["Minuit"],
    }
    run_toys(likelihood, 1, _SEED)
    times = take_turns(tasks, settings.rounds)
    ours, minuit = [t / n_toys for t in times["ours"]], [t / n_loop for t in times["Minuit"]]
    what = f"{name}, {len(likelihood.parameters)} parameters, {n_toys} toys: run_toys / Minuit"
    return [_speedup(what, minuit, ours, 20.0)]


def _loops(workspace: pyhf.Workspace, likelihood: BinnedLikelihood, n_toys: int) -> dict[str, Task]:
    model = workspace.model()
    data = throw_toys(likelihood, n_toys, _SEED).data
    return {
        "Minuit": partial(fit_with_pyhf, model, data, minuit=True),
        "SLSQP": partial(fit_with_pyhf, model, data, minuit=False),
    }


def _first_run(path: Path, n_toys: int) -> float:
    """Seconds from a workspace to the result where nothing is compiled yet."""
    workspace = read_workspace(path)

    def run() -> object:
        return run_toys(BinnedLikelihood.from_pyhf(workspace), n_toys, _SEED)

    return seconds(run)


def _read(path: Path, patch: Path | None) -> pyhf.Workspace:
    return read_workspace(path, patches=[patch] if patch else [])


def _speedup(what: str, peer: list[float], ours: list[float], target: float | None) -> Row:
    """Row from seconds a toy, one a round."""
    detail = f"{duration(median(ours))} and {duration(median(peer))} a toy"
    return Row(what=what, value=ratio(peer, ours), unit="x", at_least=target, detail=detail)
