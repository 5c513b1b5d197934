"""The page that explains a result."""

import click

from pullfactory.cli._shared import command, say

__all__ = ["report"]


@command(
    "pullfactory report results/poster        after a run, or one of an earlier version",
    "pullfactory report results/poster_toys   of toys of a workspace",
)
@click.argument("folder", type=click.Path())
def report(folder: str) -> None:
    """Make the report of an output folder again, from what the folder holds."""
    from pullfactory.results import write_report

    say(f"Report    {write_report(folder)}")
