"""Run all cases with the package that can be imported: `python -m tests.cases.record OUT`."""

import shutil
import tempfile
from pathlib import Path
from time import process_time

import click

import pullfactory
from tests.cases.case import Case, case_names, read_case
from tests.cases.comparison import differences
from tests.cases.outcome import outcome_of, read_outcome, write_outcome
from tests.cases.running import run_case


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("out", required=False, type=click.Path(path_type=Path))
@click.option("--update", is_flag=True, help="Write what must come out anew, where it differs.")
@click.option("--only", metavar="LIST", help="Some of the cases, by name.")
def main(out: Path | None, update: bool, only: str | None) -> None:
    """Write what comes out of every case, with all digits, into a folder.

    Folders that two versions made on one machine are compared by diff -r.
    """
    if (out is None) is not update:
        raise click.UsageError("give a folder, or --update")
    click.echo(f"The package in {Path(pullfactory.__file__).parent}", err=True)
    for name in only.split(",") if only else case_names():
        start = process_time()
        said = _update(read_case(name)) if out is None else _record(read_case(name), out)
        click.echo(f"{process_time() - start:6.2f} s  {name}{said}", err=True)


def _record(case: Case, out: Path) -> str:
    """Write what comes out of a case."""
    shutil.rmtree(out / case.name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        endings = run_case(case, Path(folder))
        outcome = outcome_of(case, endings, Path(folder), exactly=True)
    write_outcome(outcome, out / case.name, exactly=True)
    return ""


def _update(case: Case) -> str:
    """Write what must come out of a case, if something else comes out; say how much differs."""
    with tempfile.TemporaryDirectory() as folder:
        endings = run_case(case, Path(folder))
        outcome = outcome_of(case, endings, Path(folder))
    codes = [ending.code for ending in endings]
    if codes != (wanted := [command.exit for command in case.commands]):
        raise click.ClickException(f"{case.name}: exit codes {codes} instead of {wanted}")
    found = differences(read_outcome(case.expected), outcome)
    if found:
        shutil.rmtree(case.expected, ignore_errors=True)
        write_outcome(outcome, case.expected)
    return f": {len(found)} differences, written" if found else ""


if __name__ == "__main__":
    main()
