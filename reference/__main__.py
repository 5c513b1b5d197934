"""Ask pullfactory what is known, and print how far off it is: `python -m reference`."""

import sys
from time import perf_counter

import click
from rich.console import Console

from reference.cases import CaseError, case_names, read_case
from reference.comparison import Comparison, compare, table


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--only", metavar="LIST", help="Some of the cases, by name.")
@click.option("--list", "listed", is_flag=True, help="Print names and titles, and ask nothing.")
@click.option("--quick", is_flag=True, help="Only cases that take less than about ten seconds.")
def main(only: str | None, listed: bool, quick: bool) -> None:
    """Print each answer beside its reference; exit code 1 if one is beyond its tolerance."""
    try:
        cases = [read_case(name) for name in (only.split(",") if only else case_names())]
    except CaseError as error:
        raise click.BadParameter(str(error)) from error
    if listed:
        for case in cases:
            click.echo(f"{case.name:24} {case.title}")
        return
    from reference.questions import ask  # imports pullfactory

    rows: list[Comparison] = []
    for case in cases:
        if quick and case.slow:
            continue
        click.echo(f"{case.title} ... ", nl=False, err=True)
        start = perf_counter()
        rows += compare(case, ask(case))
        click.echo(f"{perf_counter() - start:.0f} s", err=True)
    Console(width=None if Console().is_terminal else 160).print(table(rows))
    wrong = sum(not row.passed for row in rows)
    click.echo(f"{len(rows)} values, {wrong} beyond their tolerance")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
