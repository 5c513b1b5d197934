"""Predictions without toys."""

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
    say,
    say_files,
    stage_progress,
    write_result,
)
from pullfactory.cli._study import calibration_option, read_calibration, read_study, study_options

__all__ = ["predict"]


@click.command(
    epilog=epilog(
        "pullfactory predict                        the default study",
        "pullfactory predict my.toml --rho 0.1,0.2  ... or yours",
    )
)
@study_options
@calibration_option
@result_options("results/<study name>_prediction", figures_option)
def predict(
    output: str | None,
    calibration_file: str | None,
    figures: tuple[str, ...] | None,
    workers: int | None,
    as_json: bool,
    **study_settings: Any,
) -> None:
    """Predict errors, pull widths and coverage of a study without toys."""
    from pullfactory.report.table import closure_line
    from pullfactory.results.folders import check_folder
    from pullfactory.runs.predict import predict as predict_study

    progress = stage_progress()

    study = read_study(**study_settings)
    folder = check_folder(output or Path("results") / f"{study.name}_prediction")
    calibration = read_calibration(calibration_file)
    result = predict_study(study, calibration=calibration, workers=workers, progress=progress)
    write_result(partial(result.write, figures=figures, progress=progress), folder)
    if as_json:
        click.echo(json.dumps(result.summary(), indent=1, allow_nan=False))
        return
    console().print(result.table)
    if result.closure is not None:
        say(f"Closure      {closure_line(result.closure)}")
    say_files(folder, Prediction="prediction.json", Figures="figures")
