"""Progress of long work: nothing, or a bar on the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from time import monotonic, perf_counter

from pullfactory.errors import printable

Advance = Callable[[int], None]
"""Called with the number of steps done since the last call, perhaps from several threads."""

Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""Called with a stage's name and number of steps, 0 if it is not known; entered for as long as the
stage takes."""

_WHILE = 1.0  # seconds between two counts of workers


@contextmanager
def silent(_stage: str, _total: int) -> Iterator[Advance]:
    """Show nothing."""
    yield unseen


def unseen(_steps: int) -> None:
    """Where nobody sees a bar, such as in another process."""


@contextmanager
def bar(stage: str, total: int, workers: Callable[[], int] | None = None) -> Iterator[Advance]:
    """Show a bar with rate and time left on standard error, if that is a terminal.

    Args:
        stage: Its name.
        total: Number of steps, 0 if it is not known.
        workers: Says how many workers there are, which is shown too; None for nothing.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(file=sys.stderr)
    with Progress(
        TextColumn("{task.description:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", justify="right"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.file.isatty(),
    ) as display:
        crew = _Crew(workers if console.file.isatty() else None)
        task = display.add_task(stage, total=total or None, rate=str(crew))

        def advance(steps: int) -> None:
            display.update(task, advance=steps)
            speed = display.tasks[0].speed
            if speed and total != 1:
                display.update(task, rate=" ".join(filter(None, (f"{speed:.0f}/s", str(crew)))))

        yield advance


class _Crew:
    """Workers in words; they are counted once in a while."""

    def __init__(self, count: Callable[[], int] | None) -> None:
        self._count = count
        self._counted = -_WHILE
        self._words = ""

    def __str__(self) -> str:
        if self._count and monotonic() - self._counted >= _WHILE:
            self._counted = monotonic()
            number = self._count()
            self._words = f"{number} worker{'s' if number != 1 else ''}"
        return self._words


def tell(line: str) -> None:
    """Say something on standard error, if somebody can be told.

    Args:
        line: Without its end; what does not print in it is escaped.
    """
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # it is full, or closed
            sys.stderr.write(f"{printable(line)}\n")
            sys.stderr.flush()


def timed(progress: Progress) -> Progress:
    """Show stages in some way, and when each has ended how long it took, on standard error.

    Args:
        progress: How they are shown.
    """

    @contextmanager
    def shown(stage: str, total: int) -> Iterator[Advance]:
        start = perf_counter()
        with progress(stage, total) as advance:
            yield advance
        tell(f"{stage}: {perf_counter() - start:.1f} s")

    return shown
