"""What a reader of the numbers of an audit should know."""

from collections.abc import Iterator, Sequence

import numpy as np

from pullfactory.auditing import unbinned_obstacle
from pullfactory.inference.judgement import (
    NOISY_TEMPLATES,
    SCATTER_CHANGE,
)
from pullfactory.methods import method_kind
from pullfactory.numbers import plain, rounded, significant
from pullfactory.results.audit_numbers import AuditNumbers
from pullfactory.results.audit_work import AuditWork
from pullfactory.workspaces.study import clipping_note

_NAMED = 3  # samples of which alike things are told
_FAR, _CLOSE = 3.0, 0.03  # standard errors, and what a prediction may be off besides


def audit_notes(result: AuditNumbers, work: AuditWork) -> tuple[str, ...]:
    """Notes on an audit, a line each.

    Args:
        result: The audit.
        work: What its samples gave.
    """
    return (
        *_on_closure(result),
        *_on_errors(result, work),
        *_on_toys(result),
        *_on_templates(result),
        *_on_samples(result),
        *_on_data(result, work),
    )


def _on_closure(result: AuditNumbers) -> Iterator[str]:
    """What the samples leave open, once for all parameters of which the same is said."""
    same: dict[str, list[str]] = {}
    for row in result.closure:
        if row.reason:
            head = f"{row.parameter}: "
            said = row.reason.removeprefix(head)
            same.setdefault(said if row.reason.startswith(head) else row.reason, []).append(
                row.parameter if row.reason.startswith(head) else ""
            )
    for said, names in same.items():
        yield f"{_and(names)}: {said}" if all(names) else said


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


def _on_templates(result: AuditNumbers) -> Iterator[str]:
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


def _on_samples(result: AuditNumbers) -> Iterator[str]:
    checks = result.checks
    clustered = [
        f"{check.selected} of {check.role} are {check.events}"
        for check in checks
        if check.events is not None and check.events < check.selected
    ]
    if clustered:
        yield (
            f"Rows are fewer events, as the identifier says: {_few(clustered)}; numbers of events "
            "count rows."
        )
    if apart := [f"{one.apart} of {one.events} of {one.role}" for one in checks if one.apart]:
        yield (
            f"The rows of some events are no neighbours: {_few(apart)}; if the numbers of events "
            "begin anew in each file, they are different events, and a column that tells the files "
            "apart belongs into identifier."
        )
    for name in result.config.observable_names:
        outside = [
            (check.outside[name] / check.selected, check)
            for check in checks
            if check.outside.get(name)
        ]
        told = [
            f"{check.outside[name]} of {check.selected} of {check.role}"
            for _, check in sorted(outside, key=lambda pair: -pair[0])
        ]
        if told:
            yield f"Events outside the edges of {name}: {_few(told)}."


def _few(texts: Sequence[str]) -> str:
    """The first of alike texts, and how many more there are."""
    more = len(texts) - _NAMED
    return _and(texts) if more <= 0 else f"{', '.join(texts[:_NAMED])} and {more} more samples"


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


def _and(texts: Sequence[str]) -> str:
    *others, last = texts
    return f"{', '.join(others)} and {last}" if others else last
