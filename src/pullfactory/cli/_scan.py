"""Command on a series of studies: scan."""

import re
from typing import Any

import click

from pullfactory.cli._request import Request, figures_option, result_options
from pullfactory.cli._shared import command
from pullfactory.cli._study import read_study, study_options
from pullfactory.errors import StudyError


@command(
    "pullfactory scan --rho 0 --over ensemble.n_events=500,2000,8000",
    "pullfactory scan --rho 0 --methods binned --over calibration.events_per_point=1e4,1e5 "
    "\\\n      --variant : --variant 'with staterror: workspace.staterror=true'",
)
@study_options()
@click.option("--over", required=True, metavar="KEY=V1,V2,...", help="The key, and its values.")
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="'LABEL: KEY=VALUE, ...'",
    help="Scan the study with these settings; ':' is the study as it is. Repeatable.",
)
@result_options("results/<study name>_scan", figures_option)
def scan(request: Request, over: str, variants: tuple[str, ...], **study_settings: Any) -> None:
    """Run a study at several values of one of its keys; write pulls and figures."""
    from pullfactory.runs.scan import points_of
    from pullfactory.runs.scan import scan as scan_study
    from pullfactory.settings.idle import refuse_idle
    from pullfactory.settings.study import Study

    ((key, given),) = Study.parse_settings([over]).items()
    values = given if isinstance(given, list) else [given]
    series = _parse_variants(variants)
    unused = {key: "it is what is scanned", "intervals": "a scan shows none; leave it out"}
    points = points_of(key, values, series)
    study = read_study(unused=unused, further=[more for _, _, more in points], **study_settings)
    refuse_idle({key: given}, [study.with_settings(more) for _, _, more in points], {})
    folder = request.folder(f"{study.name}_scan")
    result = scan_study(study, key, values, variants=series, **request.work)
    request.answer(result, folder, [result.table], Scan="scan.json", Figures="figures")


def _parse_variants(texts: tuple[str, ...]) -> dict[str, dict[str, Any]] | None:
    """Settings by label; None if there are no variants."""
    from pullfactory.settings.study import Study

    variants: dict[str, dict[str, Any]] = {}
    for text in texts:
        label, colon, settings = (part.strip() for part in text.partition(":"))
        if not colon:
            raise StudyError(
                f"variant {text!r} is not 'LABEL: KEY=VALUE, ...'; "
                "write for example 'additive: workspace.morphing=additive'"
            )
        if label in variants:
            raise StudyError(f"variant {label!r} is given twice; keep one")
        parts = re.split(r",\s*(?=[\w.]+=)", settings) if settings else []
        variants[label] = Study.parse_settings(parts)
    return variants or None
