"""Errors of a workspace whose channels share events, in tables and words."""

import math
from collections.abc import Iterator, Sequence

from pullfactory.inference.error_part import Part
from pullfactory.inference.goodness import Goodness
from pullfactory.inference.judgement import TOLERATED
from pullfactory.numbers import plain, rounded, significant
from pullfactory.report.tabular import (
    Cells,
    Column,
    Table,
    count,
    decimals,
    digits,
    measured,
    text,
)
from pullfactory.report.verdict import Mood
from pullfactory.sharing import CombinedRow, SharedRow, SharingRow

ASKED = "May the channels be fitted as if they shared no events?"
MOST_SHOWN = 15
"""Rows of what may be many in tables of the terminal and of the page."""
_NOTHING = 1e-6  # of an error: what a fit leaves of 0
_NAMED = 5  # nuisances in a sentence
_FITTED = ("converged", "recovered", "at_bound")


def sharing_table(rows: Sequence[SharingRow]) -> Table[SharingRow]:
    """Errors of a workspace, one row for each parameter.

    Args:
        rows: In the order of the table.
    """
    columns = _errors(rows)
    if any(row.corrected_pull is not None for row in rows):
        columns += [
            decimals("claimed_pull", "pull", 2),
            decimals("corrected_pull", "corrected\npull", 2),
        ]
    columns += [*_others(rows), *_largest(rows)]
    return Table(columns=tuple(columns), rows=tuple(rows), sections=("kind",))


def narrow_table(rows: Sequence[SharingRow]) -> Table[SharingRow]:
    """The same for a terminal: with events without pulls, and what errors are at most.

    Args:
        rows: In the order of the table.
    """
    known = any(row.factor is not None for row in rows)
    columns = [*_errors(rows), *(_others(rows) if known else _largest(rows))]
    return Table(columns=tuple(columns), rows=tuple(rows), sections=("kind",))


def _errors(rows: Sequence[SharingRow]) -> list[Column]:
    columns: list[Column] = [
        text("parameter", "parameter"),
        _estimates("claimed_error"),
        digits("claimed_error", "claimed\nerror"),
    ]
    if any(row.factor is not None for row in rows):
        columns += [
            digits("actual_error", "actual\nerror"),
            measured("factor", "actual / claimed"),
            text("matters", "sharing"),
        ]
    return columns


def _others(rows: Sequence[SharingRow]) -> list[Column]:
    """The factor of the data alone, and if samples without events share none."""
    return [
        decimals(key, heading, 3)
        for key, heading in (("factor_data", "of\ndata"), ("factor_alone", "others\nalone"))
        if any(getattr(row, key) not in (None, row.factor) for row in rows)
    ]


def _largest(rows: Sequence[SharingRow]) -> list[Column]:
    columns = [decimals("largest_factor", "factor\nat most", 3)]
    if any(row.largest_factor_simulated > row.largest_factor for row in rows):
        columns.append(decimals("largest_factor_simulated", "... with shared\nsimulation", 3))
    return columns


def _estimates(error: str) -> Column:
    """Estimates; what is nothing beside its error, if it has one, is 0."""

    def shown(row: Cells) -> str:
        value = row["estimate"]
        return significant(0.0 if abs(value) < _NOTHING * (row[error] or 0.0) else value)

    return Column(key="estimate", heading="estimate", show=shown)


def shared_table(rows: Sequence[SharedRow]) -> Table[SharedRow]:
    """Events that channels share, one row for each pair that shares some.

    Args:
        rows: In the order of the table.
    """
    columns: list[Column] = [text("channel", "channel"), text("other", "and")]
    if any(row.data is not None for row in rows):
        columns.append(count("data", "events of the\ndata in both"))
    if any(row.simulated is not None for row in rows):
        columns.append(digits("simulated", "expected\nin both"))
    columns.append(decimals("part", "of those in\neither [%]", 1, scale=100.0))
    return Table(columns=tuple(columns), rows=tuple(rows), title="Events in two channels")


def shown_pairs(rows: Sequence[SharedRow]) -> tuple[SharedRow, ...]:
    """Those that a terminal shows: if there are many, the ones that share most.

    Args:
        rows: Of all pairs.
    """
    most = sorted(rows, key=lambda row: row.part or 0.0, reverse=True)[:MOST_SHOWN]
    return tuple(rows) if len(rows) <= MOST_SHOWN else tuple(most)


def hidden_pairs(rows: Sequence[SharedRow]) -> str | None:
    """What is said of the others; None if there are none.

    Args:
        rows: Of all pairs.
    """
    hidden = len(rows) - len(shown_pairs(rows))
    return f"{hidden} pairs of channels that share less are in shared.csv." if hidden else None


def shown_rows(rows: Sequence[SharingRow]) -> tuple[SharingRow, ...]:
    """Those that a terminal shows: of interest, and others that are or may be most wrong.

    Args:
        rows: Of all parameters.
    """
    others = [row for row in rows if row.kind == "parameter"]
    wrong = sorted(others, key=_distance, reverse=True)[:MOST_SHOWN]
    kept = {row.parameter for row in wrong}
    return tuple(row for row in rows if row.kind == "interest" or row.parameter in kept)


def sharing_answer(
    rows: Sequence[SharingRow], status: str, channels: int, goodness: Goodness | None = None
) -> tuple[str, ...]:
    """What follows, line by line.

    Args:
        rows: Of all parameters.
        status: How the fit ended.
        channels: How many the workspace has.
        goodness: Whether the workspace fits its observations; None without events.
    """
    return tuple(_lines(rows, status, channels, goodness))


