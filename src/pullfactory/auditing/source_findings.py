"""What the configuration says of files and numbers of events."""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pullfactory.auditing.expected import Expected
from pullfactory.auditing.finding import Finding
from pullfactory.events import named_files
from pullfactory.settings.samples import Sample


def look_for_scales(expected: Expected) -> Iterator[Finding]:
    """Processes of which nothing says how many events the data should have.

    Args:
        expected: The samples.
    """
    if expected.config.sample_set.data is None:
        return
    observed = expected.read("data").check.weight
    for process in expected.processes:
        table, place = process.nominal.table, f"samples.{process.nominal.role}"
        if table.events is None and table.scale is None:
            yields = expected.nominal_point(process).yields
            yield Finding(
                level="refuse",
                cause="unscaled",
                place=place,
                text=f"neither events nor scale says how many of its events the data should have; "
                f"its weights add up to {yields:.6g}, and the data have {observed:.6g} events.",
                remedy=f"Set {place}.events = N, or {place}.scale = events for each unit of weight "
                "(1 if the weights are already those of the data).",
            )


class _Source(NamedTuple):
    """Where the events of a sample are: files, or a table in memory."""

    files: frozenset[object]
    tree: str


def look_for_same_files(
    expected: Expected, given: Mapping[str, object], base: Path | None
) -> Iterator[Finding]:
    """Samples that are said to be different and are made of the same files.

    Args:
        expected: The samples.
        given: Events from Python, by role.
        base: Folder that files are relative to.
    """
    samples = [s for s in expected.config.sample_set if s.source == s.role]
    sources = {sample.role: _source(sample, given, base) for sample in samples}
    data = [sample for sample in samples if sample.role == "data"]
    nominal = [s for s in samples if s.role != "data" and not s.point]
    for one, other in itertools.product(data, (s for s in samples if s.role != "data")):
        same = _shared(sources, one, other)
        if same and one.table.selection == other.table.selection:
            yield _same_files(one, other, same, "simulated events are no data")
            break
    for one, other in itertools.combinations(nominal, 2):
        alike = all(
            getattr(one.table, key) == getattr(other.table, key)
            for key in ("selection", "weight", "columns", "observables")
        )
        if alike and (same := _shared(sources, one, other)):
            yield _same_files(other, one, same, "two processes are not the same events")


def _source(sample: Sample, given: Mapping[str, object], base: Path | None) -> _Source:
    if sample.role in given:
        return _Source(frozenset({id(given[sample.role])}), "")
    files = sample.table.files
    texts = (files,) if isinstance(files, str) else files
    return _Source(frozenset(named_files(texts, base=base)), sample.table.tree)


def _shared(sources: Mapping[str, _Source], one: Sample, other: Sample) -> frozenset[object]:
    first, second = sources[one.role], sources[other.role]
    return first.files & second.files if first.tree == second.tree else frozenset()


def _same_files(one: Sample, other: Sample, same: frozenset[object], why: str) -> Finding:
    names = sorted(path.name for path in same if isinstance(path, Path))
    which = f"file {names[0]!r}" if names else "table"
    return Finding(
        level="refuse",
        cause="same_files",
        place=f"samples.{one.role}",
        text=f"is made of the same {which} as samples.{other.role}, with the same selection: "
        f"{why}.",
        remedy="Name the files of each, or select different events of them.",
    )
