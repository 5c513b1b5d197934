"""The gate: what is looked at before anything is fitted.

What no answer can rest on is refused, all of it at once; what the answer rests on being meant so is
told; and what was looked at and is fine is told too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pullfactory.auditing.event_findings import (
    look_at_checks,
    look_for_placeholders,
    look_for_repeated_rows,
    look_for_same_observables,
    look_for_simulated_data,
)
from pullfactory.auditing.expected import Expected
from pullfactory.auditing.finding import Finding
from pullfactory.auditing.response import ResponseRow, measure_response
from pullfactory.auditing.response_findings import (
    look_at_effects,
    look_at_mirrors,
    look_at_noise,
    look_at_rates,
    look_for_falling,
    look_for_same_samples,
)
from pullfactory.auditing.smoothing import Smoothing
from pullfactory.auditing.source_findings import look_for_same_files, look_for_scales
from pullfactory.auditing.strength import measure_effects
from pullfactory.errors import EventsError, printable


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What was looked at before anything was fitted.

    Attributes:
        findings: What was found, what is refused first, then warnings; then what is fine, one for
            each kind of check.
        response: Rate, means and widths of every sample beside nominal.
    """

    findings: tuple[Finding, ...]
    response: tuple[ResponseRow, ...]

    @property
    def refused(self) -> tuple[Finding, ...]:
        """What no answer can rest on."""
        return tuple(finding for finding in self.findings if finding.level == "refuse")


class GateError(EventsError):
    """Samples that no answer can rest on.

    Args:
        gate: With what is refused.

    Attributes:
        gate: The same; its response shows what the samples are.
    """

    def __init__(self, gate: Gate) -> None:
        super().__init__(" ".join(map(str, gate.refused)))
        self.gate = gate

    @property
    def lines(self) -> tuple[str, ...]:
        """What is refused, each with its remedy."""
        return tuple(printable(str(finding)) for finding in self.gate.refused)

    def __reduce__(self) -> tuple[type["GateError"], tuple[Gate]]:
        return GateError, (self.gate,)


def look(
    expected: Expected,
    given: Mapping[str, object] | None = None,
    *,
    base: Path | None = None,
    smoothing: Smoothing | None = None,
) -> Gate:
    """Look at everything that a fit would take for granted.

    Args:
        expected: The samples.
        given: Events from Python, by role.
        base: Folder that files are relative to; None for the current one.
        smoothing: Of the derivatives of templates, which leaves less noise; None for none.

    Raises:
        GateError: If something is refused.
    """
    config = expected.config
    effects = measure_effects(expected)
    rows = measure_response(expected, effects)
    if config.blind:  # where data lie beside what is expected says what is estimated
        rows = tuple(row for row in rows if row.role != "data")
    checks = [read.check for read in expected.events.samples.values()]
    looks = {
        "response": look_at_effects(config, rows, effects),
        "same_samples": look_for_same_samples(effects),
        "falling": look_for_falling(config, rows, effects),
        "mirrored": look_at_mirrors(expected),
        "other_rate": look_at_rates(expected, effects),
        "noise": look_at_noise(expected, smoothing or Smoothing()),
        "unscaled": look_for_scales(expected),
        "same_files": look_for_same_files(expected, given or {}, base),
        "simulated_data": look_for_simulated_data(expected),
        "same_observables": look_for_same_observables(expected),
        "placeholder": look_for_placeholders(expected),
        "events": look_at_checks(checks),
        "repeated_rows": look_for_repeated_rows(checks),
    }
    found = {kind: tuple(findings) for kind, findings in looks.items()}
    gate = Gate(findings=_sorted(expected, found), response=rows)
    if gate.refused:
        raise GateError(gate)
    return gate


def _sorted(expected: Expected, found: Mapping[str, Sequence[Finding]]) -> tuple[Finding, ...]:
    """What is refused, then warnings, then each kind of check that found neither."""
    every = [finding for findings in found.values() for finding in findings]
    fine = [
        Finding(level="fine", cause=kind, place=place, text=text)
        for kind, (place, text) in _FINE.items()
        if not found[kind] and _applies(expected, kind)
    ]
    return (
        *(finding for finding in every if finding.level == "refuse"),
        *(finding for finding in every if finding.level == "warn"),
        *fine,
    )


_FINE: Mapping[str, tuple[str, str]] = {
    "response": ("samples", "Every variation has an effect, up and down in different directions."),
    "same_samples": ("samples", "No two parameters are varied by the same sample."),
    "falling": ("samples", "No free parameter lowers an observable of its unit."),
    "mirrored": ("samples", "No mirror image stands for a sample that is given."),
    "other_rate": ("samples", "Variations stand for as many events as the nominal samples."),
    "noise": ("samples", "There are enough simulated events for the slopes, and in every bin."),
    "unscaled": ("samples", "Every process says how many events the data should have."),
    "same_files": ("samples", "Data and processes are made of different files."),
    "simulated_data": ("samples.data", "The events of the data are in no simulated sample."),
    "same_observables": ("observable", "No observable follows from another event by event."),
    "placeholder": ("observable", "No value far from all others is frequent."),
    "events": ("samples", "Most events are inside the edges, and what should be shared is."),
    "repeated_rows": ("samples", "No row has the run, lumi and event of the row before."),
}


def _applies(expected: Expected, kind: str) -> bool:
    """Whether there was anything to be looked at."""
    config = expected.config
    if kind in ("unscaled", "simulated_data"):
        return config.sample_set.data is not None
    if kind == "mirrored":
        return any(parameter.symmetrise for parameter in config.parameter)
    if kind == "same_observables":
        return len(config.observable) > 1
    if kind == "repeated_rows":
        return any(read.check.runs is not None for read in expected.events.samples.values())
    return True
