"""Predictions without toys."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from pullfactory.cli._request import Request, figures_option, result_options
from pullfactory.cli._shared import command
from pullfactory.cli._study import calibration_option, read_calibration, read_study, study_options
from pullfactory.cli._unused import UNUSED_WITHOUT_TOYS, unused_with

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.results.prediction import PredictionResult


@command(
    "pullfactory predict                        the default study",
    "pullfactory predict my.toml --rho 0.1,0.2  ... or yours",
    "pullfactory predict my.toml --any-rho      without knowing rho",
)
@study_options("--n-toys")
@calibration_option
@click.option(
    "--any-rho", is_flag=True, help="For which correlations are the claimed errors right?"
)
@result_options("results/<study name>_prediction", figures_option)
def predict(
    request: Request, calibration_file: str | None, any_rho: bool, **study_settings: Any
) -> None:
    """Predict errors, pull widths and coverage of a study without toys."""
    from pullfactory.runs.predict import predict as predict_study

    unused = unused_with(calibration_file, UNUSED_WITHOUT_TOYS)
    if any_rho:
        unused["ensemble.rho"] = "--any-rho asks for all of them; leave one of both out"
    study = read_study(unused=unused, **study_settings)
    folder = request.folder(f"{study.name}_prediction")
    calibration = read_calibration(calibration_file, study)
    result = predict_study(study, calibration=calibration, any_rho=any_rho, **request.work)
    request.answer(result, folder, _shown(result), Prediction="prediction.json", Figures="figures")


def _shown(result: "PredictionResult") -> Iterator["RenderableType"]:
    from pullfactory.report.table import closure_line

    yield result.any_rho_table if result.any_rho else result.table
    if len(result.study.ensemble.rho) == 1 and result.weights:
        yield result.weight_table
    if result.closure is not None:
        yield f"Closure      {closure_line(result.closure)}"
