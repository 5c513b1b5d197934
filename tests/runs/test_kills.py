"""Killed at any moment, and started again: equal bytes, and little is computed twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from pullfactory.results.keeping import partial_folder

INPUTS = Path("tests/cases/inputs").absolute()
COMMANDS: dict[str, tuple[object, ...]] = {
    "toys": ("toys", INPUTS / "small.json", "--n-toys", 60_000),
    "run": ("run", INPUTS / "tiny.toml", "--n-toys", 8000),
    "audit": ("audit", INPUTS / "audit.toml", "--set", "toys.n_toys=8000"),
}
WORKERS = 2
IN_FLIGHT = 2 * WORKERS  # parts that are computed, or wait to be stored
KILLS = int(os.environ.get("KILLS", "2"))  # of each verb; 20 take a quarter of an hour

# The command line, which notes in a file each part that it makes.
NOTING = """
import sys
from pullfactory.cli import main
from pullfactory.runs.campaign import Campaign

notes, make = sys.argv.pop(1), Campaign._make

def noted(self, fit, index):
    content = make(self, fit, index)
    with open(notes, "a") as file:
        file.write(f"{index}\\n")
    return content

Campaign._make = noted
main()
"""

Invoke = Callable[..., CompletedProcess[str]]


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@dataclass(frozen=True, kw_only=True)
class Killed:
    """What a run did that was killed, or ended before.

    Attributes:
        made: Parts that it made.
        kept: Parts that it kept.
        ended: Whether it ended.
        first: Seconds after which it kept the first part; None if that was not waited for.
    """

    made: int
    kept: int
    ended: bool
    first: float | None


def kept(out: Path) -> dict[str, int]:
    """Parts that are kept, beside the result or in it, and which files they are."""
    found = dict[str, int]()
    for folder in (partial_folder(out), out):
        with suppress(FileNotFoundError):
            parts = (folder / "toys.parquet").iterdir()
            found |= {path.name: path.stat().st_ino for path in parts}
    return found


def kill(command: list[str], out: Path, notes: Path, seconds: float | None, late: float) -> Killed:
    """Run and kill: after some seconds, or a little after the first part is kept."""
    notes.write_text("")
    before, begun, first = kept(out), time.monotonic(), None
    with subprocess.Popen(
        [sys.executable, "-c", NOTING, str(notes), *command, "-o", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        if seconds is None:
            while process.poll() is None and len(kept(out)) <= len(before):
                time.sleep(0.002)
            first = time.monotonic() - begun
            seconds = first + late
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(begun + seconds - time.monotonic(), 0.0))
        process.kill()
    after = kept(out)
    ended = process.returncode == 0
    assert ended or process.returncode == -signal.SIGKILL
    assert before.items() <= after.items()  # none is made again
    made = len(notes.read_text().split())
    return Killed(made=made, kept=len(after) - len(before), ended=ended, first=first)


@pytest.mark.slow  # a process for each kill: minutes
@pytest.mark.parametrize("verb", COMMANDS)
def test_killed_at_random_moments(verb: str, tmp_path: Path, invoke: Invoke) -> None:
    """Half of them at any moment, half of them while toys are made."""
    command = [*map(str, COMMANDS[verb]), "--workers", str(WORKERS)]
    assert invoke(*command, "-o", tmp_path / "whole").returncode == 0
    whole = files_of(tmp_path / "whole")
    rng = random.Random(verb)
    out, cycles, longest, runs = tmp_path / "place" / "0", 0, 0.0, list[Killed]()
    while sum(not run.ended for run in runs) < KILLS:
        anywhere = rng.uniform(0.0, 2.0 * longest) if len(runs) % 2 else None
        run = kill(command, out, tmp_path / "notes", anywhere, rng.uniform(0.0, 0.2))
        runs.append(run)
        longest = max(longest, run.first or 0.0)
        if run.ended:
            assert files_of(out) == whole
            cycles += 1
            out = out.with_name(str(cycles))
    killed = [run for run in runs if not run.ended]
    assert not [run for run in killed if run.made - run.kept > IN_FLIGHT]
    assert sum(run.kept > 0 for run in killed) >= max(KILLS // 4, 1)
    assert invoke(*command, "-o", out).returncode == 0
    assert files_of(out) == whole
    assert {path.name for path in out.parent.iterdir()} == {str(n) for n in range(cycles + 1)}
