"""What a reader of the numbers of an audit should know."""

import json
from collections.abc import Iterator, Sequence

import numpy as np

from pullfactory.auditing import SampleCheck, unbinned_obstacle
from pullfactory.inference.judgement import (
    FAKE_SENSITIVITY,
    FEWEST_SHARED,
    NOISY_TEMPLATES,
    OTHER_RATE,
    SCATTER_CHANGE,
)
from pullfactory.methods import method_kind
from pullfactory.numbers import plain, rounded, significant
from pullfactory.results.audit_numbers import AuditNumbers
from pullfactory.results.audit_work import AuditWork
from pullfactory.workspaces.study import clipping_note

_FAR, _CLOSE = 3.0, 0.03  # standard errors, and what a prediction may be off besides


def audit_notes(result: AuditNumbers, work: AuditWork) -> tuple[str, ...]:
    """Notes on an audit, a line each.

    Args:
        result: The audit.
        work: What its samples gave.
    """
    return (
        *(row.reason for row in result.closure if row.reason),
        *_on_errors(result, work),
        *_on_toys(result),
        *_on_templates(result, work),
        *_on_samples(result),
        *_on_data(result, work),
    )


def _on_errors(result: AuditNumbers, work: AuditWork) -> Iterator[str]:
    channels, rates = len(result.config.observable), work.expected.norm_names.values()
    told = [
        f"{row.parameter} by {rounded(row.inflate_by, row.inflate_by_error)}"
        for row in result.rows
        if method_kind(row.method).workspace and row.parameter in rates and not row.reason
    ]
    if told and channels > 1:
        yield (
            f"The {channels} channels have the same events, and each counts their number: the fit "
            f"claims wrong errors of rates even for independent observables. Inflate {_and(told)}."
        )
    if result.config.repeated == "cluster" and result.joint_workspace:
        yield (
            "No joint error: the joint workspace takes every row for an event, and its error would "
            "be that of independent rows."
        )
    for row in result.rows:
        worse = row.joint_error and row.joint_error > row.actual_error
        if row.parameter == result.config.poi and worse:
            yield (
                f"{row.parameter}: the joint workspace has an error of "
                f"{significant(row.joint_error)}, larger than the actual one: its bins are too "
                "coarse to gain; set joint.n_bins."
            )


def _on_toys(result: AuditNumbers) -> Iterator[str]:
    config = result.config
    if result.toys.sums and not config.toys.held_apart:
        yield (
            "Toys are drawn from the events that the templates are made of: the noise of the "
            "templates is hidden; toys.held_apart = 0.3 shows it."
        )
    if result.toys.reason:
        yield f"No toys: {result.toys.reason}."
    if result.unbinned.reason and config.toys.unbinned != "none":
        yield f"No unbinned fit: {result.unbinned.reason}."
    for row in result.pulls:
        pull = row.pulls
        expected, width, error = pull.predicted_width, pull.width, pull.width_error
        if expected and width and error and abs(width - expected) > _FAR * error + _CLOSE:
            yield (
                f"{pull.parameter}: {row.method} fits of toys have a pull width of {width:.3f}, "
                f"not {expected:.3f} as predicted: noise of the templates, or no linear fit."
            )


def _on_templates(result: AuditNumbers, work: AuditWork) -> Iterator[str]:
    for row in result.rows:
        if row.template_noise and row.template_noise > NOISY_TEMPLATES * row.claimed_error:
            part = row.template_noise / row.claimed_error
            yield (
                f"{row.parameter}: the noise of the nominal templates is {part:.0%} of its claimed "
                "error; use more events."
            )
    workspace = result.config.workspace
    if workspace.morphing == "multiplicative" and workspace.mass_constraint:
        for parameter in result.config.parameter:
            if parameter.constraint == "free":
                yield (
                    f"{parameter.name}: a multiplicative workspace constrains it to its step of "
                    f"{plain(parameter.step)}, in the claimed errors too; take samples further "
                    "away, or workspace.mass_constraint = false."
                )
    if note := clipping_note(result.workspace):
        yield f"workspaces/{result.config.name}.json is {note}"
    yield from _rate_notes(work)
    for name, part in work.expected.noise_in_slopes().items():
        if part > FAKE_SENSITIVITY:
            yield (
                f"{name}: {part:.0%} of the sensitivity to it is noise of its samples up and down, "
                "which makes the claimed error too small; use more events."
            )
    for name, bins in work.expected.starved_bins().items():
        yield f"{name}: {bins} bins of the template have fewer than 10 effective events; use fewer."


