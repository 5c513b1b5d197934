"""Try many hostile inputs: `python -m tests.fuzz`."""

import faulthandler
import tempfile
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path
from time import perf_counter

import click

from tests.fuzz.cases import Failure, find
from tests.fuzz.commands import COMMANDS, find_command
from tests.fuzz.corpus import make_corpus
from tests.fuzz.targets import TARGETS

FOUND = Path("build/fuzz")
_PATIENCE = 1800.0  # seconds, after which what cannot be interrupted is ended


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--cases", default=10_000, show_default=True, help="Inputs that are read in process.")
@click.option("--commands", default=100, show_default=True, help="Commands in a process each.")
@click.option("--first", default=0, show_default=True, help="Seed of the first of each target.")
@click.option("--only", metavar="LIST", help="Some of the targets, by name.")
def main(cases: int, commands: int, first: int, only: str | None) -> None:
    """Spoil valid inputs, and look how reading them ends; what fails is saved in build/fuzz."""
    wanted = only.split(",") if only else list(TARGETS)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "valid"
        folder.mkdir()
        start = perf_counter()
        make_corpus(folder)
        click.echo(f"{perf_counter() - start:6.1f} s  valid inputs")
        failed = _tried(find, folder, wanted, cases, first)
        failed += _tried(
            find_command, folder, [n for n in COMMANDS if n in wanted], commands, first
        )
    click.echo(f"{failed} failed")
    raise SystemExit(1 if failed else 0)


def _tried(
    find_one: Callable[[Path, str, int], Failure | None],
    folder: Path,
    targets: Sequence[str],
    number: int,
    first: int,
) -> int:
    """Try about as many cases, divided among the targets; how many failed."""
    failed = 0
    each = number / max(sum(TARGETS[name].often for name in targets), 1)
    for target in targets if number else ():
        seeds = range(first, first + ceil(each * TARGETS[target].often))
        start, before = perf_counter(), failed
        for seed in seeds:
            faulthandler.dump_traceback_later(_PATIENCE, exit=True)
            if failure := find_one(folder, target, seed):
                failed += 1
                click.echo(f"{target} {seed}: {failure.what}; {failure.save(FOUND)}")
        faulthandler.cancel_dump_traceback_later()
        taken = perf_counter() - start
        click.echo(f"{taken:6.1f} s  {target}: {failed - before} of {len(seeds)} failed")
    return failed


if __name__ == "__main__":
    main()
