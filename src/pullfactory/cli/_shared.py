"""What every command shares."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from pullfactory._cache import SWITCH
from pullfactory.errors import OutputError, printable

if TYPE_CHECKING:
    from rich.console import Console

    from pullfactory.progress import Progress

__all__ = [
    "common_options",
    "console",
    "epilog",
    "figures_option",
    "named_lost",
    "result_options",
    "say",
    "say_files",
    "stage_progress",
    "workers_option",
    "write_result",
]


_WIDTH = 140
_LOUDNESS = "pullfactory.loudness"  # under which the choice stands in click's context ...
_STARTED = "pullfactory.started"  # ... and when it was made


def _read_formats(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[str, ...] | None:
    """Read png,pdf,svg or none."""
    if text is None:
        return None
    from pullfactory.settings.fields import figure_formats

    try:
        return figure_formats(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


figures_option: Callable[..., Any] = click.option(
    "--figures",
    metavar="png,pdf,svg|none",
    callback=_read_formats,
    help="Formats of the figures, if not those of the file; the report shows png.  [default: png]",
)
workers_option: Callable[..., Any] = click.option(
    "--workers", type=click.IntRange(min=1), help="Threads.  [default: one per processor]"
)


def result_options(
    folder: str, *more: Callable[..., Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """What every command with a result has: where it goes, threads, and numbers instead of tables.

    Args:
        folder: Where it goes if nothing is said, in words.
        more: Options that come next to it.
    """
    decorators = [
        click.option(
            "--output", "-o", type=click.Path(), help=f"Output folder.  [default: {folder}]"
        ),
        *more,
        workers_option,
        click.option(
            "--json", "as_json", is_flag=True, help="Print the numbers instead of the tables."
        ),
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for add in reversed(decorators):
            command = add(command)
        return command

    return decorate


def common_options(command: click.Command) -> click.Command:
    """Give a command, or the group of all, the options that all have.

    Args:
        command: Gets three more options: how much is shown, and whether the cache is used.
    """
    chosen = {
        "--quiet": "Show errors and warnings alone.",
        "--verbose": "Show what takes how long.",
    }
    for name, help_text in chosen.items():
        command.params.append(
            click.Option(
                [name, name[1:3]],
                is_flag=True,
                expose_value=False,
                callback=_choose_loudness,
                help=help_text,
            )
        )
    command.params.append(
        click.Option(
            ["--no-cache"],
            is_flag=True,
            expose_value=False,
            callback=_turn_cache_off,
            help="Neither read nor keep compiled programs and calibrations.",
        )
    )
    return command


def _turn_cache_off(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Turn the cache off for this command, and for processes that it starts."""
    if wanted:
        before = os.environ.get(SWITCH)
        os.environ[SWITCH] = "0"
        context.find_root().call_on_close(partial(_restore, SWITCH, before))


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _choose_loudness(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    earlier = context.meta.setdefault(_LOUDNESS, option.name)
    if earlier != option.name:
        raise click.UsageError("both --quiet and --verbose are given; choose one")
    if option.name == "verbose" and not context.find_root().meta.get(_STARTED):
        context.meta[_STARTED] = start = perf_counter()
        context.find_root().call_on_close(
            lambda: click.echo(f"all: {perf_counter() - start:.1f} s", err=True)
        )


def _is(loudness: str) -> bool:
    return bool(click.get_current_context().meta.get(_LOUDNESS) == loudness)


def say(text: str) -> None:
    """A line on standard output, unless --quiet.

    Args:
        text: What comes beside tables; results that were asked for are no talk.
    """
    if not _is("quiet"):
        click.echo("\n".join(map(printable, text.split("\n"))))


def stage_progress() -> "Progress":
    """How the stages of a command show that they go on: not at all, by bars, or with times."""
    from pullfactory.progress import bar, silent, timed

    if _is("quiet"):
        return silent
    if not _is("verbose"):
        return bar
    from pullfactory._jax import watch_programs

    told = watch_programs()
    context = click.get_current_context()
    context.call_on_close(lambda: click.echo(f"programs: {told()}", err=True))
    return timed(bar)


def epilog(*lines: str) -> str:
    """The end of a help text; the backspace keeps click from filling the lines."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def console() -> "Console":
    """Standard output, silent with --quiet; wide enough for rows where there is no terminal."""
    from rich.console import Console

    found = Console(quiet=_is("quiet"))
    if not found.file.isatty():
        found.width = _WIDTH
    return found


def write_result(write: Callable[[Path], object], folder: Path) -> None:
    """Write a result, or, if something else came into its folder meanwhile, beside that.

    Args:
        write: Writes what was worked for to a folder.
        folder: Where it belongs; `check_folder` allowed it before the work.

    Raises:
        OutputError: If it does not stand in its folder.
    """
    from pullfactory.results.folders import check_folder

    try:
        check_folder(folder)
    except OutputError as error:
        beside = folder.with_name(f"{folder.name}-{token_hex(4)}")
        write(beside)
        raise OutputError(f"{error}; this one is in '{beside}'") from None
    write(folder)


def say_files(folder: Path, **names: str) -> None:
    """Where files of a result are, a line for each that is there.

    Args:
        folder: Of the result.
        names: Names of files or folders in it, by what they are.
    """
    width = max(map(len, names)) + 3
    for what, name in names.items():
        if (folder / name).exists():
            say(f"{what:<{width}}{folder / name}")


def named_lost(method: str, status: dict[str, int]) -> str | None:
    """One line on the fits that did not simply converge, or None."""
    lost = {name: n for name, n in status.items() if n and name != "converged"}
    if not lost:
        return None
    named = ", ".join(f"{n} {name}" for name, n in lost.items())
    return f"{method}: of {sum(status.values())} fits {named}"
