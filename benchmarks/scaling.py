"""Time against the number of toys, events, bins and parameters."""

from functools import partial
from statistics import median

from benchmarks.measure import Settings, Task, exponent, take_turns
from benchmarks.models import calibrated, large_workspace, study
from benchmarks.rows import Row, duration
from pullfactory import BinnedLikelihood, build_workspace, calibrate, read_workspace, run, run_toys

_LINEAR = 1.1
_FACTORS = (1, 2, 4, 8)


def measure(settings: Settings) -> list[Row]:
    toys = settings.size(512, 64)
    steps = _FACTORS[: settings.size(4, 2)]
    return [
        _scan(settings, "run, toys", {n * toys: _study(n_toys=n * toys) for n in steps}, _LINEAR),
        _scan(
            settings,
            "run, events a toy",
            {n * 1000: _study(n_toys=toys, n_events=n * 1000) for n in steps},
            _LINEAR,
        ),
        _scan(
            settings,
            "run_toys, bins",
            dict(_binned(n * 10, 4 * toys) for n in steps),
            _LINEAR,
        ),
        _scan(
            settings,
            "run_toys, parameters",
            dict(_parameters(n * 12, toys // 2) for n in steps),
            None,
        ),
    ]


def _study(**ensemble: int) -> Task:
    calibration = calibrated((), rho=[0.3], **ensemble)
    return partial(run, calibration.study, calibration=calibration)


def _binned(n_bins: int, n_toys: int) -> tuple[int, Task]:
    settings = {"calibration.source": "exact", "workspace.n_bins": n_bins}
    workspace = build_workspace(calibrate(study().with_settings(settings)))
    likelihood = BinnedLikelihood.from_pyhf(read_workspace(workspace))
    return likelihood.n_main, partial(run_toys, likelihood, n_toys, 1)


def _parameters(systematics: int, n_toys: int) -> tuple[int, Task]:
    workspace = large_workspace(systematics, channels=1, bins=10)
    likelihood = BinnedLikelihood.from_pyhf(workspace)
    return len(likelihood.parameters), partial(run_toys, likelihood, n_toys, 1)


def _scan(settings: Settings, what: str, tasks: dict[int, Task], target: float | None) -> Row:
    for task in tasks.values():
        task()
    times = take_turns({str(size): task for size, task in tasks.items()}, settings.rounds)
    typical = [median(column) for column in times.values()]
    listed = ", ".join(
        f"{size}: {duration(time)}" for size, time in zip(tasks, typical, strict=True)
    )
    return Row(
        what=f"{what}: exponent of the time",
        value=exponent(tasks, typical),
        at_most=target,
        detail=listed,
    )
