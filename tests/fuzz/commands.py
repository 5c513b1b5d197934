"""Whole commands on spoilt inputs, each in a process with little memory and time."""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.fuzz.cases import MEMORY, SECONDS, Failure, spoilt
from tests.fuzz.targets import TARGETS

__all__ = ["COMMANDS", "find_command"]

_WAITED = 600.0  # seconds, in which nothing may happen
_PREDICTED = "--n-events 50 --rho 0.5 --methods binned"
_SMALL = f"--n-toys 8 {_PREDICTED}"
_RUN = "--figures none -o out"
_TOYS = f"--n-toys 8 {_RUN}"
COMMANDS: Mapping[str, str] = {
    "tiny.toml": f"run tiny.toml {_SMALL} {_RUN}",
    "three.toml": f"predict three.toml {_PREDICTED} -o out",
    "audit.toml": "audit audit.toml --n-toys 0 --figures none -o out",
    "nominal.parquet": "audit audit.toml --n-toys 0 --figures none -o out",
    "small.json": f"toys small.json {_TOYS}",
    "modifiers.json": f"toys modifiers.json {_TOYS}",
    "double.json": f"toys small.json --patch double.json {_TOYS}",
    "calibration.json": f"run tiny.toml --calibration calibration.json {_SMALL} {_RUN}",
    "toys-summary.json-report": "report toys",
    "study-summary.json-read": "report study --figures none",
}
"""What is run on an input of each of these targets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usage:
    """What a command took.

    Attributes:
        code: Exit code.
        said: Lines on both outputs.
        seconds: Of the processor.
        memory: Most bytes that it had at once; 0 where it was killed.
    """

    code: int
    said: list[str]
    seconds: float
    memory: int


def find_command(folder: Path, target: str, seed: int) -> Failure | None:
    """Run a command on one input; what is wrong with how it ends, if anything is.

    Args:
        folder: Of `make_corpus`.
        target: One of `COMMANDS`.
        seed: Says how the input is spoilt.
    """
    data = spoilt(folder, target, seed)
    valid = _valid(folder, target)
    used = _run(folder, target, data, memory=valid.memory + MEMORY, seconds=valid.seconds + SECONDS)
    what = _wrong(used)
    return Failure(target=target, seed=seed, what=what, input=data) if what else None


@cache
def _valid(folder: Path, target: str) -> _Usage:
    used = _run(folder, target, (folder / TARGETS[target].file).read_bytes())
    if used.code:
        raise RuntimeError(f"{COMMANDS[target]} ends with {used.code}: {used.said}")
    return used


def _wrong(used: _Usage) -> str | None:
    if used.code < 0:
        return f"killed by signal {-used.code} after {used.seconds:.0f} s: {used.said[-1:]}"
    raised = [line for line in used.said if re.search(r"^Traceback|\w+Warning: ", line)]
    refused = [line for line in used.said if line.startswith("Error: ")]
    if raised or not all(line.isprintable() for line in used.said):
        return f"exit {used.code}, and said {(raised or used.said)[:2]} ... {used.said[-1:]}"
    if used.code not in (0, 1, 2) or bool(used.code) is not bool(refused):
        return f"exit {used.code}, and said {used.said[-2:]}"
    return None


def _run(
    folder: Path, target: str, data: bytes, *, memory: int = -1, seconds: float = -1
) -> _Usage:
    with tempfile.TemporaryDirectory() as place:
        here, status = Path(place) / "here", Path(place) / "status"
        shutil.copytree(folder, here)
        (here / TARGETS[target].file).write_bytes(data)
        program = [sys.executable, "-P", str(Path(__file__).with_name("limited.py"))]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*program, str(memory), str(int(seconds)), str(status), *COMMANDS[target].split()],
            cwd=here,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "XDG_CACHE_HOME": str(folder.parent / "cache"), "COLUMNS": "80"},
            timeout=_WAITED,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        peak = re.search(r"VmPeak:\s+(\d+) kB", status.read_text() if status.exists() else "")
    return _Usage(
        code=done.returncode,
        said=done.stdout.decode("utf-8", "replace").splitlines(),
        seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        memory=1024 * int(peak[1]) if peak else 0,
    )
