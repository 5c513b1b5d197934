"""The audit: from files of events to errors that can be defended."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision
from pullfactory.auditing import (
    AuditModel,
    DataFit,
    ErrorModel,
    EventPool,
    Expected,
    UnbinnedModel,
    audit_likelihood,
    build_audit_workspace,
    build_joint_audit_workspace,
    claimed_errors,
    compare_morphings,
    fit_data,
    fit_data_unbinned,
    in_units,
    learn_unbinned,
    measure_dependence,
    predict_errors,
    predict_subset,
    predict_unbinned,
    read_events,
    refuse_same,
    unbinned_obstacle,
)
from pullfactory.errors import CalibrationError, EventsError
from pullfactory.fitting import FitBatch, fit_events
from pullfactory.inference import PredictedPull, PullSums
from pullfactory.inference.rows import SelectionRow
from pullfactory.inference.sets import count_sets, search_sets
from pullfactory.methods import Method
from pullfactory.progress import Progress, silent
from pullfactory.results import AuditResult, AuditToysResult, ToyLedger, provenance
from pullfactory.runs.execution import count_workers, in_order, worker_pool
from pullfactory.settings.audit import AuditConfig

__all__ = ["audit"]


@double_precision
def audit(
    config: AuditConfig | Mapping[str, Any] | str | Path,
    events: Mapping[str, object] | None = None,
    *,
    base: str | Path | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> AuditResult:
    """May these observables be fitted as if they were independent, and what are the real errors?

    Reads the events, builds the workspaces, measures how the observables of an event depend on
    each other, predicts claimed and actual errors, checks them with toys drawn from the events,
    and fits the data, if there are any.

    Args:
        config: A configuration, its content as nested mappings, or a TOML file.
        events: Events from Python by role, such as {"nominal": table, "JSF.up": table}: data
            frames, awkward arrays of records, structured arrays, Arrow tables or mappings of
            columns. Their samples have `in_memory = true` in the configuration.
        base: Folder that files of events are relative to; None for that of the TOML file, or
            else the current one.
        workers: Threads of the toys; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.

    Raises:
        StudyError: If the configuration is not valid.
        EventsError: If events cannot be read or used.
        CalibrationError: If bins or templates are unusable, or a sample is missing.
    """
    folder = None if base is None else Path(base)
    if isinstance(config, str | Path):
        folder = folder or Path(config).parent
        config = AuditConfig.from_toml(config)
    elif not isinstance(config, AuditConfig):
        config = AuditConfig.from_dict(config)
    n_workers = count_workers(workers)
    read = read_events(config, events, base=folder, progress=progress)
    refuse_same(config, read)
    expected = Expected.of(config, read)
    has_data = config.sample_set.data is not None
    spec = build_audit_workspace(expected, expected.observed if has_data else None)
    with progress("prediction", 5) as advance:
        model = AuditModel.of(expected, spec)
        errors = ErrorModel.of(model)
        predictions = {"binned": predict_errors(errors)}
        advance(1)
        unbinned, reason = _learn_unbinned(model)
        if unbinned:
            predictions["unbinned"] = predict_unbinned(model, unbinned)
        advance(1)
        joint_spec = build_joint_audit_workspace(expected) if read.joint else None
        joint = None
        if joint_spec and config.repeated != "cluster":
            constrained = config.workspace.mass_constraint
            likelihood = audit_likelihood(joint_spec, config.parameter, constrained=constrained)
            joint = claimed_errors(expected.parameters, likelihood)
        advance(1)
        dependence = measure_dependence(
            expected.nominal, config.observable_names, expected.redraws()
        )
        advance(1)
        closure = compare_morphings(model)
        withheld = {row.parameter for row in closure if not row.correctable}
        predictions["binned"] = predictions["binned"].uncorrected(withheld)
        advance(1)
    return AuditResult(
        expected=expected,
        workspace=spec,
        joint_workspace=joint_spec,
        dependence=dependence,
        predictions=predictions,
        joint_errors=joint,
        sets=_sets(errors, withheld, progress),
        unbinned=unbinned,
        unbinned_reason=reason,
        toys=_toys(model, unbinned, n_workers, progress),
        data=_fit_data(model, unbinned, progress) if has_data else (),
        closure=closure,
    )


def _learn_unbinned(model: AuditModel) -> tuple[UnbinnedModel | None, str | None]:
    """Densities, or the reason why there are none."""
    if model.expected.config.toys.unbinned == "none":
        return None, 'toys.unbinned = "none"'
    try:
        return learn_unbinned(model), None
    except (CalibrationError, EventsError) as error:
        return None, str(error)


def _sets(
    model: ErrorModel, withheld: Collection[str], progress: Progress
) -> tuple[SelectionRow, ...]:
    """Errors of the parameter of interest with sets of the observables, the best first.

    Where there is no actual error of it the lowest claimed one is best.
    """
    config = model.audit.expected.config
    names, k = config.observable_names, config.parameter_names.index(config.poi)
    found: list[SelectionRow] = []
    with progress("observables", count_sets(len(names))) as advance:

        def look(some: tuple[str, ...]) -> float | None:
            advance(1)
            observables = tuple(name for name in names if name in some)
            claimed, actual = predict_subset(model, [names.index(name) for name in observables])
            if not (np.isfinite(actual[k]) and actual[k]):  # 0: nothing but a constraint
                return None
            errors = float(claimed[k]), float(actual[k])
            pull = PredictedPull.of("binned", np.nan, config.poi, *errors)
            found.append(SelectionRow(observables=observables, pull=pull))
            return float(actual[k])

        search_sets(names, look)
    if config.poi in withheld:
        found = [replace(row, pull=row.pull.without_actual()) for row in found]
        return tuple(sorted(found, key=lambda row: row.pull.claimed_error))
    return tuple(sorted(found, key=lambda row: row.pull.actual_error))


def _fit_data(
    model: AuditModel, unbinned: UnbinnedModel | None, progress: Progress
) -> tuple[DataFit, ...]:
    with progress("data", 1) as advance:
        fits = [fit_data(model)]
        if unbinned and unbinned_obstacle(model.expected.read("data")) is None:
            fits.append(fit_data_unbinned(model, unbinned))
        advance(1)
    return tuple(fits)


# --- toys ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    model: AuditModel
    pool: EventPool
    binned: Method
    unbinned: UnbinnedModel | None


def _toys(
    model: AuditModel,
    unbinned: UnbinnedModel | None,
    workers: int,
    progress: Progress,
) -> AuditToysResult:
    """Throw and fit toys, or say why not."""
    expected, config = model.expected, model.expected.config
    n_toys = config.toys.n_toys
    if not n_toys:
        return AuditToysResult(sums={}, toys=None, pool=0, reason="toys.n_toys = 0")
    try:
        pool = EventPool.of(model)
    except EventsError as error:
        return AuditToysResult(sums={}, toys=None, pool=0, reason=str(error))
    plan = _Plan(model=model, pool=pool, binned=model.method, unbinned=unbinned)
    methods = ["binned", *(["unbinned"] if unbinned else [])]
    ledger = ToyLedger(
        methods=methods,
        parameters=expected.parameters,
        metadata={
            "audit": config.to_toml(),
            "provenance": json.dumps(provenance(config.seed, config_sha256=config.sha256)),
        },
    )
    sums: dict[str, PullSums] = {}
    size = pool.block_size
    with worker_pool(None, workers) as threads, progress("toys", n_toys) as advance:
        blocks = in_order(threads, partial(_fit_block, plan), -(-n_toys // size), workers)
        for index, (truth, fits) in enumerate(blocks):
            kept = min(size, n_toys - index * size)
            for method, batch in fits.items():
                some, true = batch.head(kept), truth[:kept, : batch.estimate.shape[1]]
                new = PullSums.of(some, true)
                sums[method] = sums[method] + new if method in sums else new
                ledger.append(index * size, None, method, true, some)
            advance(kept)
    return AuditToysResult(sums=sums, toys=ledger.close(), pool=len(pool.values), reason=None)


def _fit_block(plan: _Plan, index: int) -> tuple[NDArray[np.float64], dict[str, FitBatch]]:
    """Draw and fit one block: the truth of the shown parameters, and fits by method."""
    likelihood, parameters = plan.model.likelihood, plan.model.expected.parameters
    block = plan.pool.draw(likelihood, index)
    where = [likelihood.names.index(name) for name in parameters]
    fits = {"binned": fit_events(plan.binned, block).select(parameters)}
    if plan.unbinned:
        fits["unbinned"] = in_units(fit_events(plan.unbinned.method, block), plan.unbinned.steps)
    return block.theta_true[:, where], fits
