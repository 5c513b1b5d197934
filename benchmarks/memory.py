"""Peak memory of the command line, a fresh process each, against the number of toys."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import POSTER, Settings
from benchmarks.rows import Row

_STUDY = ("run", "--rho", "0.3", "--n-events", "200", "--set", "calibration.source=exact")
_TOYS = ("toys", str(POSTER))


def measure(settings: Settings) -> list[Row]:
    sizes = [settings.size(full, quick) for full, quick in ((1000, 500), (10_000, 1000))]
    sizes += [] if settings.quick else [100_000]
    rows = []
    for command in (_STUDY, _TOYS):
        peaks = [peak((*command, "--n-toys", str(n))) for n in sizes]
        listed = ", ".join(f"{peak:.0f}" for peak in peaks)
        rows.append(
            Row(
                what=f"pullfactory {command[0]}: peak at {sizes[-1]} toys / at {sizes[0]}",
                value=peaks[-1] / peaks[0],
                at_most=1.1,
                detail=f"{listed} MB at {', '.join(map(str, sizes))} toys",
            )
        )
    return rows if settings.quick else [*rows, _growth()]


def _growth() -> Row:
    """What ten times as many toys of a workspace take more."""
    few, many = (peak((*_TOYS, "--n-toys", str(n))) for n in (100_000, 1_000_000))
    return Row(
        what="pullfactory toys: peak at 1000000 toys less that at 100000",
        value=many - few,
        unit="MB",
        at_most=50.0,
        detail=f"{few:.0f} and {many:.0f} MB",
    )


def peak(arguments: tuple[str, ...]) -> float:
    """Largest resident memory of one command in MB.

    A child starts with the peak of its parent, so nothing heavy may have run in this process.

    Args:
        arguments: Of pullfactory; an output folder is added.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pullfactory", *arguments, "-o", str(Path(folder, "out"))]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            _, status, usage = os.wait4(run.pid, 0)
            run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with exit code {run.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit / 1e6
