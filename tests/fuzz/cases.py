"""One case: an input, spoilt as its seed says, and how reading it ends."""

import io
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from random import Random
from unittest.mock import patch

from pullfactory.errors import OutputWarning, PullfactoryError, RunError
from tests.fuzz.targets import TARGETS, Target

__all__ = ["Failure", "find", "spoilt", "try_input"]

SECONDS = 10.0  # of the processor, for inputs that take a tenth of one
WAITED = 60.0  # seconds, in which nothing may happen
MEMORY = 2 * 2**30  # bytes beyond what is there before
LONGEST = 1000  # letters of a refusal


class TooLongError(BaseException):
    """Not to be caught by what catches whatever a library raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An input at which reading did not end in success or in a refusal on one line.

    Attributes:
        target: Name.
        seed: Of the input; None for one that was kept.
        what: How it ended.
        input: What was read.
    """

    target: str
    seed: int | None
    what: str
    input: bytes

    def save(self, folder: Path) -> Path:
        """Write the input where it can be looked at, and kept as a test."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.target}-{self.seed}"
        path.write_bytes(self.input)
        return path


def find(folder: Path, target: str, seed: int) -> Failure | None:
    """Try one input; what is wrong with how it ends, if anything is.

    Args:
        folder: Of `make_corpus`; is afterwards as before.
        target: Name of one of `TARGETS`.
        seed: Says how the input is spoilt.
    """
    data = spoilt(folder, target, seed)
    what = try_input(folder, TARGETS[target], data)
    return Failure(target=target, seed=seed, what=what, input=data) if what else None


def spoilt(folder: Path, target: str, seed: int) -> bytes:
    """The input of a case."""
    one = TARGETS[target]
    path = folder / one.file
    return one.mutate(Random(f"{target} {seed}"), path.read_bytes() if path.exists() else b"")


def try_input(folder: Path, target: Target, data: bytes) -> str | None:
    """Read an input; how that ended, if it should not have.

    Args:
        folder: Of `make_corpus`; is afterwards as before.
        target: What reads it.
        data: The input.
    """
    path = folder / target.file
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(data)
    try:
        with chdir(folder), _silent():
            return _ending(lambda: target.read(folder))
    finally:
        path.unlink() if before is None else path.write_bytes(before)


def _ending(read: Callable[[], object]) -> str | None:
    try:
        with warnings.catch_warnings(record=True) as said, _limited():
            warnings.simplefilter("always")
            warnings.simplefilter("ignore", OutputWarning)  # it is one line of ours
            warnings.simplefilter("ignore", DeprecationWarning)  # of libraries among themselves
            read()
    except PullfactoryError as error:  # some of them are an OSError too
        lines = error.lines
        if isinstance(error, RunError) or not lines:
            return _shown(error)
        if not all(line.isprintable() and 0 < len(line) <= LONGEST for line in lines):
            return f"refused in a line of {max(map(len, lines))} letters: {lines[0][:200]!r}"
    except OSError as error:  # a path that no system takes; the command line has a line for it
        return None if error.errno else _shown(error)
    except (Exception, TooLongError) as error:  # noqa: BLE001
        return _shown(error)
    for one in said:
        return f"warned: {one.message} ({Path(one.filename).name}:{one.lineno})"
    return None


def _shown(error: BaseException) -> str:
    """What was raised, and the innermost line of the package that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "pullfactory" in frame.filename] or list(frames)
    where = ours[-1]
    text = " ".join(str(error).split())[:160]
    place = f"{where.name} ({Path(where.filename).name}:{where.lineno})"
    return f"{type(error).__name__} in {place}: {text}"


@contextmanager
def _limited() -> Iterator[None]:
    """Within it, more time than `SECONDS` is a `TooLongError`, and more memory a MemoryError."""

    def stop(_number: int, _frame: object) -> None:
        raise TooLongError(f"more than {SECONDS:g} s")

    timers = {
        signal.ITIMER_PROF: (signal.SIGPROF, SECONDS),
        signal.ITIMER_REAL: (signal.SIGALRM, WAITED),
    }
    old = {number: signal.signal(number, stop) for number, _ in timers.values()}
    with _little_memory():
        try:
            for timer, (_, seconds) in timers.items():
                signal.setitimer(timer, seconds)
            yield
        finally:
            for timer in timers:
                signal.setitimer(timer, 0.0)
            for number, handler in old.items():
                signal.signal(number, handler)


@contextmanager
def _little_memory() -> Iterator[None]:
    status = Path("/proc/self/statm")
    if not status.exists():
        yield
        return
    import resource

    old = resource.getrlimit(resource.RLIMIT_AS)
    now = int(status.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, old)


@contextmanager
def _silent() -> Iterator[None]:
    """Within it, nothing is on standard input, and output goes nowhere."""
    nothing = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    out = io.StringIO()
    with patch.object(sys, "stdin", nothing), redirect_stdout(out), redirect_stderr(out):
        yield
