"""What a workspace may not say, though pyhf's schema lets it pass.

pyhf takes the last of two things of one name, and interpolates, scales and constrains with
whatever numbers it is given. What would give a wrong number, or none after hours, is refused here.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pullfactory.errors import WorkspaceError

MOST_EVENTS = 1e15
"""In a bin: beyond, numbers of events are no longer exact."""
_LEAST = 1e-9  # relative uncertainty, whose auxiliary number of events can still be drawn


def refuse_bad(spec: Mapping[str, Any], place: str) -> None:
    """Refuse a workspace, valid against the schema, that pyhf would read as another.

    Args:
        spec: Channels, and whatever else a workspace or the specification of a model has.
        place: Where it came from.

    Raises:
        WorkspaceError: If names are there twice, a number is not finite, or a modifier or a
            parameter has values that it cannot have.
    """
    for complaint in _complaints(spec):
        raise WorkspaceError(f"{place}: {complaint}")


def _complaints(spec: Mapping[str, Any]) -> Iterator[str]:
    for part in ("channels", "observations", "measurements", "parameters"):
        yield from _infinite(spec.get(part, ()), part)
    yield from _twice("channel", spec["channels"])
    yield from _twice("observations of channel", spec.get("observations", ()))
    yield from _twice("measurement", spec.get("measurements", ()))
    factors: dict[str, tuple[str, int]] = {}
    for channel in spec["channels"]:
        here = f"channel {channel['name']!r}"
        yield from (f"{here}: {found}" for found in _twice("sample", channel["samples"]))
        for sample in channel["samples"]:
            for found in (*_sizes(sample, channel["samples"][0]), *_of_sample(sample)):
                yield f"{here}, sample {sample['name']!r}, {found}"
            yield from _shared(channel["name"], sample, factors)
    for measurement in spec.get("measurements", ()):
        for entry in measurement["config"]["parameters"]:
            for found in _of_parameter(entry):
                yield f"measurement {measurement['name']!r}, {found}"
    for entry in spec.get("parameters", ()):
        yield from _of_parameter(entry)


def _infinite(value: Any, path: str) -> Iterator[str]:
    """Numbers that are none, or that no float holds."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _infinite(inner, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from _infinite(inner, f"{path}[{position}]")
    elif isinstance(value, int | float):
        try:
            finite = math.isfinite(value)
        except OverflowError:
            finite = False
        if not finite:
            yield f"{path} = {str(value)[:12]} is no finite number; give one"


def _twice(what: str, entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Names that are there more than once: pyhf keeps the last."""
    seen: set[str] = set()
    for entry in entries:
        if entry["name"] in seen:
            yield f"{what} {entry['name']!r} is there twice; rename one, or leave it out"
        seen.add(entry["name"])


def _sizes(sample: Mapping[str, Any], first: Mapping[str, Any]) -> Iterator[str]:
    """Lists of another length than the first sample of the channel has."""
    bins = len(first["data"])
    lists = [("its data", sample["data"])]
    for modifier in sample["modifiers"]:
        what, data = f"modifier {modifier['name']!r} ({modifier['type']})", modifier["data"]
        match modifier["type"]:
            case "histosys":
                lists += [(f"{what}: {side}", data[side]) for side in ("hi_data", "lo_data")]
            case "shapesys" | "staterror":
                lists.append((f"{what}: its uncertainties", data))
    for what, numbers in lists:
        if len(numbers) != bins:
            yield (
                f"{what} are for {len(numbers)}, but sample {first['name']!r} of the channel has "
                f"{bins} bins; give one number for each bin"
            )


def _of_sample(sample: Mapping[str, Any]) -> Iterator[str]:
    seen: set[tuple[str, str]] = set()
    for modifier in sample["modifiers"]:
        name, kind = modifier["name"], modifier["type"]
        what = f"modifier {name!r} ({kind})"
        if (name, kind) in seen:
            yield f"{what} is there twice; rename one, or leave it out"
        seen.add((name, kind))
        yield from (f"{what}: {found}" for found in _of_modifier(modifier, sample["data"]))


def _of_modifier(modifier: Mapping[str, Any], nominal: Sequence[float]) -> Iterator[str]:
    data = modifier["data"]
    match modifier["type"]:
        case "normsys":
            for side in ("hi", "lo"):
                yield from _of_factor(side, data[side], nominal)
        case "histosys":
            for side in ("hi_data", "lo_data"):
                for position, value in enumerate(data[side]):
                    if abs(value) > MOST_EVENTS:
                        yield (
                            f"{side} in bin {position} is {value:g}, beyond all counting; "
                            f"give one up to {MOST_EVENTS:g}"
                        )
        case "shapesys" | "staterror":
            for position, (value, rate) in enumerate(zip(data, nominal, strict=False)):
                if not 0 <= value <= MOST_EVENTS:
                    yield (
                        f"its uncertainty in bin {position} is {value:g}; give one of 0 or more, "
                        f"up to {MOST_EVENTS:g}"
                    )
                elif modifier["type"] == "shapesys" and 0 < value < _LEAST * rate:
                    yield (
                        f"its uncertainty in bin {position} is {value:g} of a rate of {rate:g}, "
                        "less than can be told from none; give 0"
                    )


def _of_factor(side: str, factor: float, nominal: Sequence[float]) -> Iterator[str]:
    if factor <= 0:
        yield (
            f"{side} = {factor:g} is no factor above 0, and factors are interpolated by their "
            "logarithms; give a positive one, or use a histosys"
        )
    most = max(map(abs, nominal), default=0.0)
    if factor > 0 and not 1 / MOST_EVENTS <= factor <= MOST_EVENTS / max(most, 1.0):
        yield (
            f"{side} = {factor:g} changes rates of up to {most:g} beyond all counting at one "
            "standard deviation; give a factor nearer 1, or use a histosys"
        )


def _shared(
    channel: str, sample: Mapping[str, Any], factors: dict[str, tuple[str, int]]
) -> Iterator[str]:
    """A shapefactor of channels with other numbers of bins: pyhf would drop some."""
    for modifier in sample["modifiers"]:
        if modifier["type"] != "shapefactor":
            continue
        name, bins = modifier["name"], len(sample["data"])
        first, other = factors.setdefault(name, (channel, bins))
        if bins != other:
            yield (
                f"shapefactor {name!r} has {other} bins in channel {first!r} and {bins} in channel "
                f"{channel!r}; give it a name of its own in one of them"
            )


def _of_parameter(entry: Mapping[str, Any]) -> Iterator[str]:
    what = f"parameter {entry['name']!r}"
    for bounds in entry.get("bounds", ()):
        if len(bounds) != 2:
            yield f"{what}: bounds {list(bounds)} are no pair; give [low, high]"
    for sigma in entry.get("sigmas", ()):
        if not sigma > 0:
            yield (
                f"{what}: sigma = {sigma:g} is no width of a constraint; give one above 0; "
                "fixed = true holds the parameter"
            )
