"""The selection of observables."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from pullfactory.errors import StudyError

if TYPE_CHECKING:
    from pullfactory.inference.rows import SelectionRow
    from pullfactory.results import SelectionResult

__all__ = ["select"]


@click.command(
    epilog=epilog(
        "pullfactory select --preset ljets                   four observables of the top quark",
        "pullfactory select my.toml --rho 0.3                ... or yours",
        "pullfactory select my.toml --methods binned,unbinned",
    )
)
@study_options
@calibration_option
@result_options("results/<study name>_selection", figures_option)
def select(
    output: str | None,
    calibration_file: str | None,
    figures: tuple[str, ...] | None,
    workers: int | None,
    as_json: bool,
    **study_settings: Any,
) -> None:
    """Compare sets of observables: which of them pay?

    Without --methods the likelihood is unbinned. A study with several rho needs --rho to choose
    one.
    """
    from pullfactory.results.folders import check_folder
    from pullfactory.runs.select import select as select_observables

    progress = stage_progress()

    study = read_study(**study_settings)
    study.single_rho()
    methods = ("unbinned",) if study_settings["methods"] is None else study.methods
    folder = check_folder(output or Path("results") / f"{study.name}_selection")
    calibration = read_calibration(calibration_file)
    result = select_observables(
        study, methods=methods, calibration=calibration, workers=workers, progress=progress
    )
    if not result.rows:
        raise StudyError(result.skipped[-1].reason)
    write_result(partial(result.write, figures=figures, progress=progress), folder)
    if as_json:
        click.echo(json.dumps(result.summary(), indent=1, allow_nan=False))
        return
    console().print(result.table)
    for method in result.methods:
        for line in _answers(result, method):
            say(line)
    for skipped in result.skipped:
        say(f"Left out {', '.join(skipped.observables)}: {skipped.reason}")
    say_files(folder, Selection="selection.json", Figures="figures")


def _answers(result: "SelectionResult", method: str) -> list[str]:
    """What to take, in words."""
    from pullfactory.numbers import significant

    promised, best = result.best(method, "claimed_error"), result.best(method)
    claims, is_so, is_best = (
        significant(error)
        for error in (
            promised.pull.claimed_error,
            promised.pull.actual_error,
            best.pull.actual_error,
        )
    )
    idle = ", ".join(result.do_not_pay(method)) or "none"
    return [
        f"{method}, best if independent: {_names(promised)} (claims {claims}, is {is_so})",
        f"{method}, best corrected: {_names(best)} (is {is_best})",
        f"{method}, do not pay: {idle}",
    ]


def _names(row: "SelectionRow") -> str:
    return ", ".join(row.observables)
