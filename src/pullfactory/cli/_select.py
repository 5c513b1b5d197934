"""The selection of observables."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pullfactory.cli._request import Request, figures_option, result_options
from pullfactory.cli._shared import command
from pullfactory.cli._study import (
    calibration_option,
    given_changes,
    read_calibration,
    read_study,
    study_options,
)
from pullfactory.cli._unused import UNUSED_WITHOUT_TOYS, unused_with
from pullfactory.errors import StudyError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pullfactory.inference.rows import SelectionRow
    from pullfactory.results.selection import SelectionResult


@command(
    "pullfactory select --preset ljets                   four observables of the top quark",
    "pullfactory select my.toml --rho 0.3                ... or yours",
    "pullfactory select my.toml --methods binned,unbinned",
)
@study_options("--n-toys")
@calibration_option
@result_options("results/<study name>_selection", figures_option)
def select(request: Request, calibration_file: str | None, **study_settings: Any) -> None:
    """Compare sets of observables: which of them pay?

    Without --methods the likelihood is unbinned. A study with several rho needs --rho to choose
    one.
    """
    from pullfactory.runs.select import select as select_observables

    chosen = "methods" in given_changes(study_settings["settings"], study_settings)
    further = {} if chosen else {"methods": ["unbinned"]}
    unused = unused_with(calibration_file, UNUSED_WITHOUT_TOYS)
    study = read_study(unused=unused, further=[further], **study_settings)
    study.single_rho()
    methods = study.methods if chosen else None
    folder = request.folder(f"{study.name}_selection")
    calibration = read_calibration(calibration_file)
    result = select_observables(study, methods=methods, calibration=calibration, **request.work)
    if not result.rows:
        raise StudyError(result.skipped[-1].reason)
    request.answer(result, folder, _shown(result), Selection="selection.json", Figures="figures")


def _shown(result: "SelectionResult") -> Iterator["RenderableType"]:
    yield result.table
    for method in result.methods:
        yield from _answers(result, method)
    for skipped in result.skipped:
        yield f"Left out {', '.join(skipped.observables)}: {skipped.reason}"


def _answers(result: "SelectionResult", method: str) -> list[str]:
    """What to take, in words."""
    from pullfactory.methods import method_kind
    from pullfactory.numbers import significant

    promised, best = (result.best(method, kind) for kind in ("claimed_error", "actual_error"))
    optimal = result.best(method)
    claims, is_so, is_best = (
        significant(error)
        for error in (
            promised.pull.claimed_error,
            promised.pull.actual_error,
            best.pull.actual_error,
        )
    )
    idle = ", ".join(result.do_not_pay(method, "actual_error")) or "none"
    if not method_kind(method).independent:  # it has the optimal errors already
        return [
            f"{method}, best: {_names(best)} (is {is_best})",
            f"{method}, do not pay: {idle}",
        ]
    gives = significant(optimal.reached)
    useless = ", ".join(result.do_not_pay(method)) or "none"
    return [
        f"{method}, best if independent: {_names(promised)} (claims {claims}, is {is_so})",
        f"{method}, best corrected: {_names(best)} (is {is_best})",
        f"{method}, do not pay: {idle}",
        f"{method}, best combined optimally: {_names(optimal)} (gives {gives})",
        f"{method}, do not pay even then: {useless}",
    ]


def _names(row: "SelectionRow") -> str:
    return ", ".join(row.observables)