def _rate_notes(work: AuditWork) -> Iterator[str]:
    """Events of their own that stand for another number of events than the nominal ones."""
    for process in work.expected.processes:
        nominal = process.nominal.role
        for sample in process.varied:
            events, own = (work.expected.sample(role).yields for role in (sample.role, nominal))
            ratio = events / own
            if sample.family != process.nominal.family and abs(ratio - 1) > OTHER_RATE:
                yield (
                    f"{sample.role} stands for {events:.4g} events, "
                    f"{nominal} for {own:.4g}; if that is no effect of "
                    f"{' and '.join(name for name, _ in sample.point)}, set "
                    f"samples.{sample.role}.events."
                )


def _on_samples(result: AuditNumbers) -> Iterator[str]:
    yield from repeated_rows(result.checks)
    for check in result.checks:
        if check.events is not None and check.events < check.selected:
            yield (
                f"{check.role}: {check.selected} rows are {check.events} events, as the identifier "
                "says; numbers of events count rows."
            )
        if check.apart:
            yield (
                f"{check.role}: the rows of {check.apart} of {check.events} events are no "
                "neighbours; if the numbers of events begin anew in each file, they are different "
                "events, and a column that tells the files apart belongs into identifier."
            )
        if check.shared is not None and check.shared < FEWEST_SHARED:
            yield f"{check.role}: only {check.shared:.0%} of its events are in the nominal sample."
        for name, events in check.outside.items():
            if events:
                yield (
                    f"{check.role}: {events} of {check.selected} events are outside the edges of "
                    f"{name}."
                )


def repeated_rows(checks: Sequence[SampleCheck]) -> Iterator[str]:
    """Say which samples look as if several of their rows were one event.

    Args:
        checks: What was seen in each sample.
    """
    for check in checks:
        if check.runs:
            yield (
                f"{check.role}: {check.runs} of {check.selected} rows have the same "
                f"{check.marks} as the row before, and count as independent events; if several "
                f"rows are one event, set identifier = {json.dumps(check.marks.split(', '))} and "
                'repeated = "cluster".'
            )


def _on_data(result: AuditNumbers, work: AuditWork) -> Iterator[str]:
    if not result.data:
        return
    read = work.expected.read("data")
    check, weights = read.check, read.rows.weights
    clustered = result.config.repeated == "cluster" and not np.all(weights == 1)
    if clustered:
        event = np.unique(read.rows.keys, return_inverse=True)[1]
        weights = np.bincount(event, weights).astype(np.float64)
    scatter = abs(np.square(weights).sum() / weights.sum()) ** 0.5
    if abs(scatter - 1) > SCATTER_CHANGE:
        said = "say" if clustered else ", the prediction and the toys say"
        yield (
            f"data: with the weights of its events counts scatter {scatter:.3g} times as much as "
            f"the claimed errors{' ' if clustered else ''}{said}; take the sandwich and bootstrap "
            "errors of the data."
        )
    if result.unbinned.used and (obstacle := unbinned_obstacle(read)):
        yield f"No unbinned fit of the data: {obstacle}."
    for fit in result.data:
        if fit.groups:
            yield (
                f"The {fit.method} bootstrap drew {fit.groups} groups of the {check.selected} "
                "events of the data, which are more than toys.reservoir keeps in memory."
            )
        if fit.status not in ("converged", "recovered"):
            yield f"The {fit.method} fit of the data ended as {fit.status}."
        if fit.bootstrap_failed:
            yield (
                f"{fit.bootstrap_failed} of {result.config.replicas} {fit.method} fits of the "
                "bootstrap failed or ended at a bound."
            )


def _and(texts: Sequence[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last
