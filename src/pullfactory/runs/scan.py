"""Scans: the pulls of a study at several values of one of its keys."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from pullfactory._jax import double_precision
from pullfactory.errors import StudyError
from pullfactory.inference.rows import ScanRow
from pullfactory.methods import MethodKind
from pullfactory.progress import Progress, silent
from pullfactory.results.scan import ScanResult
from pullfactory.runs.study import run
from pullfactory.settings.study import Study


@double_precision
def scan(
    study: Study,
    over: str,
    values: Sequence[Any],
    *,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    methods: Sequence[str | MethodKind] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> ScanResult:
    """Run a study at several values of a key, and variants of it.

    Args:
        study: The study.
        over: A key as in `Study.with_settings`, such as "ensemble.n_events".
        values: What it is set to.
        variants: Further settings by label, such as `{"additive": {"workspace.morphing":
            "additive"}}`; None for the study as it is. An empty label is not shown.
        methods: As in `run`.
        executor: As in `run`.
        workers: As in `run`.
        progress: How to show progress; see `pullfactory.progress`.

    Raises:
        StudyError: If there is nothing to scan, or a value or variant is refused.
        CalibrationError: As in `run`.
    """
    points = [
        (label, value, study.with_settings(settings))
        for label, value, settings in points_of(over, values, variants)
    ]
    rows: list[ScanRow] = []
    with progress("points", len(points)) as advance:
        for label, value, changed in points:
            result = run(changed, methods=methods, executor=executor, workers=workers)
            rows += [
                ScanRow(variant=label, value=value, method=row.method, rho=row.rho, pulls=row.pulls)
                for row in result.pulls
            ]
            advance(1)
    return ScanResult(
        study=study,
        over=over,
        values=tuple(map(_whole, values)),
        variants={"": {}} if variants is None else variants,
        rows=tuple(rows),
    )


def points_of(
    over: str, values: Sequence[Any], variants: Mapping[str, Mapping[str, Any]] | None
) -> list[tuple[str, Any, dict[str, Any]]]:
    """Points of a scan: label of the variant, value, and the settings of both.

    Args:
        over: As in `scan`.
        values: As in `scan`.
        variants: As in `scan`.

    Raises:
        StudyError: If there is nothing to scan, or a variant sets what is scanned.
    """
    variants = {"": {}} if variants is None else variants
    values = [_whole(value) for value in values]
    _check(over, values, variants)
    return [
        (label, value, {**settings, over: value})
        for label, settings in variants.items()
        for value in values
    ]


def _whole(value: Any) -> Any:
    """1e6 is a whole number too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _check(over: str, values: Sequence[Any], variants: Mapping[str, Mapping[str, Any]]) -> None:
    if over == "ensemble.rho":
        raise StudyError("every run scans 'ensemble.rho'; use 'pullfactory run --rho' for that")
    if not values or not variants:
        raise StudyError(f"there is nothing to scan {over!r} over; give a value and a variant")
    for value in values:
        if list(values).count(value) > 1:
            raise StudyError(f"{over} = {value!r} is given twice; keep one")
    for label, settings in variants.items():
        if over in settings:
            raise StudyError(f"variant {label!r} sets {over!r}, which is scanned; leave it out")
