"""The audit: from files of events to errors that can be defended."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory._jax import double_precision
from pullfactory.auditing import (
    AuditClosure,
    AuditFlow,
    AuditModel,
    CalibrationCurve,
    DataFit,
    ErrorModel,
    ErrorParts,
    EventPool,
    Expected,
    Finding,
    FlowModel,
    Goodness,
    HalfModels,
    LearntDensities,
    LinearFit,
    OptimalFit,
    OptimalModel,
    PairDependence,
    PredictedErrors,
    Smoothing,
    SubsetErrors,
    UnbinnedModel,
    WholeErrors,
    audit_likelihood,
    build_audit_workspace,
    build_joint_audit_workspace,
    claimed_errors,
    compare_morphings,
    data_intervals,
    fit_data,
    fit_data_unbinned,
    in_units,
    look,
    measure_curve,
    measure_dependence,
    optimal_models,
    predict_errors,
    predict_unbinned,
    read_events,
    unbinned_obstacle,
    whole_errors,
)
from pullfactory.auditing.goodness import goodness_findings, pulled_findings
from pullfactory.auditing.measurement import fit_findings
from pullfactory.errors import CalibrationError, EventsError
from pullfactory.fitting import FitBatch, fit_events
from pullfactory.inference import PredictedPull, PullSums
from pullfactory.inference.rows import SetRow
from pullfactory.inference.sets import compared_sets, count_sets, search_sets
from pullfactory.likelihoods import BinnedLikelihood
from pullfactory.methods import BINNED, FLOW, UNBINNED, method_kind
from pullfactory.progress import Progress, silent
from pullfactory.results.audit import AuditResult
from pullfactory.results.audit_numbers import AuditToysResult
from pullfactory.results.audit_work import AuditWork
from pullfactory.results.identity import identity_of
from pullfactory.results.keeping import Keep
from pullfactory.results.part import Fitted, Layout
from pullfactory.results.pull_sums import pulls_of
from pullfactory.results.sums import Series
from pullfactory.runs.campaign import Campaign, FitBlock
from pullfactory.runs.execution import require_workers
from pullfactory.runs.goodness import goodness_of_fit
from pullfactory.settings.audit import AuditConfig


@double_precision
def audit(
    config: AuditConfig | Mapping[str, Any] | str | Path,
    events: Mapping[str, object] | None = None,
    *,
    base: str | Path | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    keep: Keep | str | Path | None = None,
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
        executor: Where the blocks of toys are computed; None for a pool of threads. Process
            pools must start their processes with "spawn".
        workers: Threads of the default pool; None for one per processor.
        progress: How to show progress; see `pullfactory.progress`.
        keep: Folder where toys are kept as they are made, so that the same call goes on where
            another one was stopped; a `Keep` says more. None: a temporary file.

    Raises:
        StudyError: If the configuration is not valid, the executor forks, or there are fewer
            than one workers.
        OutputError: If toys cannot be kept, or others are there.
        RunError: If blocks of toys failed for good; the others are kept.
        EventsError: If events cannot be read or used; a `GateError` if the samples are such that no
            answer can rest on them.
        CalibrationError: If bins or templates are unusable, or a sample is missing.
    """
    config = _configuration(config)
    folder = config.folder if base is None else Path(base)
    n_workers = require_workers(executor, workers)
    read = read_events(config, events, base=folder, progress=progress)
    expected = Expected.of(config, read)
    smoothing = Smoothing.of(expected)
    gate = look(expected, events, base=folder, smoothing=smoothing)
    has_data = config.sample_set.data is not None
    observed = expected.observed if has_data else None
    spec = build_audit_workspace(expected, observed, smoothing=smoothing)
    model = AuditModel.of(expected, spec, smoothing)
    predicted = _predict(model, progress)
    optimal, combined = _optimal_fits(predicted)
    flow = _learn_flow(model, predicted, progress)
    plan = _Plan(
        model=model, unbinned=predicted.unbinned, optimal=combined, flow=flow and flow.model
    )
    toys = _toys(plan, executor, n_workers, progress, Keep.of(keep))
    data = _fit_data(model, predicted.unbinned, progress) if has_data else ()
    joint = _fit_data_jointly(flow, progress)
    intervals = tuple(data_intervals(model, predicted.unbinned, data, predicted.whole))
    goodness, found = _goodness(model, (*data, *joint), executor, n_workers, progress)
    work = AuditWork(
        expected=expected,
        workspace=spec,
        joint_workspace=predicted.joint_workspace,
        dependence=predicted.dependence,
        predictions=predicted.errors,
        joint_errors=predicted.joint_errors,
        sets=predicted.sets,
        unbinned=predicted.unbinned,
        unbinned_reason=predicted.unbinned_reason,
        toys=toys,
        data=data,
        closure=predicted.closure,
        response=gate.response,
        goodness=goodness,
        gate=(*found, *predicted.curve.findings(), *gate.findings),
        whole=predicted.whole,
        parts=predicted.parts,
        smoothing=smoothing,
        curve=predicted.curve,
        intervals=intervals,
        optimal=optimal,
        flow=flow and flow.told(joint),
    )
    return AuditResult.of(work)


