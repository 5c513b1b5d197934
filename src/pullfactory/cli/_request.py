"""What every command with a result does alike: its options, its folder and what it prints."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from re import fullmatch
from secrets import token_hex
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from pullfactory.cli._shared import (
    PLACE,
    console,
    given_words,
    say,
    say_files,
    stage_progress,
    warn,
    workers_option,
)
from pullfactory.errors import OutputError
from pullfactory.files import short_name

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from rich.console import RenderableType

    from pullfactory.progress import Progress
    from pullfactory.results.command import Command
    from pullfactory.results.keeping import Keep
    from pullfactory.results.result import Result

REPORTED: Mapping[str, str] = MappingProxyType(
    {"Summary": "summary.json", "Figures": "figures", "Report": "report.html"}
)
"""What is in a folder with a report, by what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How a result is asked for.

    Attributes:
        output: Folder; None is one in `results`.
        figures: Formats of the figures; None is those of the file.
        workers: Threads; None is one per processor.
        as_json: Whether its numbers are printed instead of its tables.
        progress: How stages show that they go on.
        fresh: Whether everything is made anew, whatever toys and figures are there.
        tolerant: Whether toys that another version or processor made are continued.
        blocks: First and last block of toys that are made; None for all.
        executor: Computes blocks of toys; None for threads.
    """

    output: str | None
    figures: tuple[str, ...] | None = None
    fresh: bool = True
    tolerant: bool = False
    blocks: tuple[int, int] | None = None
    executor: "Executor | None" = None
    workers: int | None = None
    as_json: bool
    progress: "Progress"

    @property
    def work(self) -> dict[str, Any]:
        """What every verb is told beside its subject."""
        known = {"workers": self.workers, "progress": self.progress}
        return known if self.executor is None else {**known, "executor": self.executor}

    def folder(self, name: str) -> Path:
        """Where the result goes, to be asked before the work.

        Args:
            name: Of the folder, if nothing else is said.

        Raises:
            OutputError: If something else is there.
        """
        from pullfactory.results.folders import check_folder

        return check_folder(self.output or Path("results") / name)

    @contextmanager
    def kept(self, folder: Path) -> Iterator["Keep"]:
        """Where toys are kept until their result is written; nobody else makes it meanwhile.

        Args:
            folder: Of `folder`.

        Raises:
            OutputError: If another command is at work there.
        """
        from pullfactory.results.keeping import Keep

        mine = Keep.beside(
            folder,
            fresh=self.fresh,
            tolerant=self.tolerant,
            blocks=self.blocks,
            command=given_command(),
        )
        with mine.reserved() as keep:
            yield keep
            keep.remove()

    def answer(
        self, result: "Result", folder: Path, shown: Iterable["RenderableType"], **files: str
    ) -> None:
        """Write the result and print it.

        Args:
            result: What was worked for.
            folder: Of `folder`.
            shown: Tables and lines; not looked at where numbers are asked for.
            files: Names of files or folders in it, by what they are.

        Raises:
            OutputError: If it does not stand in its folder.
        """
        self._write(result, folder)
        if self.as_json:
            click.echo(json.dumps(result.summary(), indent=1, allow_nan=False))
            return
        for one in shown:
            if isinstance(one, str):
                say(one)
            else:
                console().print(one)
        say_files(folder, **files)

    def _write(self, result: "Result", folder: Path) -> None:
        """Write it, or, if something else came into its folder meanwhile, beside that."""
        from pullfactory.results.folders import check_folder

        write = partial(
            result.write,
            figures=self.figures,
            progress=self.progress,
            warn=warn,
            anew=self.fresh,
            command=given_command() if self.blocks else None,
        )
        try:
            check_folder(folder)
        except OutputError as error:
            beside = write(folder.with_name(f"{short_name(folder.name)}-{token_hex(4)}"))
            raise OutputError(f"{error}; this one is in '{beside}'") from None
        write(folder)


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


def _formats_option(help_text: str) -> Callable[..., Any]:
    return click.option(
        "--figures", metavar="png,pdf,svg|none", callback=_read_formats, help=help_text
    )


figures_option = _formats_option(
    "Formats of the figures, if not those of the file; the report shows png.  [default: png]"
)
redraw_option = _formats_option(
    "Draw the figures again, in these formats and no others, and write the folder anew."
)


def _read_blocks(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> tuple[int, int] | None:
    """Read A-B, or A for one."""
    if text is None:
        return None
    found = fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text.strip())
    if not found:
        raise click.BadParameter(f"{text!r} is no range of blocks; write for example 0-9")
    first = int(found[1])
    return first, int(found[2]) if found[2] else first


tolerant_option = click.option(
    "--tolerant",
    is_flag=True,
    help="Take toys that another version or processor has made; they agree to about 1e-12.",
)
dask_option = click.option(
    "--dask",
    metavar="ADDRESS|local",
    help="Compute on the workers of a Dask scheduler, or on processes here.",
)
kept_options = (
    click.option("--fresh", is_flag=True, help="Make everything anew, whatever is there."),
    tolerant_option,
    click.option(
        "--blocks",
        metavar="A-B",
        callback=_read_blocks,
        help="Make only these blocks of the toys, to be joined by 'pullfactory merge'.",
    ),
    dask_option,
)


_ELSEWHERE = ("output", "blocks", "fresh", "as_json")  # what other blocks are not asked for with


def given_command() -> "Command":
    """The command that is running, as other blocks of the same toys are asked for."""
    from pullfactory.results.command import Command

    context = click.get_current_context()
    words = given_words(context, without=_ELSEWHERE)
    return Command(words=(str(context.info_name), *words), directory=str(Path.cwd()))


@contextmanager
def _computed(dask: str | None, given: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Who computes, and how it is shown; the number of workers is that of the cluster then."""
    if dask is None:
        yield {"progress": stage_progress()}
        return
    from pullfactory.runs.cluster import LOCAL, cluster_at

    workers = given["workers"]
    if workers is not None and dask != LOCAL:
        raise click.UsageError(f"--workers {workers}, but a cluster has its own; leave it out")
    given["workers"] = None
    with cluster_at(dask, workers) as cluster:
        yield {"progress": stage_progress(cluster.count), "executor": cluster.executor}


def _refuse_undone(given: Mapping[str, Any], settings: Iterable[str]) -> None:
    """Refuse options of which one leaves the other without effect."""
    if given.get("fresh") and given.get("tolerant"):
        raise click.UsageError("--fresh takes no toys, and --tolerant some; leave one of them out")
    if given.get("figures") is not None and any(
        text.partition("=")[0].strip() == "figures" for text in settings
    ):
        raise click.UsageError("both --figures and --set figures=... are given; choose one")


def result_options(
    folder: str, *more: Callable[..., Any], threads: bool = True
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command with a result its options, and their values as one `Request`.

    Args:
        folder: Where the result goes if nothing is said, in words.
        more: Options that come next to it.
        threads: Whether their number has an effect.
    """
    decorators = [
        click.option("--output", "-o", type=PLACE, help=f"Output folder.  [default: {folder}]"),
        *more,
        *([workers_option] if threads else []),
        click.option(
            "--json", "as_json", is_flag=True, help="Print the numbers instead of the tables."
        ),
    ]
    taken = Request.__dataclass_fields__.keys()

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def asked(**options: Any) -> None:
            mine = {name: options.pop(name) for name in taken & options.keys()}
            _refuse_undone(mine, options.get("settings", ()))
            with _computed(options.pop("dask", None), mine) as how:
                command(Request(**mine, **how), **options)

        for add in reversed(decorators):
            asked = add(asked)
        return asked

    return decorate
