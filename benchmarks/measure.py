"""How things are measured: taking turns, in fresh processes, medians."""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import linear_regression, median
from time import perf_counter
from typing import ParamSpec, TypeVar

ROOT = Path(__file__).parents[1]
POSTER = ROOT / "workspaces" / "poster.json"
CORES = os.cpu_count() or 1

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Task = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What was asked for.

    Attributes:
        quick: Tiny sizes.
        workspace: A workspace of the caller's, or None.
        patch: Its JSON patch, or None.
    """

    quick: bool = False
    workspace: Path | None = None
    patch: Path | None = None

    def size(self, full: int, quick: int) -> int:
        """One of two sizes."""
        return quick if self.quick else full

    @property
    def rounds(self) -> int:
        """How often everything is timed."""
        return self.size(3, 1)


def seconds(task: Task) -> float:
    """Wall time of one call."""
    start = perf_counter()
    task()
    return perf_counter() - start


def take_turns(tasks: Mapping[str, Task], rounds: int) -> dict[str, list[float]]:
    """Wall times of each task, one a round; in a round every task sees the same machine."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            times[name].append(seconds(task))
    return times


def ratio(above: list[float], below: list[float]) -> float:
    """Median over rounds of the ratio of two times."""
    return median(a / b for a, b in zip(above, below, strict=True))


def exponent(sizes: Iterable[float], times: Iterable[float]) -> float:
    """The p of time = constant * size^p, by least squares of the logarithms."""
    return linear_regression([*map(math.log, sizes)], [*map(math.log, times)]).slope


def in_fresh_process(
    function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """Call a module-level function in a process where nothing is compiled yet."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def on_all_cores(task: Callable[[int], Result], n_tasks: int) -> list[Result]:
    """Results of `task(0)` to `task(n_tasks - 1)`, from one thread a core."""
    with ThreadPoolExecutor(CORES) as pool:
        return list(pool.map(task, range(n_tasks)))
