"""How well the morphing of a study closes."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import click

from pullfactory.cli._shared import (
    console,
    epilog,
    figures_option,
    result_options,
    say_files,
    stage_progress,
    write_result,
)
from pullfactory.cli._study import calibration_option, read_calibration, read_study, study_options

__all__ = ["closure"]


@click.command(
    epilog=epilog(
        "pullfactory closure --set workspace.morphing=multiplicative",
        "pullfactory closure my.toml --n-events 5000 --set calibration.source=exact",
    )
)
@study_options
@click.option(
    "--points",
    type=click.IntRange(min=0),
    default=32,
    show_default=True,
    help="Random points of the grid.",
)
@click.option(
    "--events",
    type=click.IntRange(min=1),
    help="Exact rates of the grid from samples of so many events.  [default: the densities]",
)
@calibration_option
@result_options("results/<study name>_closure", figures_option)
def closure(
    points: int,
    events: int | None,
    output: str | None,
    calibration_file: str | None,
    figures: tuple[str, ...] | None,
    workers: int | None,
    as_json: bool,
    **study_settings: Any,
) -> None:
    """Compare the morphing of a study with the exact rates; predict its pulls."""
    from pullfactory.results.folders import check_folder
    from pullfactory.runs.closure import closure as measure

    progress = stage_progress()

    study = read_study(**study_settings)
    folder = check_folder(output or Path("results") / f"{study.name}_closure")
    result = measure(
        study,
        calibration=read_calibration(calibration_file),
        points=points,
        events=events,
        workers=workers,
        progress=progress,
    )
    write_result(partial(result.write, figures=figures, progress=progress), folder)
    if as_json:
        click.echo(json.dumps(result.summary(), indent=1, allow_nan=False))
        return
    console().print(result.table)
    say_files(folder, Closure="closure.json", Figures="figures")
