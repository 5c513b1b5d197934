"""The audit of a workspace as it is."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyhf

from pullfactory._jax import double_precision
from pullfactory.errors import EventsError
from pullfactory.fitting import FitStatus
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.progress import Progress, silent
from pullfactory.results.workspace_audit import WorkspaceAuditResult
from pullfactory.runs.workspace_goodness import workspace_goodness
from pullfactory.settings.mapping import EventMap
from pullfactory.sharing import (
    EXACT,
    Answers,
    Covariance,
    Filled,
    MappedEvents,
    Point,
    combine_optimally,
    error_parts,
    filled,
    find_answers,
    fitted,
    gamma_bins,
    largest_factors,
    read_mapped,
    refuse_mismatch,
    sample_rates,
    shared_rows,
    sharing_rows,
)
from pullfactory.workspaces.reading import read_workspace

_MOST_TOYS = 1_000_000  # of which a million distances are held


@double_precision
def audit_workspace(
    workspace: str | Path | Mapping[str, Any],
    data: Any = None,
    *,
    events: EventMap | str | Path | None = None,
    simulated: Mapping[str, Any] | None = None,
    weights: Mapping[str, Any] | None = None,
    disjoint: Collection[str] = (),
    tolerance: float = EXACT,
    measurement: str | None = None,
    name: str = "workspace",
    n_toys: int = 300,
    seed: int = 0,
    progress: Progress = silent,
) -> WorkspaceAuditResult:
    """How wrong the errors of a workspace are, because channels share events.

    Without events the answer is how wrong at most. Events say how much: those of the data, of
    the nominal simulation, or both. They are in files, or given: as an array of whole numbers with
    one row an event, the bins that it fills, counted through all channels in the order of the model
    (-1: none); or as a sparse matrix of scipy, of shape (events, bins), with the weights.

    Args:
        workspace: From `read_workspace`, a JSON file, or the content of one.
        data: Events of the data, of weight 1; None for none.
        events: Which events of files are in which bins, or a TOML file that says so, to whose
            folder files are relative; None where they are given, or there are none.
        simulated: Events of samples by name; a sample left out has none.
        weights: Weights of those that are given as numbers, by sample, with which they make the
            templates, of shape (events,) or that of the numbers; 1 for others.
        disjoint: Channels whose events are in no other, and are not given.
        tolerance: Part of a template by which simulated events may differ from it; data are to be
            there exactly.
        measurement: Name of the measurement; None for the first.
        name: Of the result.
        n_toys: Toys of whole events at the fitted point, beside which the observations are looked
            at; 0 for none. Without events there are none.
        seed: Of the toys.
        progress: How to show progress.

    Raises:
        WorkspaceError: If the workspace cannot be read, or the measurement is unknown.
        EventsError: If events do not make the histograms of the workspace, or a number is
            impossible.
        LikelihoodError: If the workspace does not tell its parameters apart.
    """
    _refuse_numbers(n_toys, seed, tolerance, disjoint)
    _refuse_kinds(events, simulated, weights)
    if events is not None and (data is not None or simulated or weights or disjoint):
        raise EventsError("events are named in a file, and given too; leave one of them out")
    spec = workspace if isinstance(workspace, pyhf.Workspace) else read_workspace(workspace)
    likelihood = BinnedLikelihood.from_pyhf(spec, measurement=measurement)
    given = (
        MappedEvents(
            None if data is None else filled(data, likelihood.channels, None, place="data"),
            _samples(likelihood, simulated or {}, weights or {}),
            disjoint=tuple(disjoint),
        )
        if events is None
        else _mapped(events, likelihood, spec, progress)
    )
    refuse_mismatch(likelihood, spec, given, tolerance=tolerance)
    with progress("fit", 1) as advance:
        fit = fitted(likelihood)
        advance(1)
    point = Point.at(likelihood, fit.estimate[0])
    gammas = gamma_bins(point, spec)
    with progress("pairs", 1) as advance:
        rates = sample_rates(point, spec, measurement) if given.simulated else {}
        answers = find_answers(point, spec, given.data, given.simulated, gammas, rates)
        advance(1)
    goodness = None
    if answers.best is not None:
        goodness = workspace_goodness(point, fit, answers.best, n_toys, seed, progress)
    told = answers.withheld if goodness and goodness.withheld else answers
    best = told.best
    return WorkspaceAuditResult(
        name=name,
        measurement=measurement or spec.measurement_names[0],
        model_sha256=likelihood.digest,
        seed=seed,
        status=FitStatus(int(fit.status[0])).label,
        channels=tuple(channel for channel, _ in likelihood.channels),
        rows=sharing_rows(point, gammas, largest_factors(point, gammas, given.disjoint), told),
        pairs=shared_rows(point, answers),
        without=answers.without,
        notes=tuple(_notes(answers, bool(gammas), given.disjoint)),
        covariance=Covariance.of(point, answers, given),
        goodness=goodness,
        parts=() if best is None else error_parts(point, best, gammas),
        optimal=None if best is None else combine_optimally(point, best, gammas),
    )


def _refuse_numbers(n_toys: int, seed: int, tolerance: float, disjoint: Collection[str]) -> None:
    for name, value in (("n_toys", n_toys), ("seed", seed)):
        if not hasattr(value, "__index__") or value < 0:
            raise EventsError(f"{name} = {value!r} must be a whole number, 0 or more")
    if n_toys > _MOST_TOYS:
        raise EventsError(f"n_toys = {n_toys} are too many to be thrown; give at most {_MOST_TOYS}")
    if not hasattr(tolerance, "__float__") or not 0.0 <= tolerance <= 1.0:
        raise EventsError(f"tolerance = {tolerance!r} must be between 0 and 1")
    if isinstance(disjoint, str):
        raise EventsError(f"disjoint = {disjoint!r} must be a list of channels; use [{disjoint!r}]")
    if not hasattr(disjoint, "__iter__"):
        raise EventsError(f"disjoint = {disjoint!r} must be a list of channels")


def _refuse_kinds(events: object, simulated: object, weights: object) -> None:
    for name, value in (("simulated", simulated), ("weights", weights)):
        if value is not None and not isinstance(value, Mapping):
            raise EventsError(
                f"{name} is of type {type(value).__name__}; give a dictionary by sample"
            )
    if events is not None and not isinstance(events, EventMap | str | Path):
        raise EventsError(f"events = {events!r} must be an EventMap or the path of a TOML file")


def _mapped(
    events: EventMap | str | Path,
    likelihood: BinnedLikelihood,
    workspace: Mapping[str, Any],
    progress: Progress,
) -> MappedEvents:
    """Events of files, which are relative to the folder of the file that names them."""
    if isinstance(events, EventMap):
        return read_mapped(events, likelihood, workspace, progress=progress)
    named = EventMap.from_toml(events)
    base = Path(events).parent
    return read_mapped(named, likelihood, workspace, base=base, progress=progress)


def _samples(
    likelihood: BinnedLikelihood, simulated: Mapping[str, Any], weights: Mapping[str, Any]
) -> dict[str, Filled]:
    for name in weights:
        if name not in simulated:
            raise EventsError(f"weights of {name!r}, which has no events; leave them out")
    return {
        name: filled(bins, likelihood.channels, weights.get(name), place=f"sample {name!r}")
        for name, bins in simulated.items()
    }


def _notes(answers: Answers, gammas: bool, disjoint: Collection[str]) -> Iterator[str]:
    """What the events do not say."""
    if answers.best is None:
        return
    if disjoint:
        yield (
            f"that events of {', '.join(disjoint)} are in no other channel is taken as said "
            "(disjoint), for they are not given"
        )
    if gammas and answers.simulated is None:
        yield (
            "gammas of channels whose templates share simulated events are taken as independent: "
            "only simulated events say otherwise"
        )
    if answers.simulated is not None:
        yield "variations of templates are taken as exact, for their events are not given"
    if answers.without:
        yield (
            f"samples without events ({', '.join(answers.without)}) are taken to share events as "
            "the others do; factor_alone is with none of theirs shared"
        )
