"""What the responses of the samples say of the configuration."""

import itertools
from collections.abc import Iterator, Sequence

from pullfactory.auditing.expected import Expected, ExpectedPoint
from pullfactory.auditing.finding import Finding
from pullfactory.auditing.response import ResponseRow
from pullfactory.auditing.smoothing import Smoothing
from pullfactory.auditing.strength import Effect, same_templates
from pullfactory.inference.judgement import FAKE_SENSITIVITY, FALLING, OTHER_RATE, UNEVEN_RATE
from pullfactory.numbers import rounded
from pullfactory.settings.audit import AuditConfig

_CHECK = "Check its files, columns, observables, selection and weight"


def look_at_effects(
    config: AuditConfig, rows: Sequence[ResponseRow], effects: Sequence[Effect]
) -> Iterator[Finding]:
    """Variations without effect, without slope, or much stronger on one side.

    Args:
        config: The configuration.
        rows: Of `measure_response`.
        effects: Of `measure_effects`.
    """
    marks = {row.role: row.mark for row in rows}
    moved = {effect.parameter for effect in effects if not effect.weak}
    for effect in effects:
        if effect.idle:
            yield from _idle(effect)
        elif effect.mirrored:
            yield from _weak(config, effect, moved)
        elif marks[effect.up.sample.role] == "one direction":
            yield _one_direction(effect)
        elif effect.weak:
            yield from _weak(config, effect, moved)
        elif effect.curved:
            yield Finding(
                level="warn",
                cause="curvature",
                place=_place(effect.up),
                text=f"with {_place(effect.down)} it has more curvature than slope: the mean of "
                "both is further from nominal than half their difference.",
                remedy="Check that they are up and down of one parameter; take smaller steps, or, "
                f"if it is one-sided, parameter.{effect.parameter}.symmetrise = true.",
            )
        elif more := effect.lopsided:
            yield _lopsided(effect, *more, free=effect.parameter in config.free_names)


def look_for_same_samples(effects: Sequence[Effect]) -> Iterator[Finding]:
    """Samples of two parameters that are the same in every bin.

    Args:
        effects: Of `measure_effects`.
    """
    for one, other in itertools.combinations(effects, 2):
        if one.process is not other.process:
            continue
        for first, second in itertools.product((one.up, one.down), (other.up, other.down)):
            apart = first.sample.mirrored is second.sample.mirrored is None
            idle = first.sample.role in one.idle or second.sample.role in other.idle
            if apart and not idle and same_templates(first, second):
                yield Finding(
                    level="refuse",
                    cause="same_samples",
                    place=_place(second),
                    text=f"the same as {_place(first)} in every bin of every observable, so that "
                    f"{one.parameter} and {other.parameter} cannot be told apart.",
                    remedy=f"{_CHECK} of both.",
                )


def look_for_falling(
    config: AuditConfig, rows: Sequence[ResponseRow], effects: Sequence[Effect]
) -> Iterator[Finding]:
    """Free parameters that lower an observable of the same unit by about their own size.

    Args:
        config: The configuration.
        rows: Of `measure_response`.
        effects: Of `measure_effects`.
    """
    units = {observable.name: observable.unit for observable in config.observable}
    sides = {(row.role, row.observable, row.quantity): row for row in rows}
    for effect in effects:
        parameter = next(p for p in config.parameter if p.name == effect.parameter)
        if not (parameter.free and parameter.unit):
            continue
        for name, unit in units.items():
            up, down = (
                sides[point.sample.role, name, "mean"] for point in (effect.up, effect.down)
            )
            slope = (up.difference - down.difference) / (2 * parameter.step)
            if unit == parameter.unit and up.direction == "down" and slope < -FALLING:
                lowered = rounded(-up.difference, up.error)
                yield Finding(
                    level="warn",
                    cause="falling",
                    place=_place(effect.up),
                    text=f"lowers the mean of {name} by {lowered} {unit}, for a step of "
                    f"{parameter.step:g} {unit} up.",
                    remedy="Are up and down swapped?",
                )


def look_at_rates(expected: Expected, effects: Sequence[Effect]) -> Iterator[Finding]:
    """Variations that stand for another number of events than the nominal ones.

    Args:
        expected: The samples.
        effects: Of `measure_effects`.
    """
    for effect in effects:
        own = expected.nominal_point(effect.process).yields
        up, down = (point.yields / own - 1 for point in (effect.up, effect.down))
        families = {point.sample.family for point in (effect.up, effect.down)}
        if families == {effect.process.nominal.family} and abs(up + down) / 2 > UNEVEN_RATE:
            yield Finding(
                level="warn",
                cause="uneven_rate",
                place=_place(effect.up),
                text=f"changes the number of events by {up:+.1%}, and {_place(effect.down)} by "
                f"{down:+.1%}.",
                remedy="Check that both have the selection and the weight of the nominal sample.",
            )
    for process in expected.processes:
        nominal = expected.nominal_point(process)
        for sample in process.varied:
            if sample.family == process.nominal.family or sample.mirrored:
                continue
            events, own = expected.sample(sample.role).yields, nominal.yields
            if abs(events / own - 1) > OTHER_RATE:
                yield Finding(
                    level="warn",
                    cause="other_rate",
                    place=f"samples.{sample.role}",
                    text=f"stands for {events:.4g} events, {_place(nominal)} for {own:.4g}.",
                    remedy=f"If that is no effect of {' and '.join(n for n, _ in sample.point)}, "
                    f"set samples.{sample.role}.events.",
                )


