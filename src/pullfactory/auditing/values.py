"""From the columns of a file to the observables, weights and keys of events."""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pullfactory.auditing.marks import Marks, mark_columns
from pullfactory.errors import EventsError
from pullfactory.events import Expression, hash_events, hash_rows, open_source, parse_expression
from pullfactory.settings.audit import AuditConfig
from pullfactory.settings.samples import Sample

_SMALLEST, _LARGEST = 1e-150, 1e150  # sizes of weights whose squares are numbers


class Chunk(NamedTuple):
    """Selected events of one sample.

    Attributes:
        rows: Rows that were read.
        values: Observables, shape (events, observables), in their units; NaN where an event lacks
            one.
        weights: Shape (events,).
        keys: The same for the same event in every sample of a family, else random; shape
            (events,).
        marks: What hints at rows of one event where no identifiers are named; None without.
    """

    rows: int
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    keys: NDArray[np.uint64]
    marks: Marks | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What is computed of the rows of a file for one sample.

    Attributes:
        sample: The sample.
        columns: For each change what is computed of the columns so far.
        conditions: Selections.
        weight: Of an event; None for 1.
        observables: Of the columns.
        where: Condition under which an event has an observable; None for always.
        changes: For each change what is computed of observables and columns.
        names: Names of the observables.
        allowed: Whether an observable may be missing.
        identifier: Columns that identify an event.
    """

    sample: Sample
    columns: tuple[Mapping[str, Expression], ...]
    conditions: tuple[Expression, ...]
    weight: Expression | None
    observables: tuple[Expression, ...]
    where: tuple[Expression | None, ...]
    changes: tuple[Mapping[str, Expression], ...]
    names: tuple[str, ...]
    allowed: tuple[bool, ...]
    identifier: tuple[str, ...]

    @classmethod
    def of(cls, config: AuditConfig, sample: Sample) -> "View":
        """How a sample is computed.

        Args:
            config: The configuration.
            sample: One of its samples.

        Raises:
            EventsError: If an expression gives a number where a condition is needed, or the
                reverse.
        """
        place = f"samples.{sample.role}"
        table = sample.table
        weight = table.weight or ("" if sample.role == "data" else config.weight)
        conditions = {"selection": config.selection, f"{place}.selection": table.selection}
        for change in sample.changes:
            for name in change.observables:
                if name not in config.observable_names:
                    raise EventsError(
                        f"{place}.observables.{name}: is no observable; "
                        f"use one of {', '.join(config.observable_names)}"
                    )
        return cls(
            sample=sample,
            columns=tuple(
                {name: _number(text, f"{place}.columns.{name}") for name, text in c.columns.items()}
                for c in sample.changes
            ),
            conditions=tuple(_condition(text, at) for at, text in dict(conditions).items() if text),
            weight=_number(weight, f"{place}.weight") if weight else None,
            observables=tuple(
                _number(o.source, f"observable.{o.name}.expression") for o in config.observable
            ),
            where=tuple(
                _condition(o.where, f"observable.{o.name}.where") if o.where else None
                for o in config.observable
            ),
            changes=tuple(
                {
                    name: _number(text, f"{place}.observables.{name}")
                    for name, text in c.observables.items()
                }
                for c in sample.changes
            ),
            names=config.observable_names,
            allowed=tuple(o.missing == "allow" for o in config.observable),
            identifier=config.identifier,
        )

    @property
    def needs(self) -> set[str]:
        """Columns of the file that are needed, under their short names."""
        needed, made = set(self.identifier), set[str]()
        for change in self.columns:
            for expression in change.values():
                needed.update(set(expression.columns) - made)
            made.update(change)
        used = [*self.conditions, *self.observables, *(w for w in self.where if w)]
        used += [self.weight] if self.weight else []
        for expression in used:
            needed.update(set(expression.columns) - made)
        for change in self.changes:
            for expression in change.values():
                needed.update(set(expression.columns) - made - set(self.names))
        return needed

    def chunk(
        self,
        columns: Mapping[str, NDArray[Any]],
        first: int,
        rows: int,
        marks: Marks | None = None,
    ) -> Chunk:
        """Compute what is wanted of some rows.

        Args:
            columns: By short name, each of shape (rows,).
            first: Number of the first row in the sample.
            rows: How many.
            marks: What hints at rows of one event.

        Raises:
            EventsError: If a weight is no number, or an observable that may not be missing.
        """
        known = dict(columns)
        for change in self.columns:
            known |= {name: compute(known, events=rows) for name, compute in change.items()}
        keys = self._keys(columns, first, rows)
        if self.conditions:
            chosen = np.ones(rows, dtype=bool)
            for compute in self.conditions:
                chosen &= compute(known, events=rows) != 0
            if not chosen.all():
                known = {name: column[chosen] for name, column in known.items()}
                keys = keys[chosen]
                marks = marks and marks.select(chosen)
        events = len(keys)
        values = np.empty((events, len(self.names)))
        for o, compute in enumerate(self.observables):
            values[:, o] = compute(known, events=events)
        for change in self.changes:
            seen = known | {name: values[:, o] for o, name in enumerate(self.names)}
            new = {name: compute(seen, events=events) for name, compute in change.items()}
            for name, column in new.items():
                values[:, self.names.index(name)] = column
        self._drop_missing(values, known)
        weights = np.ones(events) if self.weight is None else self.weight(known, events=events)
        if not np.isfinite(weights).all():
            bad = weights[~np.isfinite(weights)]
            raise EventsError(
                f"samples.{self.sample.role}: {len(bad)} of {events} weights are no finite number "
                f"(such as {bad[0]}); mend the weight or select these events away"
            )
        sizes = np.abs(weights[weights != 0])
        if sizes.size and not (sizes.min() > _SMALLEST and sizes.max() < _LARGEST):
            worst = sizes.max() if sizes.max() >= _LARGEST else sizes.min()
            raise EventsError(
                f"samples.{self.sample.role}: a weight of size {worst:.3g}, whose square no number "
                "holds; scale the weights of the sample"
            )
        return Chunk(rows, values, weights, keys, marks)

    def _drop_missing(
        self, values: NDArray[np.float64], columns: Mapping[str, NDArray[Any]]
    ) -> None:
        """NaN where an event lacks an observable; refuse what should not be."""
        for o, (name, allowed) in enumerate(zip(self.names, self.allowed, strict=True)):
            column, condition = values[:, o], self.where[o]
            usable = np.isfinite(column)
            if condition is not None:
                absent = condition(columns, events=len(column)) == 0
                column[absent] = np.nan
                usable |= absent
            if usable.all():
                continue
            if not allowed:
                raise EventsError(
                    f"samples.{self.sample.role}: observable {name!r} of {np.sum(~usable)} of "
                    f"{len(column)} events is no finite number; select them away, or say where "
                    f"they have one (observable.{name}.where), or set observable.{name}.missing = "
                    '"allow"'
                )
            column[~usable] = np.nan

    def _keys(
        self, columns: Mapping[str, NDArray[Any]], first: int, rows: int
    ) -> NDArray[np.uint64]:
        salt = zlib.crc32(self.sample.family.encode())
        if not self.identifier:
            return hash_rows(first, rows, salt=salt)
        place = f"samples.{self.sample.role}: identifier {', '.join(self.identifier)}"
        return hash_events([columns[name] for name in self.identifier], salt=salt, place=place)


def read_chunks(
    config: AuditConfig,
    views: Sequence[View],
    given: Mapping[str, object],
    base: Path | None,
    *,
    marked: bool = False,
) -> Iterator[list[Chunk]]:
    """Read the file of some samples once, and compute all of them.

    Args:
        config: The configuration.
        views: Samples that are made of the same file.
        given: Events from Python, by role.
        base: Folder that files are relative to.
        marked: Whether to look for rows of one event where no identifiers are named.

    Yields:
        One chunk for each view.

    Raises:
        EventsError: If a file cannot be read, or lacks a column.
    """
    sample = views[0].sample
    data = given.get(sample.source, sample.table.files)
    tree = sample.table.tree or config.tree or None
    source = open_source(data, tree=tree, place=f"samples.{sample.source}", base=base)
    short = sorted(set().union(*(view.needs for view in views)))
    actual = {name: config.columns.get(name, name) for name in short}
    marking = mark_columns(source) if marked and not config.identifier else ()
    first = 0
    for table in source.chunks(sorted({*actual.values(), *marking})):
        rows = len(next(iter(table.values())))
        columns = {name: table[column] for name, column in actual.items()}
        marks = Marks.of({name: table[name] for name in marking})
        yield [view.chunk(columns, first, rows, marks) for view in views]
        first += rows


def _number(text: str, place: str) -> Expression:
    expression = parse_expression(text, place=place)
    if expression.condition:
        raise EventsError(f"{place} = {text!r}: is a condition; a number is needed")
    return expression


def _condition(text: str, place: str) -> Expression:
    expression = parse_expression(text, place=place)
    if not expression.condition and len(expression.columns) == 0:
        raise EventsError(f"{place} = {text!r}: is a number; write a condition such as x > 0")
    return expression
