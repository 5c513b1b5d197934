"""The bootstrap of one toy."""

import json
from pathlib import Path
from typing import Any

import click

from pullfactory.cli._shared import (
    console,
    epilog,
    named_lost,
    result_options,
    say,
    stage_progress,
    write_result,
)
from pullfactory.cli._study import calibration_option, read_calibration, read_study, study_options

__all__ = ["bootstrap"]


@click.command(
    epilog=epilog(
        "pullfactory bootstrap --rho 0.5                        the first toy of a study",
        "pullfactory bootstrap my.toml --toy 7 --replicas 2000  ... and another one",
    )
)
@study_options
@click.option(
    "--toy", type=click.IntRange(min=0), default=0, show_default=True, help="Number of the toy."
)
@click.option(
    "--replicas",
    type=click.IntRange(min=2),
    default=1000,
    show_default=True,
    help="How often its events are drawn again.",
)
@calibration_option
@result_options("results/<study name>_bootstrap")
def bootstrap(
    toy: int,
    replicas: int,
    output: str | None,
    calibration_file: str | None,
    workers: int | None,
    as_json: bool,
    **study_settings: Any,
) -> None:
    """Draw the events of one toy again and again: its errors without a model of the dependence.

    A study with several rho needs --rho to choose one.
    """
    from pullfactory.results.folders import check_folder
    from pullfactory.runs.bootstrap import bootstrap_toy

    progress = stage_progress()

    study = read_study(**study_settings)
    study.single_rho()
    folder = check_folder(output or Path("results") / f"{study.name}_bootstrap")
    calibration = read_calibration(calibration_file)
    result = bootstrap_toy(
        study,
        toy=toy,
        replicas=replicas,
        calibration=calibration,
        workers=workers,
        progress=progress,
    )
    write_result(result.write, folder)
    if as_json:
        click.echo(json.dumps(result.summary(), indent=1, allow_nan=False))
    else:
        console().print(result.table)
        for text in _correlations(result.summary()):
            say(text)
        say(f"Bootstrap   {folder / 'bootstrap.json'}")
    for found in result.results:
        if line := named_lost(found.method, found.status_counts):
            click.echo(line, err=True)


def _correlations(summary: dict[str, Any]) -> list[str]:
    """One line for each pair of observables."""
    from pullfactory.numbers import rounded

    names = summary["observables"]
    return [
        f"Correlation of {names[i]} and {names[j]}: "
        f"{rounded(summary['correlation'][i][j], summary['correlation_error'][i][j])}"
        for j in range(len(names))
        for i in range(j)
    ]
