"""How long a user waits before anything happens."""

import subprocess
import sys
from functools import partial
from statistics import median

from benchmarks.measure import Settings, Task, take_turns
from benchmarks.rows import Row, duration

_COMMANDS = {
    "python -c 'pass'": ("-c", "pass"),
    "python -c 'import pullfactory'": ("-c", "import pullfactory"),
    "python -c 'from pullfactory import run, run_toys'": (
        "-c",
        "from pullfactory import run, run_toys",
    ),
    "pullfactory --version": ("-m", "pullfactory", "--version"),
}
_TARGETS = {"python -c 'import pullfactory'": 0.3, "pullfactory --version": 0.3}


def measure(settings: Settings) -> list[Row]:
    tasks: dict[str, Task] = {
        name: partial(subprocess.run, [sys.executable, *arguments], check=True, capture_output=True)
        for name, arguments in _COMMANDS.items()
    }
    times = take_turns(tasks, settings.size(10, 3))
    return [
        Row(
            what=name,
            value=median(times[name]),
            unit="s",
            at_most=_TARGETS.get(name),
            detail=f"{duration(min(times[name]))} to {duration(max(times[name]))}",
        )
        for name in _COMMANDS
    ]
