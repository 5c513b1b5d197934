"""Unbinned fits of toys of 5000 events, against Minuit over a plain numpy likelihood."""

from functools import partial
from statistics import median

import numpy as np

from benchmarks.measure import CORES, Settings, Task, on_all_cores, ratio, take_turns
from benchmarks.models import calibrated
from benchmarks.peers import fit_with_minuit
from benchmarks.rows import Row, duration
from pullfactory import FitBatch, UnbinnedLikelihood, build_method, draw_toys, fit_toys

_CASES: dict[str, tuple[str, ...]] = {
    "Gaussian": (),
    "Voigt m_W": ("m_W",),
    "Voigt m_t and m_W": ("m_t", "m_W"),
}
_RHO = 0.3


def measure(settings: Settings) -> list[Row]:
    return [row for case in _CASES for row in _case(settings, case)]


def _case(settings: Settings, case: str) -> list[Row]:
    voigt = _CASES[case]
    n_events = settings.size(5000, 1000)
    n_loop = settings.size(20 if voigt else 100, 3)
    calibration = calibrated(voigt, n_events=n_events)
    method = build_method("unbinned", calibration)
    assert isinstance(method.likelihood, UnbinnedLikelihood)
    n_blocks = CORES * settings.size(2 if voigt else 5, 1)
    blocks = [draw_toys(calibration.study, index, _RHO) for index in range(n_blocks)]

    def fit(index: int) -> FitBatch:
        return fit_toys(method.likelihood, method.observe(blocks[index]).data)

    check = fit(0)
    loop = partial(fit_with_minuit, method.likelihood, blocks[0], n_loop)
    tasks: dict[str, Task] = {
        "threads": partial(on_all_cores, fit, n_blocks),
        "one": partial(fit, 0),
        "Minuit": loop,
    }
    times = take_turns(tasks, settings.rounds)
    block = len(blocks[0].events)
    sizes = {"threads": block * n_blocks, "one": block, "Minuit": n_loop}
    per_toy = {name: [t / sizes[name] for t in times[name]] for name in times}
    worst = float(np.max(np.abs(loop() - check.estimate[:n_loop]) / check.error[:n_loop]))
    target = 50.0 if voigt else 20.0
    labels = {f"{CORES} threads": ("threads", target), "one thread": ("one", None)}
    return [
        Row(
            what=f"{case}, {n_events} events: fit_toys from {label} / Minuit",
            value=ratio(per_toy["Minuit"], per_toy[ours]),
            unit="x",
            at_least=at_least,
            detail=f"{duration(median(per_toy[ours]))} and {duration(median(per_toy['Minuit']))} "
            f"a toy; estimates within {worst:.2g} sigma",
        )
        for label, (ours, at_least) in labels.items()
    ]