class _Predicted(NamedTuple):
    """What is known of the fits without a toy; as in `AuditWork`."""

    errors: dict[str, PredictedErrors]
    whole: dict[str, WholeErrors]
    parts: tuple[ErrorParts, ...]
    unbinned: UnbinnedModel | None
    unbinned_reason: str | None
    joint_workspace: dict[str, Any] | None
    joint_errors: NDArray[np.float64] | None
    dependence: tuple[PairDependence, ...]
    closure: tuple[AuditClosure, ...]
    curve: CalibrationCurve
    sets: tuple[SetRow, ...]
    optimal: tuple[OptimalModel, ...]
    not_optimal: tuple[OptimalFit, ...]


def _predict(model: AuditModel, progress: Progress) -> _Predicted:
    """Errors, dependence and closure, and what sets of observables are worth."""
    expected, config = model.expected, model.expected.config
    with progress("prediction", 6) as advance:
        errors = ErrorModel.of(model)
        predictions = {BINNED.name: predict_errors(errors)}
        advance(1)
        learnt, reason = _learn_unbinned(model)
        if learnt:
            unbinned = predict_unbinned(model, learnt.model, learnt.linear)
            predictions[UNBINNED.name] = unbinned
        advance(1)
        joint_spec = build_joint_audit_workspace(expected) if expected.events.joint else None
        joint = None
        if joint_spec and config.repeated != "cluster":
            joint = _joint_errors(expected.parameters, config, joint_spec)
        advance(1)
        redraws = expected.redraws()
        dependence = measure_dependence(expected.nominal, config.observable_names, redraws)
        advance(1)
        halved = HalfModels(model=model)
        closure = compare_morphings(halved)
        withheld = {row.parameter for row in closure if not row.correctable}
        predictions[BINNED.name] = predictions[BINNED.name].uncorrected(withheld)
        binned = LinearFit.of(errors)
        whole = {BINNED.name: whole_errors(binned, expected.parameters, model.positions)}
        if learnt:
            names = config.parameter_names
            whole[UNBINNED.name] = whole_errors(learnt.linear, names, range(len(names)))
        divided = {
            method: errors_of.told(config.poi)["answer"] == "calibrate"
            for method, errors_of in whole.items()
        }
        parts = [ErrorParts.binned(binned, model, calibrated=divided[BINNED.name])]
        if learnt:
            divides = divided[UNBINNED.name]
            parts.append(ErrorParts.unbinned(learnt.linear, model, calibrated=divides))
        optimal, refused = optimal_models(model, binned, learnt)
        advance(1)
        curve = measure_curve(errors, binned, halved)
        advance(1)
    return _Predicted(
        errors=predictions,
        whole=whole,
        parts=tuple(parts),
        unbinned=learnt.model if learnt else None,
        unbinned_reason=reason,
        joint_workspace=joint_spec,
        joint_errors=joint,
        dependence=dependence,
        closure=closure,
        curve=curve,
        sets=_sets(errors, withheld, progress),
        optimal=optimal,
        not_optimal=refused,
    )


def _optimal_fits(
    predicted: _Predicted,
) -> tuple[tuple[OptimalFit, ...], tuple[OptimalModel, ...]]:
    """What is expected of the optimal combinations, with fits of the data, and those there are."""
    found, usable = list[OptimalFit](), list[OptimalModel]()
    for model in predicted.optimal:
        product = predicted.errors[method_kind(model.method.name).improves]
        errors = dict(zip(product.parameters, product.errors[1].tolist(), strict=True))
        try:
            found.append(model.tell(errors))
            usable.append(model)
        except CalibrationError as error:
            found.append(OptimalFit(method=model.method.name, reason=str(error)))
    return (*found, *predicted.not_optimal), tuple(usable)