def look_at_noise(expected: Expected, smoothing: Smoothing) -> Iterator[Finding]:
    """Parameters whose slopes, and channels whose bins, are noise for more than is tolerated.

    Args:
        expected: The samples.
        smoothing: Of the derivatives of templates.
    """
    for name, part in expected.noise_in_slopes(smoothing.projections).items():
        if part > FAKE_SENSITIVITY:
            yield Finding(
                level="warn",
                cause="noise_in_slopes",
                place=f"parameter.{name}",
                text=f"{part:.0%} of the sensitivity to it is noise of its samples up and down, "
                "which makes the claimed error too small.",
                remedy="Use more events, or larger steps.",
            )
    for name, bins in expected.starved_bins().items():
        yield Finding(
            level="warn",
            cause="starved_bins",
            place=f"observable.{name}",
            text=f"{bins} bins of the template have fewer than 10 effective events.",
            remedy=f"Use fewer bins (observable.{name}.n_bins), or more events.",
        )


def look_at_mirrors(expected: Expected) -> Iterator[Finding]:
    """Samples that are described, and whose place a mirror image takes.

    Args:
        expected: The samples.
    """
    for role in expected.config.sample_set.unused:
        yield Finding(
            level="warn",
            cause="mirrored",
            place=f"samples.{role}",
            text="is not used: its parameter says symmetrise = true, and the mirror image of the "
            "other side stands for it.",
            remedy="Leave the sample out, or symmetrise.",
        )


def _idle(effect: Effect) -> Iterator[Finding]:
    sides = [p for p in (effect.up, effect.down) if p.sample.role in effect.idle]
    for point in sides:
        if point.sample.mirrored:
            continue
        once = (
            ""
            if len(sides) > 1
            else (
                f"; if {effect.parameter} goes one way only, leave this sample out and set "
                f"parameter.{effect.parameter}.symmetrise = true"
            )
        )
        yield Finding(
            level="refuse",
            cause="no_effect",
            place=_place(point),
            text=f"the same as samples.{effect.process.nominal.role} in every bin of every "
            "observable: nothing varies.",
            remedy=f"{_CHECK}{once}.",
        )


def _one_direction(effect: Effect) -> Finding:
    up, down = _place(effect.up), _place(effect.down)
    if effect.alike:
        return Finding(
            level="refuse",
            cause="same_up_down",
            place=down,
            text=f"the same as {up} in every bin of every observable: the fit sees no slope.",
            remedy=f"{_CHECK}; if {effect.parameter} goes one way only, give one of both and set "
            f"parameter.{effect.parameter}.symmetrise = true.",
        )
    return Finding(
        level="refuse",
        cause="one_direction",
        place=down,
        text=f"with {up} it changes rate, means and widths in one direction: nothing tells up "
        "from down.",
        remedy=f"{_CHECK} of both; if {effect.parameter} goes one way only, set "
        f"parameter.{effect.parameter}.symmetrise = true, which mirrors one of both.",
    )


def _weak(config: AuditConfig, effect: Effect, moved: set[str]) -> Iterator[Finding]:
    """A parameter that moves this process no more than noise does, and no other either."""
    name = effect.parameter
    if not effect.weak or name in moved:
        return
    free = name in config.free_names
    yield Finding(
        level="warn",
        cause="unmeasured" if free else "weak_response",
        place=f"parameter.{name}",
        text=f"its samples up and down differ from samples.{effect.process.nominal.role} by no "
        "more than their noise"
        + (", and nothing else measures it: its error is that of the noise." if free else "."),
        remedy=f"{_CHECK}; or use more events"
        + (", larger steps or another observable." if free else ", or leave it out."),
    )


def _lopsided(effect: Effect, strong: ExpectedPoint, times: float, *, free: bool) -> Finding:
    weak, name = effect.down if strong is effect.up else effect.up, effect.parameter
    return Finding(
        level="warn",
        cause="lopsided",
        place=_place(strong),
        text=f"its response is {times:.2g} times that of {_place(weak)}.",
        remedy="Check that both have the same step, selection, weight and units"
        + (
            "."
            if free
            else f"; if {name} goes one way only, set parameter.{name}.symmetrise = true."
        ),
    )


def _place(point: ExpectedPoint) -> str:
    return f"samples.{point.sample.role}"
