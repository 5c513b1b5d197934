"""Whole studies, against the floor: the normals drawn once, the histograms filled."""

from functools import partial
from statistics import median

from benchmarks.measure import Settings, Task, ratio, seconds, take_turns
from benchmarks.models import calibrated
from benchmarks.peers import draw_and_fill
from benchmarks.rows import Row, duration
from pullfactory import Calibration, build_method, fit_toys, run
from pullfactory.simulation.toys import block_size, draw_base


def measure(settings: Settings) -> list[Row]:
    n_events = settings.size(5000, 1000)
    gaussian = calibrated(n_toys=settings.size(10_000, 1000), n_events=n_events)
    voigt = calibrated(("m_t", "m_W"), n_toys=settings.size(500, 200), n_events=n_events)
    return [
        *_case(settings, "Gaussian", gaussian, 3.0),
        *_case(settings, "Voigt", voigt, None),
    ]


def _case(
    settings: Settings, name: str, calibration: Calibration, target: float | None
) -> list[Row]:
    study = calibration.study
    ensemble = study.ensemble
    edges = [
        (edge - observable.mu) / observable.sigma
        for edge, observable in zip(calibration.edges, study.observable, strict=True)
    ]
    tasks: dict[str, Task] = {
        "study": partial(run, study, calibration=calibration),
        "floor": partial(
            draw_and_fill,
            edges,
            toys=ensemble.n_toys,
            events=ensemble.n_events,
            correlations=len(ensemble.rho),
            block=block_size(study),
        ),
    }
    one_block = study.with_settings({"ensemble.n_toys": 1})
    first = seconds(partial(run, one_block, calibration=calibration))
    times = take_turns(tasks, settings.rounds)
    size = f"{ensemble.n_toys} toys x {len(ensemble.rho)} rho x {ensemble.n_events} events"
    floor = median(times["floor"])
    return [
        Row(
            what=f"{name}, {size}: run / floor",
            value=ratio(times["study"], times["floor"]),
            at_most=target,
            detail=f"{duration(median(times['study']))} and {duration(floor)}; "
            f"{_split(calibration)}",
        ),
        Row(
            what=f"{name}: the first block, with compilation",
            value=first,
            unit="s",
        ),
    ]


def _split(calibration: Calibration) -> str:
    """Shares of the time of one block in one thread."""
    study = calibration.study
    unbinned, binned = (build_method(name, calibration) for name in ("unbinned", "binned"))
    chosen = [study.cholesky(rho) for rho in study.ensemble.rho]
    base = draw_base(study, 0)
    toys = base.correlate(chosen[0])
    seen = {method.name: method.observe(toys) for method in (unbinned, binned)}
    data = {name: one.data for name, one in seen.items()}
    fits = {
        method.name: fit_toys(method.likelihood, data[method.name]) for method in (unbinned, binned)
    }

    def scatter() -> None:
        for method in (unbinned, binned):
            method.scatter(fits[method.name].estimate, seen[method.name].pairs)

    once: dict[str, Task] = {"draw": lambda: draw_base(study, 0)}
    every: dict[str, Task] = {
        "correlate and map": lambda: base.correlate(chosen[0]),
        "fill": lambda: binned.observe(toys),
        "reduce": lambda: unbinned.observe(toys),
        "fit unbinned": lambda: fit_toys(unbinned.likelihood, data["unbinned"]),
        "fit binned": lambda: fit_toys(binned.likelihood, data["binned"]),
        "sandwich": scatter,
    }
    times = take_turns(once | every, 3)
    best = {name: min(times[name]) * (len(chosen) if name in every else 1) for name in times}
    total = sum(best.values())
    return ", ".join(f"{name} {time / total:.0%}" for name, time in best.items())
