"""The page that explains a result."""

import click

from pullfactory.cli._request import redraw_option
from pullfactory.cli._shared import PLACE, command, say, stage_progress, warn


@command(
    "pullfactory report results/poster        after a run, or one of an earlier version",
    "pullfactory report results/poster_toys   of toys of a workspace",
    "pullfactory report results/poster --figures png,pdf",
)
@click.argument("folder", type=PLACE)
@redraw_option
def report(folder: str, figures: tuple[str, ...] | None) -> None:
    """Make the report of an output folder again, from what the folder holds."""
    from pullfactory.results.reading import write_report

    path = write_report(folder, figures=figures, progress=stage_progress(), warn=warn)
    say(f"{'Report' if path.suffix else 'Figures':<10}{path}")
