"""What the events themselves say of the configuration."""

import itertools
import json
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.expected import Expected
from pullfactory.auditing.finding import Finding
from pullfactory.auditing.reading import SampleCheck
from pullfactory.events import hash_events
from pullfactory.inference.judgement import FEWEST_SHARED, HEAVY, MOSTLY, PLACEHOLDERS

_ROUNDING = 1e-5  # of the range of an observable, which float32 keeps
_FEWEST = 10  # events that have both
_BULK = [0.01, 0.99]  # quantiles that a placeholder is further away than they are apart


def look_for_same_observables(expected: Expected) -> Iterator[Finding]:
    """Two observables of which one follows from the other event by event.

    Equal numbers, and numbers in two units or with another origin, are one measurement: a fit of
    both claims an error that no data can give. Nothing else is refused, whatever the correlation.

    Args:
        expected: The samples, of which the events in memory are looked at.
    """
    config = expected.config
    nominal = [process.nominal.role for process in expected.processes]
    names, seen = config.observable_names, set[tuple[int, int]]()
    for roles in (nominal, ["data"] if config.sample_set.data else []):
        if not roles:
            continue
        values = np.concatenate([expected.read(role).rows.values for role in roles])
        for i, j in itertools.combinations(range(len(names)), 2):
            pair = values[:, [i, j]]
            pair = pair[np.isfinite(pair).all(axis=1)]
            line = _line(pair)
            if line is None or (i, j) in seen:
                continue
            seen.add((i, j))
            what = (
                f"observables {names[i]!r} and {names[j]!r} are the same number"
                if np.allclose(pair[:, 0], pair[:, 1], rtol=0, atol=_ROUNDING * np.ptp(pair[:, 0]))
                else f"observable {names[j]!r} is {line[1]:.6g} * {names[i]} + {line[0]:.6g}"
            )
            yield Finding(
                level="refuse",
                cause="same_observables",
                place=f"samples.{roles[0]}",
                text=f"{what} in all {len(pair)} events that have both, which counts one "
                "measurement twice.",
                remedy=f"Leave one out, or mend observable.{names[i]} or observable.{names[j]}.",
            )


def look_for_simulated_data(expected: Expected) -> Iterator[Finding]:
    """Data whose events are, number by number, those of a simulated sample.

    Args:
        expected: The samples, of which the events in memory are looked at.
    """
    if expected.config.sample_set.data is None:
        return
    data = _events(expected.read("data").rows.values)
    for role in expected.factors:
        simulated, often = np.unique(_events(expected.read(role).rows.values), return_counts=True)
        part = float(np.isin(data, simulated[often == 1]).mean()) if len(data) else 0.0
        if part > MOSTLY:  # of events that differ from all others no more than 1 / e are by chance
            yield Finding(
                level="warn",
                cause="simulated_data",
                place="samples.data",
                text=f"{part:.0%} of its events have, to the last digit, the observables of events "
                f"of samples.{role}.",
                remedy="Check the files of both.",
            )
            return


def look_for_placeholders(expected: Expected) -> Iterator[Finding]:
    """Values that many events have, far from all others: they stand for a missing one.

    Args:
        expected: The samples, of which the events in memory are looked at.
    """
    roles = [process.nominal.role for process in expected.processes]
    roles += ["data"] if expected.config.sample_set.data else []
    for role in roles:
        values = expected.read(role).rows.values
        for o, name in enumerate(expected.config.observable_names):
            column = values[np.isfinite(values[:, o]), o]
            found = _placeholder(column)
            if found is not None:
                part = float(np.mean(column == found))
                yield Finding(
                    level="warn",
                    cause="placeholder",
                    place=f"samples.{role}",
                    text=f"{part:.1%} of its events have {name} = {found:g}, far from all others, "
                    "as if it stood for none.",
                    remedy=f"Say which events have one: observable.{name}.where, such as "
                    f'"{name} != {found:g}".',
                )


def look_at_checks(checks: Sequence[SampleCheck]) -> Iterator[Finding]:
    """Events outside the edges, few shared with the nominal sample, or few that have all weight.

    Args:
        checks: What was seen in each sample.
    """
    for check in checks:
        place = f"samples.{check.role}"
        if check.shared is not None and check.shared < FEWEST_SHARED:
            yield Finding(
                level="warn",
                cause="few_shared",
                place=place,
                text=f"only {check.shared:.0%} of its events are in the nominal sample.",
                remedy="Check the identifier and the selection of both, or set "
                f"{place}.same_events = false.",
            )
        if check.effective < HEAVY * check.selected:
            yield Finding(
                level="warn",
                cause="heavy_weights",
                place=place,
                text=f"the weights of {check.selected} events differ so much that they fluctuate "
                f"as {check.effective:.3g} events.",
                remedy="Look at the largest weights.",
            )
        for name, outside in check.outside.items():
            having = check.selected - check.lacking[name]
            if outside > MOSTLY * having:
                yield Finding(
                    level="warn",
                    cause="outside",
                    place=place,
                    text=f"{outside} of {having} events are outside the edges of {name}.",
                    remedy=f"Check observable.{name}.edges and the unit of its values.",
                )


def look_for_repeated_rows(checks: Sequence[SampleCheck]) -> Iterator[Finding]:
    """Samples that look as if several of their rows were one event.

    Args:
        checks: What was seen in each sample.
    """
    for check in checks:
        if check.runs:
            yield Finding(
                level="warn",
                cause="repeated_rows",
                place=f"samples.{check.role}",
                text=f"{check.runs} of {check.selected} rows have the same {check.marks} as the "
                "row before, and count as independent events.",
                remedy="If several rows are one event, set identifier = "
                f'{json.dumps(check.marks.split(", "))} and repeated = "cluster".',
            )


def _events(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Events that have all observables, each as one number, the same for the same values."""
    whole = values[np.isfinite(values).all(axis=1)] + 0.0  # no -0
    return hash_events(list(np.ascontiguousarray(whole.T).view(np.int64)))


def _placeholder(column: NDArray[np.float64]) -> float | None:
    """The value that stands for none, if there is one.

    Args:
        column: Finite values.
    """
    if len(column) < _FEWEST:
        return None
    values, often = np.unique(column, return_counts=True)
    most = int(np.argmax(often))
    others = column[column != values[most]]
    if often[most] <= PLACEHOLDERS * len(column) or len(others) < _FEWEST:
        return None
    low, high = np.quantile(others, _BULK)
    away = max(others.min() - values[most], values[most] - others.max())
    return float(values[most]) if high > low and away > high - low else None


def _line(pair: NDArray[np.float64]) -> tuple[float, float] | None:
    """Offset and slope of the second over the first, if all events lie on one line.

    Args:
        pair: Shape (events, 2), finite.
    """
    if len(pair) < _FEWEST:
        return None
    low, high = pair[pair[:, 0].argmin()], pair[pair[:, 0].argmax()]
    reach = np.ptp(pair, axis=0)
    if not (reach > 0).all():
        return None
    slope = float((high[1] - low[1]) / (high[0] - low[0]))
    away = pair[:, 1] - low[1] - slope * (pair[:, 0] - low[0])
    if np.abs(away).max() > _ROUNDING * reach[1]:
        return None
    offset = float(low[1] - slope * low[0])
    return (offset if abs(offset) > _ROUNDING * reach[1] else 0.0), slope
