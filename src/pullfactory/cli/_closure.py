"""How well the morphing of a study closes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pullfactory.cli._request import Request, figures_option, result_options
from pullfactory.cli._shared import command, count_option
from pullfactory.cli._study import calibration_option, read_calibration, read_study, study_options
from pullfactory.cli._unused import UNUSED_BY_CLOSURE, USED_BY_DENSITIES, unused_with
from pullfactory.errors import StudyError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.results.closure import ClosureResult
    from pullfactory.settings.study import Study


@command(
    "pullfactory closure --set workspace.morphing=multiplicative",
    "pullfactory closure my.toml --n-events 5000 --set calibration.source=exact",
    "pullfactory closure --set methods=flow --set ensemble.rho=0.5",
)
@study_options("--n-toys", "--rho", "--methods")
@count_option("--points", "Random points of the grid.", least=0, default=32)
@count_option(
    "--events",
    "Exact rates of the grid from samples of so many events.  [default: the densities]",
    least=1,
)
@count_option(
    "--held-out",
    "Events of each calibration point that a joint density is judged with.  "
    "[default: 200 for each event of a toy]",
    least=40,
)
@calibration_option
@result_options("results/<study name>_closure", figures_option)
def closure(
    request: Request,
    points: int,
    events: int | None,
    held_out: int | None,
    calibration_file: str | None,
    **study_settings: Any,
) -> None:
    """Compare the morphing of a study with the exact rates; judge its joint densities."""
    from pullfactory.results.contents import CALIBRATION
    from pullfactory.runs.closure import closure as measure

    unused = unused_with(calibration_file, UNUSED_BY_CLOSURE)
    study = read_study(unused=unused, used=_used, **study_settings)
    if held_out is not None and not _used(study):
        raise StudyError(
            "--held-out has no effect: no method of the study fits a joint density; add flow to "
            "methods, or leave it out"
        )
    folder = request.folder(f"{study.name}_closure")
    calibration = read_calibration(calibration_file)
    result = measure(
        study,
        calibration=calibration,
        points=points,
        events=events,
        held_out=held_out,
        **request.work,
    )
    shown = [result.table, *_told(result)]
    judged = {} if result.calibration is None else {"Calibration": CALIBRATION}
    request.answer(result, folder, shown, Closure="closure.json", **judged, Figures="figures")


def _used(study: "Study") -> tuple[str, ...]:
    """What decides which densities are judged, if there are any."""
    from pullfactory.methods import method_kind

    judged = any(method_kind(name).density for name in study.methods)
    return USED_BY_DENSITIES if judged else ()


def _told(result: "ClosureResult") -> Iterator["RenderableType"]:
    """What is said of joint densities, if there are any."""
    if result.density_table is None:
        return
    yield result.density_table
    for one in result.densities:
        if one.reason:
            yield f"{one.method} at rho = {one.rho:g} {one.answer}: {one.reason}"
