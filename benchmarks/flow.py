"""A flow: learning it, fitting with it, beside the product, the copula and a flow of flowjax.

CPU times, of one process; those of compilation are what the first call takes more than later ones.
"""

import os
from collections.abc import Mapping
from functools import partial
from statistics import median
from time import process_time
from typing import TYPE_CHECKING

from benchmarks.measure import Settings, Task, ratio
from benchmarks.memory import peak
from benchmarks.rows import Row, duration

if TYPE_CHECKING:
    from pullfactory import Calibration, MethodKind, Study

_RHO = 0.5
_OURS = ("unbinned", "unbinned_joint", "flow")


def measure(settings: Settings) -> list[Row]:
    os.environ.setdefault("NPROC", "1")
    os.environ["PULLFACTORY_CACHE"] = "off"  # neither programs nor calibrations
    return [*_memory(settings), *_learning(settings), *_toys(settings)]


def _study(settings: Settings, *methods: str) -> "Study":
    from pullfactory import Study

    return Study.preset("poster").with_settings(
        {
            "methods": list(methods),
            "ensemble.rho": [_RHO],
            "ensemble.n_events": settings.size(2000, 200),
            "calibration.events_per_point": settings.size(100_000, 10_000),
            "calibration.grid": "needed",
        }
    )


def _turns(
    tasks: Mapping[str, Task], rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """CPU times of each task, one a round, and what its first call took more."""
    first = {name: _seconds(task) for name, task in tasks.items()}
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            times[name].append(_seconds(task))
    return times, {name: first[name] - median(times[name]) for name in tasks}


def _seconds(task: Task) -> float:
    start = process_time()
    task()
    return process_time() - start


def _memory(settings: Settings) -> list[Row]:
    """Before anything heavy is in this process: a child starts with the peak of its parent."""
    n_toys, events = settings.size(1000, 100), settings.size(100_000, 10_000)
    sizes = ("--n-toys", str(n_toys), "--set", f"calibration.events_per_point={events}")
    common = ("run", "--rho", str(_RHO), "--figures", "none", *sizes)
    peaks = {name: peak((*common, "--methods", name)) for name in _OURS}
    return [
        Row(
            what=f"pullfactory run --methods flow, {n_toys} toys: peak memory",
            value=peaks["flow"],
            unit="MB",
            detail=", ".join(f"{name} {peaks[name]:.0f} MB" for name in _OURS[:2]),
        )
    ]


def _learning(settings: Settings) -> list[Row]:
    """What `calibrate` takes more with a flow than without one."""
    from pullfactory import calibrate

    plain, learns = _study(settings, "unbinned"), _study(settings, "flow")
    tasks: dict[str, Task] = {
        "without": partial(calibrate, plain),
        "with": partial(calibrate, learns),
    }
    times, compiling = _turns(tasks, settings.rounds)
    learning = [b - a for a, b in zip(times["without"], times["with"], strict=True)]
    events = learns.calibration.events_per_point
    return [
        Row(
            what=f"learning of two observables, 3 x {events} events",
            value=median(learning),
            unit="s",
            at_most=30.0,
            detail=f"calibrate without {duration(median(times['without']))}, "
            f"with {duration(median(times['with']))}",
        ),
        Row(
            what="learning: compilation",
            value=compiling["with"] - compiling["without"],
            unit="s",
            at_most=5.0,
        ),
    ]


def _toys(settings: Settings) -> list[Row]:
    """Fits of a block of toys, by each method."""
    from pullfactory import FitBatch, build_method, calibrate, draw_toys, fit_toys

    study = _study(settings, *_OURS)
    calibration = calibrate(study)
    block = draw_toys(study, 0, _RHO)
    methods = {name: build_method(name, calibration, _RHO) for name in _OURS}
    if not settings.quick and (other := _flowjax(calibration)) is not None:
        methods["flowjax"] = other.build(calibration, _RHO)
    n = len(block.events)

    def fit(name: str) -> FitBatch:
        return fit_toys(methods[name].likelihood, methods[name].observe(block).data)

    times, compiling = _turns({name: partial(fit, name) for name in methods}, settings.rounds)
    per_toy = {name: [t / n for t in times[name]] for name in methods}
    listed = ", ".join(f"{name} {duration(median(t))}" for name, t in per_toy.items())
    events = study.ensemble.n_events
    rows = [
        Row(
            what=f"a toy of {events} events with the flow",
            value=1e3 * median(per_toy["flow"]),
            unit="ms",
            at_most=10.0,
            detail=f"{n} toys at once; {listed}",
        ),
        Row(what="fits with the flow: compilation", value=compiling["flow"], unit="s", at_most=5.0),
    ]
    return rows + [
        Row(what=f"a toy: {above} / {below}", value=ratio(per_toy[above], per_toy[below]), unit="x")
        for above, below in (
            ("flow", "unbinned"),
            ("flow", "unbinned_joint"),
            ("flowjax", "flow"),
        )
        if above in methods
    ]


def _flowjax(calibration: "Calibration") -> "MethodKind | None":
    """Two layers of a masked autoregressive flow, which a fit takes as long with, learnt or not."""
    try:
        from flowjax.distributions import Normal
        from flowjax.flows import masked_autoregressive_flow
    except ImportError:
        return None
    import jax
    import jax.numpy as jnp

    from pullfactory import density_method

    flow = masked_autoregressive_flow(
        jax.random.key(1), base_dist=Normal(jnp.zeros(2)), flow_layers=2, nn_width=16
    )

    def log_prob(x: jax.Array, theta: jax.Array) -> jax.Array:
        location, scale = calibration.response(theta)
        return jnp.asarray(flow.log_prob((x - location) / scale) - jnp.log(scale).sum())

    return density_method(log_prob, name="flowjax")