def _lines(
    rows: Sequence[SharingRow], status: str, channels: int, goodness: Goodness | None
) -> Iterator[str]:
    if status not in _FITTED:
        yield f"The fit to the observations failed ({status}): this is at the initial values."
    if goodness and goodness.withheld:
        yield f"{ASKED} That cannot be told: {goodness.withheld}."
        return
    if goodness and goodness.doubt:
        yield f"What follows rests on the fit, but {goodness.doubt}."
    for row in rows:
        if row.kind == "interest":
            yield _of_interest(row, channels, fitted=status in _FITTED)
    if all(row.kind != "interest" for row in rows):
        yield (
            "The measurement names no parameter of interest (poi): the table has those whose "
            "errors are, or may be, most off."
        )
    gammas = [row for row in rows if row.kind == "gamma" and not math.isnan(row.claimed_error)]
    if gammas:
        yield _of_gammas(gammas)
    hidden = sum(row.kind == "parameter" for row in rows) - MOST_SHOWN
    if hidden > 0:
        yield f"{hidden} parameters whose errors are less off are in errors.csv."


def parts_line(parts: Sequence[Part], interest: str) -> str:
    """What the corrected error of the parameter of interest is made of, in a sentence.

    Args:
        parts: The largest nuisances first.
        interest: Name of the parameter.
    """
    shown = [part for part in parts if part.parameter is None]
    nuisances = [part for part in parts if part.parameter is not None]
    named = [*shown[:1], *nuisances[:_NAMED], *shown[1:]]
    said = [f"{part.parameter or part.source} {significant(part.size)}" for part in named]
    if rest := nuisances[_NAMED:]:
        size = math.sqrt(sum(part.size**2 for part in rest))
        said.append(f"{len(rest)} other nuisance parameters {significant(size)}")
    return f"The error of {interest} is made, in quadrature, of {', '.join(said)}."


def sharing_mood(rows: Sequence[SharingRow], goodness: Goodness | None) -> Mood:
    """How the answer for the parameter of interest is.

    Args:
        rows: Of all parameters.
        goodness: Whether the workspace fits its observations; None without events.
    """
    if goodness and goodness.withheld:
        return "bad"
    for row in rows:
        if row.kind != "interest":
            continue
        if row.factor is None and row.largest_factor_simulated - 1.0 <= TOLERATED:
            return "good"
        if row.matters == "matters" and row.factor is not None:
            return "bad" if row.factor > 1.0 else "large"
        return "good" if row.matters == "small" else "open"
    return "open"


def combined_table(rows: Sequence[CombinedRow]) -> Table[CombinedRow]:
    """The optimal combination beside the fit of the workspace.

    Args:
        rows: Of interest first.
    """
    columns = (
        text("parameter", "combined optimally"),
        _estimates("error"),
        digits("error", "error"),
        digits("product_error", "actual error\nof the fit"),
    )
    return Table(columns=columns, rows=tuple(rows[: MOST_SHOWN + 1]))


def _of_gammas(rows: Sequence[SharingRow]) -> str:
    many = f"Of {len(rows)} gammas the factor is"
    known = [row.factor for row in rows if row.factor is not None and not math.isnan(row.factor)]
    if known:
        return f"{many} {min(known):.3f} to {max(known):.3f}."
    most = max(row.largest_factor for row in rows)
    both = max(row.largest_factor_simulated for row in rows)
    return f"{many} at most {most:.2f}, or {both:.2f} with shared simulation."


def _of_interest(row: SharingRow, channels: int, *, fitted: bool) -> str:
    if math.isnan(row.claimed_error):
        return (
            f"{row.parameter} is held, or at a bound, at {plain(row.estimate)}: it has no error "
            "there. Let it move (fixed and bounds in the measurement), or take as observations "
            "what is expected at another value."
        )
    if channels == 1:
        return f"The error of {row.parameter} is what the fit claims: one channel shares no events."
    if row.factor is not None:
        return _with_events(row, fitted=fitted)
    most, both = row.largest_factor, row.largest_factor_simulated
    known = f"Whatever events the {channels} channels share, the error of {row.parameter} is"
    if both - 1.0 <= TOLERATED:
        return f"{known} at most {most:.3f} times what the fit claims: no events are needed."
    if most - 1.0 <= TOLERATED:
        return (
            f"{known} at most {most:.3f} times what the fit claims, {both:.2f} times if templates "
            "share simulated events too: only those are worth looking at."
        )
    return (
        f"{known} at most {most:.2f} times what the fit claims, {both:.2f} times if templates "
        "share simulated events too: which events are in which bins says how much."
    )


def _with_events(row: SharingRow, *, fitted: bool) -> str:
    """The answer for a parameter, with the line that a paper needs if there is an estimate."""
    if row.factor is None or math.isnan(row.factor):
        return (
            f"The variance of {row.parameter} is not positive with these events: whether its error "
            "is right cannot be told."
        )
    quoted = rounded(row.estimate, row.actual_error)
    factor = rounded(row.factor, row.factor_error)
    claimed = f"(the fit claims {significant(row.claimed_error)})"
    line = f" {row.parameter} = {quoted} {claimed}." if fitted else ""
    asked = f"{ASKED} For {row.parameter}"
    if row.matters == "small":
        return f"{asked} yes: the error is {factor} times what the fit claims.{line}"
    if row.matters == "matters":
        wrong = "too small" if row.factor > 1.0 else "too large"
        return f"{asked} no: the claimed error is {wrong}, by a factor {factor}.{line}"
    return f"{asked} it is not known: the error is {factor} times what the fit claims.{line}"


def _distance(row: SharingRow) -> float:
    """How far off an error is, or may be; numbers for parameters without one are lowest."""
    if math.isnan(row.claimed_error):
        return -1.0
    if row.factor is not None:
        return math.inf if math.isnan(row.factor) else abs(math.log(row.factor or 1e-9))
    return row.largest_factor_simulated
