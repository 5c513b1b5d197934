"""What a reader of the numbers of an audit should know."""

from collections.abc import Iterator, Sequence

import numpy as np

from pullfactory.auditing import Smoothing, unbinned_obstacle
from pullfactory.auditing.rows import AuditRow
from pullfactory.inference.judgement import (
    FARTHER,
    NOISY_SLOPE,
    NOISY_TEMPLATES,
    SCATTER_CHANGE,
)
from pullfactory.methods import method_kind
from pullfactory.numbers import plain, rounded, significant
from pullfactory.report.audit_verdict import factor_text
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
        *_on_errors(result),
        *_on_toys(result),
        *_on_smoothing(result, work.smoothing),
        *_on_levers(result),
        *_on_templates(result),
        *_on_bends(work),
        *_on_samples(result),
        *_on_data(result, work),
    )


def exchanged_notes(
    notes: Sequence[str], before: AuditNumbers, after: AuditNumbers
) -> tuple[str, ...]:
    """Notes on an audit that has other toys.

    Args:
        notes: Those that there were.
        before: The audit that they were on.
        after: The same with its toys.
    """
    of_toys, place = set(_on_toys(before)), len([*_on_closure(before), *_on_errors(before)])
    kept = [note for note in notes if note not in of_toys]
    return (*kept[:place], *_on_toys(after), *kept[place:])


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


def _on_errors(result: AuditNumbers) -> Iterator[str]:
    channels = len(result.config.observable)
    rates = {process.norm_name for process in result.config.sample_set.processes}
    told = [
        f"{row.parameter} by {_factor(row)}"
        for row in result.rows
        if method_kind(row.method).workspace
        and row.parameter in rates
        and not row.reason
        and row.answer != "cannot"
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


def _factor(row: AuditRow) -> str:
    """What a claimed error is to be multiplied by, with the noise of the templates if known."""
    if row.factor is None:
        return rounded(row.inflate_by, row.inflate_by_error)
    return factor_text(row.factor, row.factor_error)


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


def _on_smoothing(result: AuditNumbers, smoothing: Smoothing) -> Iterator[str]:
    """Where polynomials of the degree that is asked for lose too much."""
    wanted, names = result.config.workspace.smooth, result.config.observable_names
    told = []
    for loss in smoothing.raised:
        taken = smoothing.degree(loss.observable)
        instead = "single bins" if taken is None else f"degree {taken}"
        place = f"{loss.parameter} in {names[loss.observable]}"
        lost = rounded(100 * loss.lost, 100 * loss.error)
        told.append(f"{place} ({lost} % lost: {instead})")
    if told:
        yield (
            f"Templates are not smoothed with degree {wanted}, which would lose information, for "
            f"{_few(told, 'more')}."
        )


def _on_levers(result: AuditNumbers) -> Iterator[str]:
    """What samples farther away would do to noisy slopes of free parameters.

    The noise of H falls with the square of the distance: A = H / (H + noise) -> A / (A + (1 - A) /
    9).
    """
    given = {parameter.name: parameter for parameter in result.config.parameter}
    for row in result.rows:
        parameter = given.get(row.parameter)
        if not (parameter and parameter.free and row.answer and row.slope):
            continue
        if not 0 < row.slope < NOISY_SLOPE:
            continue
        far = row.slope / (row.slope + (1 - row.slope) / FARTHER**2)
        step = f"{plain(FARTHER * parameter.step)} {parameter.unit}".strip()
        yield (
            f"{row.parameter}: samples at ±{step} instead of ±{plain(parameter.step)} "
            f"(parameter.{row.parameter}.step) would have a ninth of this noise in its slopes: its "
            f"estimate would move by {far:.2f} and not {row.slope:.2f} for each unit of truth, if "
            "the templates change linearly that far."
        )


def _on_templates(result: AuditNumbers) -> Iterator[str]:
    for row in result.rows:
        if row.template_noise and row.template_noise > NOISY_TEMPLATES * row.claimed_error:
            part = row.template_noise / row.claimed_error
            learnt = "templates" if method_kind(row.method).workspace else "densities"
            yield (
                f"{row.parameter}: the noise of the nominal {learnt} is {part:.0%} of its claimed "
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


def _on_bends(work: AuditWork) -> Iterator[str]:
    """Variations whose templates bend by noise."""
    moved: dict[str, list[str]] = {}
    for whole in work.whole.values():
        for name in whole.parameters:
            if bent := whole.bent_by(name):
                moved.setdefault(bent[0], []).append(f"{name} by {bent[1]:.2f}")
    for name, shifts in moved.items():
        yield (
            f"{name}: up, nominal and down are different events, and what they bend by is noise: "
            f"one step away it moves {_and(shifts)} of its error, and no whole error is given. "
            "Make up and down of the nominal events, give one side with symmetrise = true, or use "
            "smooth or more events."
        )


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


def _few(texts: Sequence[str], rest: str = "more samples") -> str:
    """The first of alike texts, and how many more there are."""
    more = len(texts) - _NAMED
    return _and(texts) if more <= 0 else f"{', '.join(texts[:_NAMED])} and {more} {rest}"


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
    joint = result.flow is not None and result.flow.rows
    if (result.unbinned.used or joint) and (obstacle := unbinned_obstacle(read)):
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
