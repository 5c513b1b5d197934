"""What every command shares."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from pullfactory._cache import SWITCH
from pullfactory.errors import printable_lines
from pullfactory.progress import tell

if TYPE_CHECKING:
    from rich.console import Console

    from pullfactory.progress import Progress

_WIDTH = 140
_DEEPEST = 200  # folders in folders, which Python goes through one in the other
_LOUDNESS = "pullfactory.loudness"  # under which the choice stands in click's context ...
_STARTED = "pullfactory.started"  # ... and when it was made
_WORDS = "pullfactory.words"  # ... and what the command was given


def count_option(
    name: str, help_text: str, *, least: int, default: int | None = None
) -> Callable[..., Any]:
    """An option with a whole number.

    Args:
        name: With its dashes.
        help_text: What it is; says the default itself if that is no number.
        least: The smallest number allowed.
        default: The number if it is not given; None is none.
    """
    return click.option(
        name,
        type=click.IntRange(min=least),
        default=default,
        show_default=default is not None,
        help=help_text,
    )


class _Place(click.Path):
    """The path of a file or a folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value or "\0" in str(value):
            self.fail(f"{value!r} is no path; name a file or a folder", param, ctx)
        if len(Path(value).parts) > _DEEPEST:
            self.fail(f"'{str(value)[:20]}...' has more than {_DEEPEST} folders", param, ctx)
        return super().convert(value, param, ctx)


PLACE = _Place()
"""The path of a file or a folder, which need not be there."""

workers_option = count_option("--workers", "Threads.  [default: one per processor]", least=1)


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
        context.find_root().call_on_close(lambda: tell(f"all: {perf_counter() - start:.1f} s"))


def _is(loudness: str) -> bool:
    return bool(click.get_current_context().meta.get(_LOUDNESS) == loudness)


def say(text: str) -> None:
    """A line on standard output, unless --quiet.

    Args:
        text: What comes beside tables; results that were asked for are no talk.
    """
    if not _is("quiet"):
        click.echo(printable_lines(text))


def warn(line: str) -> None:
    """A warning on standard error.

    Args:
        line: What is wrong.
    """
    tell(f"Warning: {line}")


def stage_progress(workers: Callable[[], int] | None = None) -> "Progress":
    """How the stages of a command show that they go on: not at all, by bars, or with times.

    Args:
        workers: Says how many workers there are, for bars to show; None for nothing.
    """
    from pullfactory.progress import bar, silent, timed

    if _is("quiet"):
        return silent
    shown = partial(bar, workers=workers) if workers else bar
    if not _is("verbose"):
        return shown
    from pullfactory._jax import watch_programs

    told = watch_programs()
    context = click.get_current_context()
    context.call_on_close(lambda: tell(f"programs: {told()}"))
    return timed(shown)


class _Remembered(click.Command):
    """A command that can be told again in the words it was given."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = tuple(args)
        return super().parse_args(ctx, args)


def given_words(context: click.Context, without: Collection[str]) -> list[str]:
    """Words that a command was given, without those that stand before its name.

    Args:
        context: Of the command.
        without: Parameters that are left out.
    """
    parser = context.command.make_parser(context)
    given, _, order = parser.parse_args(list(context.meta[_WORDS]))
    words = list[str]()
    for one in dict.fromkeys(order):
        name = str(one.name)
        if name in without or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        if not isinstance(one, click.Option):
            words.append(given[name])
            continue
        for value in given[name] if one.multiple else [given[name]]:
            words += _option_words(one, value)
    return words


def _option_words(option: click.Option, value: Any) -> list[str]:
    """One option as it is given; a switch is its name alone."""
    if option.is_flag:
        return [option.opts[0] if value else option.secondary_opts[0]]
    return [option.opts[0], str(value)]


def command(*examples: str) -> Callable[[Callable[..., None]], click.Command]:
    """Make a command of a function.

    Args:
        examples: Lines at the end of its help text.
    """
    return click.command(cls=_Remembered, epilog=epilog(*examples))


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


def warn_of_mixed(mixed: Sequence[str]) -> None:
    """Say who else has made some of the toys.

    Args:
        mixed: In words.
    """
    if mixed:
        warn(f"some toys were made by {', '.join(mixed)}: they agree to about 1e-12")


def warn_of_lost(statuses: Mapping[str, Mapping[str, int]]) -> None:
    """One line for each method whose fits did not all simply converge.

    Args:
        statuses: How many fits ended how, by method.
    """
    for method, status in statuses.items():
        lost = [f"{n} {name}" for name, n in status.items() if n and name != "converged"]
        if lost:
            total = sum(status.values())
            tell(f"{method}: of {total} fits {', '.join(lost)}")
