"""How well the morphing of a study closes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pullfactory.cli._request import Request, figures_option, result_options
from pullfactory.cli._shared import command, count_option
from pullfactory.cli._study import calibration_option, read_calibration, read_study, study_options
from pullfactory.cli._unused import UNUSED_BY_CLOSURE, unused_with

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.results.closure import ClosureResult


@command(
    "pullfactory closure --set workspace.morphing=multiplicative",
    "pullfactory closure my.toml --n-events 5000 --set calibration.source=exact",
)
@study_options("--n-toys", "--rho", "--methods")
@count_option("--points", "Random points of the grid.", least=0, default=32)
@count_option(
    "--events",
    "Exact rates of the grid from samples of so many events.  [default: the densities]",
    least=1,
)
@calibration_option
@result_options("results/<study name>_closure", figures_option)
def closure(
    request: Request,
    points: int,
    events: int | None,
    calibration_file: str | None,
    **study_settings: Any,
) -> None:
    """Compare the morphing of a study with the exact rates; predict its pulls."""
    from pullfactory.runs.closure import closure as measure

    unused = unused_with(calibration_file, UNUSED_BY_CLOSURE)
    study = read_study(unused=unused, **study_settings)
    folder = request.folder(f"{study.name}_closure")
    calibration = read_calibration(calibration_file)
    result = measure(study, calibration=calibration, points=points, events=events, **request.work)
    shown = [result.table, *_told(result)]
    request.answer(result, folder, shown, Closure="closure.json", Figures="figures")


def _told(result: "ClosureResult") -> Iterator["RenderableType"]:
    """What is said of joint densities, if there are any."""
    if result.density_table is None:
        return
    yield result.density_table
    for one in result.densities:
        if one.reason:
            yield f"{one.method} at rho = {one.rho:g} {one.answer}: {one.reason}"