def _learn_flow(model: AuditModel, predicted: _Predicted, progress: Progress) -> AuditFlow | None:
    """The joint density that is asked for, if one is, with what is expected of its fits."""
    if not model.expected.config.flow or len(model.expected.config.observable) < 2:
        return None
    method = UNBINNED if predicted.unbinned else BINNED
    product = predicted.errors[method.name]
    errors = dict(zip(product.parameters, product.errors[1].tolist(), strict=True))
    with progress("flow", 1) as advance:
        found = AuditFlow.of(model, predicted.unbinned, errors)
        advance(1)
    return found


def _fit_data_jointly(flow: AuditFlow | None, progress: Progress) -> tuple[DataFit, ...]:
    if flow is None or flow.model is None or not flow.model.fits_data:
        return ()
    with progress("data", 1) as advance:
        fit = fit_data_unbinned(flow.model.audit, flow.model)
        advance(1)
    return (fit,)


def _configuration(config: AuditConfig | Mapping[str, Any] | str | Path) -> AuditConfig:
    if isinstance(config, AuditConfig):
        return config
    if isinstance(config, str | Path):
        return AuditConfig.from_toml(config)
    return AuditConfig.from_dict(config)


def _joint_errors(
    parameters: Sequence[str], config: AuditConfig, spec: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Errors of a fit to the joint workspace."""
    constrained = config.workspace.mass_constraint
    likelihood = audit_likelihood(spec, config.parameter, constrained=constrained)
    return claimed_errors(parameters, likelihood)


def _learn_unbinned(model: AuditModel) -> tuple[LearntDensities | None, str | None]:
    """Densities and their fit around the nominal point, or the reason why there are none."""
    if model.expected.config.toys.unbinned == "none":
        return None, 'toys.unbinned = "none"'
    try:
        return LearntDensities.of(model), None
    except (CalibrationError, EventsError) as error:
        return None, str(error)


def _sets(model: ErrorModel, withheld: Collection[str], progress: Progress) -> tuple[SetRow, ...]:
    """Errors of the parameter of interest with sets of the observables, the best first.

    Where there is no actual error of it the lowest claimed one is best.
    """
    config = model.audit.expected.config
    names, k = config.observable_names, config.parameter_names.index(config.poi)
    subsets, found = SubsetErrors(model), list[SetRow]()
    with progress("observables", count_sets(len(names)) + 1) as advance:

        def look(some: tuple[str, ...]) -> float | None:
            advance(1)
            observables = tuple(name for name in names if name in some)
            claimed, actual = subsets.predict([names.index(name) for name in observables])
            if not (np.isfinite(actual[k]) and actual[k]):  # 0: nothing but a constraint
                return None
            errors = float(claimed[k]), float(actual[k])
            pull = PredictedPull.of(BINNED.name, np.nan, config.poi, *errors)
            found.append(SetRow(observables=observables, pull=pull))
            return float(actual[k])

        search_sets(names, look)
        if config.poi in withheld:
            advance(1)
            found = [replace(row, pull=row.pull.without_actual()) for row in found]
            return tuple(sorted(found, key=lambda row: row.pull.claimed_error))
        found = sorted(found, key=lambda row: row.pull.actual_error)
        taken = [[names.index(name) for name in row.observables] for row in found]
        compared = compared_sets(found, subsets.replicas(taken, k))
        advance(1)
    return compared


def _fit_data(
    model: AuditModel, unbinned: UnbinnedModel | None, progress: Progress
) -> tuple[DataFit, ...]:
    with progress("data", 1) as advance:
        fits = [fit_data(model)]
        if unbinned and unbinned_obstacle(model.expected.read("data")) is None:
            fits.append(fit_data_unbinned(model, unbinned))
        advance(1)
    return tuple(fits)


def _goodness(
    model: AuditModel,
    data: Sequence[DataFit],
    executor: Executor | None,
    workers: int,
    progress: Progress,
) -> tuple[Goodness | None, tuple[Finding, ...]]:
    """Whether the model fits the data, and what was found on the way; nothing without data."""
    fit = data[0].whole if data else None
    if fit is None:
        return None, ()
    found = goodness_of_fit(model, fit, executor, workers, progress)
    ended = fit_findings(data, model.expected.config.replicas)
    pulled = pulled_findings(model, fit, blind=model.expected.config.blind)
    return found, (*goodness_findings(found), *ended, *pulled)


# --- toys ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    model: AuditModel
    unbinned: UnbinnedModel | None
    optimal: tuple[OptimalModel, ...]
    flow: FlowModel | None

    def build(self) -> FitBlock:
        """What draws and fits one block of events."""
        model, unbinned, flow = self.model, self.unbinned, self.flow
        parameters, pool, binned = model.expected.parameters, EventPool.of(model), model.method

        def fit(index: int) -> list[Fitted]:
            block = pool.draw(model.likelihood, index)
            truth = block.theta_true[:, model.positions]
            fits = [fit_events(binned, block).select(parameters)]
            if unbinned:
                fits.append(in_units(fit_events(unbinned.method, block), unbinned.steps))
            fits += [one.fit(block) for one in self.optimal]
            if flow:
                fits.append(in_units(fit_events(flow.method, block), flow.steps))
            return [
                Fitted(None, method, truth[:, : each.estimate.shape[1]], each)
                for method, each in zip(self.methods, fits, strict=True)
            ]

        return fit

    @property
    def methods(self) -> tuple[str, ...]:
        """Names, in the order of the fits."""
        unbinned = (UNBINNED.name,) if self.unbinned else ()
        flow = (FLOW.name,) if self.flow else ()
        return (BINNED.name, *unbinned, *(one.method.name for one in self.optimal), *flow)

    def __reduce__(self) -> tuple[Any, ...]:
        model = self.model
        learnt = self.unbinned is not None
        content = model.expected, model.likelihood, model.smoothing, learnt, self.methods
        return _arrived, content


def _arrived(
    expected: Expected,
    likelihood: BinnedLikelihood,
    smoothing: Smoothing,
    unbinned: bool,
    methods: Sequence[str],
) -> _Plan:
    """A plan in another process, which learns the densities of the same events again."""
    model = AuditModel(expected=expected, likelihood=likelihood, smoothing=smoothing)
    learnt = LearntDensities.of(model) if unbinned else None
    optimal, _ = optimal_models(model, LinearFit.of(ErrorModel.of(model)), learnt)
    wanted = tuple(one for one in optimal if one.method.name in methods)
    densities = learnt.model if learnt else None
    flow = FlowModel.learn(model, densities) if FLOW.name in methods else None
    return _Plan(model=model, unbinned=densities, optimal=wanted, flow=flow)


def _toys(
    plan: _Plan,
    executor: Executor | None,
    workers: int,
    progress: Progress,
    keep: Keep | None,
) -> AuditToysResult:
    """Throw and fit toys, or say why not."""
    config = plan.model.expected.config
    if not config.toys.n_toys:
        return AuditToysResult(sums={}, toys=None, pool=0, reason="toys.n_toys = 0")
    try:
        pool = EventPool.of(plan.model)
    except EventsError as error:
        return AuditToysResult(sums={}, toys=None, pool=0, reason=str(error))
    campaign = Campaign(
        plan=plan,
        n_toys=config.toys.n_toys,
        block=pool.block_size,
        layout=Layout(
            methods=plan.methods,
            parameters=plan.model.expected.parameters,
            identity=_identity(plan, pool),
        ),
        sum_up=_sum_up,
    )
    toys = campaign.run(executor, workers, progress, keep)
    sums = {method: one for (_, method), one in pulls_of(toys).items()}
    return AuditToysResult(sums=sums, toys=toys, pool=len(pool.values), reason=None)


def _sum_up(fits: FitBatch, truth: NDArray[np.float64]) -> Series:
    return {"pulls": PullSums.of(fits, truth)}


def _identity(plan: _Plan, pool: EventPool) -> str:
    """What decides the toys of an audit: its events and its settings."""
    expected = plan.model.expected
    described = expected.config.to_dict()
    for key in ("figures", "blind"):
        described.pop(key, None)
    del described["toys"]["n_toys"]
    events = sha256()
    for role, read in expected.events.samples.items():
        events.update(role.encode())
        for array in (read.rows.values, read.rows.weights, read.rows.keys):
            events.update(np.ascontiguousarray(array).tobytes())
    return identity_of(
        "audit",
        config=described,
        events=events.hexdigest(),
        methods=list(plan.methods),
        block=pool.block_size,
    )
