"""The bootstrap of one toy."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pullfactory.cli._request import Request, result_options
from pullfactory.cli._shared import command, count_option, warn_of_lost
from pullfactory.cli._study import calibration_option, read_calibration, read_study, study_options
from pullfactory.cli._unused import unused_with

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.results.bootstrap import BootstrapSummary


@command(
    "pullfactory bootstrap --rho 0.5                        the first toy of a study",
    "pullfactory bootstrap my.toml --toy 7 --replicas 2000  ... and another one",
)
@study_options("--n-toys")
@count_option("--toy", "Number of the toy.", least=0, default=0)
@count_option("--replicas", "How often its events are drawn again.", least=2, default=1000)
@calibration_option
@result_options("results/<study name>_bootstrap")
def bootstrap(
    request: Request,
    toy: int,
    replicas: int,
    calibration_file: str | None,
    **study_settings: Any,
) -> None:
    """Draw the events of one toy again and again: its errors without a model of the dependence.

    A study with several rho needs --rho to choose one.
    """
    from pullfactory.runs.bootstrap import bootstrap_toy

    none = dict.fromkeys(("intervals", "figures"), "a bootstrap has none; leave it out")
    study = read_study(unused=unused_with(calibration_file, none), **study_settings)
    study.single_rho()
    folder = request.folder(f"{study.name}_bootstrap")
    calibration = read_calibration(calibration_file, study)
    result = bootstrap_toy(
        study, toy=toy, replicas=replicas, calibration=calibration, **request.work
    )
    request.answer(result, folder, _shown(result), Bootstrap="bootstrap.json")
    warn_of_lost(result.status)


def _shown(result: "BootstrapSummary") -> Iterator["RenderableType"]:
    """Errors, and one line for each pair of observables."""
    from pullfactory.numbers import rounded

    yield result.table
    summary = result.summary()
    names = summary["observables"]
    for j in range(len(names)):
        for i in range(j):
            value, error = summary["correlation"][i][j], summary["correlation_error"][i][j]
            yield f"Correlation of {names[i]} and {names[j]}: {rounded(value, error)}"
