"""Progress of long work: nothing, or a bar on the terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from time import perf_counter

Advance = Callable[[int], None]
"""Called with the number of steps done since the last call, perhaps from several threads."""

Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""Called with a stage's name and number of steps, 0 if it is not known; entered for as long as the
stage takes."""


@contextmanager
def silent(_stage: str, _total: int) -> Iterator[Advance]:
    """Show nothing."""
    yield unseen


def unseen(_steps: int) -> None:
    """Where nobody sees a bar, such as in another process."""


@contextmanager
def bar(stage: str, total: int) -> Iterator[Advance]:
    """Show a bar with rate and time left on standard error, if that is a terminal."""
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
        task = display.add_task(stage, total=total or None, rate="")

        def advance(steps: int) -> None:
            display.update(task, advance=steps)
            speed = display.tasks[0].speed
            if speed and total != 1:
                display.update(task, rate=f"{speed:.0f}/s")

        yield advance


def tell(line: str) -> None:
    """Say something on standard error, if somebody can be told.

    Args:
        line: Without its end.
    """
    if sys.stderr is not None:
        with suppress(OSError, ValueError):  # it is full, or closed
            sys.stderr.write(f"{line}\n")
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
