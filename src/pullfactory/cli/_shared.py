"""What every command shares."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "epilog", "named_lost", "workers_option"]

_WIDTH = 140

workers_option: Callable[..., Any] = click.option(
    "--workers", type=click.IntRange(min=1), help="Threads.  [default: one per processor]"
)


def epilog(*lines: str) -> str:
    """The end of a help text; the backspace keeps click from filling the lines."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def console() -> "Console":
    """Standard output; wide enough for whole rows where there is no terminal to ask."""
    from rich.console import Console

    found = Console()
    if not found.file.isatty():
        found.width = _WIDTH
    return found


def named_lost(method: str, status: dict[str, int]) -> str | None:
    """One line on the fits that did not simply converge, or None."""
    lost = {name: n for name, n in status.items() if n and name != "converged"}
    if not lost:
        return None
    named = ", ".join(f"{n} {name}" for name, n in lost.items())
    return f"{method}: of {sum(status.values())} fits {named}"
