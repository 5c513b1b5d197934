"""The verdict of an audit, for the terminal."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from pullfactory.inference.judgement import TOLERATED
from pullfactory.numbers import ABSENT, rounded, significant
from pullfactory.report.table import new_table, with_unit
from pullfactory.results.audit_numbers import AuditNumbers

__all__ = ["audit_answer", "audit_table", "data_table", "dependence_lines", "pay_line"]


def audit_answer(result: AuditNumbers) -> str:
    """The question of an audit, and its answer in one sentence.

    Args:
        result: The audit.
    """
    names = ", ".join(result.config.observable_names)
    question = f"May {names} be fitted as if they were independent?"
    judged = result.judgements
    wrong, unsure = (
        [name for name, kind in judged.items() if kind == wanted] for wanted in ("wrong", "unknown")
    )
    right = f"right within {TOLERATED:.0%}"
    if result.independent:
        return f"{question} Yes: every claimed error is {right}."
    own = next(r for r in result.rows if r.method == "binned" and r.parameter == result.config.poi)
    open_ = [row.parameter for row in result.rows if row.reason]
    if open_ and (not wrong or own.reason):
        return (
            f"{question} That cannot be told for {', '.join(open_)}: the workspace does not close; "
            'use workspace.morphing = "multiplicative", or samples at smaller steps.'
        )
    if not wrong:
        return f"{question} Perhaps: too few events to tell for {', '.join(unsure)}."
    poi = result.config.poi
    if poi in wrong:
        kind = "small" if own.inflate_by > 1 else "large"
        said = f"is too {kind}, multiply it by {rounded(own.inflate_by, own.inflate_by_error)}"
    else:
        said = f"is {right}" if judged[poi] == "right" else "is uncertain"
    others = ", ".join(name for name in wrong if name != poi)
    also = f"; {'also wrong' if poi in wrong else 'wrong'}: {others}" if others else ""
    return f"{question} No: the claimed error of {poi} {said}{also}."


def audit_table(result: AuditNumbers) -> Table:
    """Claimed and actual errors, one row per method and parameter.

    Args:
        result: The audit.
    """
    units = {p.name: p.unit for p in result.config.parameter}
    toys = {(row.method, row.pulls.parameter): row.pulls for row in result.pulls}
    numbers = ("claimed\nerror", "actual\nerror", "inflate by", "pull width\nof toys")
    table = new_table(("method", "parameter"), (*numbers, "coverage\n68 % [%]", "joint\nerror"))
    method = ""
    for row in result.rows:
        if row.method != method:
            table.add_section()
        pulls = toys.get((row.method, row.parameter))
        table.add_row(
            "" if row.method == method else row.method,
            with_unit(row.parameter, units.get(row.parameter, "")),
            rounded(row.claimed_error, row.claimed_error_error),
            f"{rounded(row.actual_error, row.actual_error_error)}{_mark(row.closes)}",
            rounded(row.inflate_by, row.inflate_by_error),
            rounded(pulls.width, pulls.width_error) if pulls else ABSENT,
            rounded(100 * row.coverage_68, 100 * row.coverage_68_error),
            significant(row.joint_error),
        )
        method = row.method
    return table


def _mark(closes: bool | None) -> str:
    """What stands beside an actual error of a workspace that does not close."""
    return " does not\nclose" if closes is False else ""


def data_table(result: AuditNumbers) -> Table:
    """Estimates from the data, with claimed, sandwich and bootstrap errors.

    Args:
        result: An audit with data.
    """
    units = {p.name: p.unit for p in result.config.parameter}
    errors = tuple(f"{kind}\nerror" for kind in ("claimed", "sandwich", "bootstrap"))
    table = new_table(("fit of the data", "parameter"), ("estimate", *errors))
    for fit in result.data:
        table.add_section()
        for k, name in enumerate(fit.fit.parameters):
            table.add_row(
                "" if k else fit.method,
                with_unit(name, units.get(name, "")),
                significant(float(fit.fit.estimate[0, k])),
                significant(float(fit.fit.error[0, k])),
                significant(float(fit.fit.corrected_error[0, k])),
                rounded(float(fit.bootstrap[k]), float(fit.bootstrap_error[k])),
            )
    return table


def dependence_lines(result: AuditNumbers) -> Iterator[str]:
    """One line for each pair of observables.

    Args:
        result: The audit.
    """
    for pair in result.dependence:
        both = "" if pair.overlap == 1 else f", {pair.overlap:.0%} of events have both"
        yield (
            f"Correlation of {pair.first} and {pair.second}: Pearson "
            f"{rounded(pair.pearson, pair.pearson_error)}, Spearman "
            f"{rounded(pair.spearman, pair.spearman_error)}{both}"
        )


def pay_line(result: AuditNumbers) -> str:
    """Which observables do not lower the actual error of the parameter of interest.

    Args:
        result: The audit.
    """
    poi, idle = result.config.poi, result.do_not_pay
    if any(row.method == "binned" and row.parameter == poi and row.reason for row in result.rows):
        return f"Which observables pay for {poi} cannot be told: the workspace does not close."
    if not idle:
        return f"Every observable lowers the actual error of {poi}."
    return f"Not worth their work for {poi}: {escape(', '.join(idle))}."
