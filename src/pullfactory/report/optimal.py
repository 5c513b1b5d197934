"""The observables of an audit combined optimally, for terminal and page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pullfactory.inference.judgement import BAD_FIT
from pullfactory.numbers import rounded
from pullfactory.report.palette import method_label
from pullfactory.report.tabular import Column, Table, digits, named, text

Fit = Mapping[str, Any]
"""An entry of `optimal` of an audit."""

SAID = (
    "Expected errors, the whole one with the noise of the templates, beside the actual error of "
    "the product; of data the estimate, its own error, and the event-paired sandwich as its check."
)


def optimal_table(fits: Sequence[Fit], units: Mapping[str, str]) -> Table[Mapping[str, Any]]:
    """Errors of optimal combinations, and their estimates from the data.

    Args:
        fits: Of `optimal`.
        units: Of the parameters.
    """
    rows = [{"method": fit["method"], **row} for fit in fits for row in fit["rows"]]
    blinded = any(row.get("blinded") for row in rows)
    measured = (
        digits("estimate", "estimate\n(blinded)" if blinded else "estimate"),
        digits("error", "error"),
        digits("sandwich_error", "sandwich\nerror"),
    )
    columns = (
        text("method", "combined optimally", once=True),
        named("parameter", "parameter", units),
        *(measured if any(row["estimate"] is not None for row in rows) else ()),
        digits("claimed_error", "expected\nerror"),
        digits("whole_error", "whole\nerror"),
        _slope(),
        digits("product_error", "error of\nthe product"),
    )
    return Table(columns=columns, rows=tuple(rows), sections=("method",))


def null_lines(null: Mapping[str, int]) -> Iterator[str]:
    """How many combinations the optimal methods of a study leave out, without a full stop.

    Args:
        null: By method.
    """
    for method, number in null.items():
        if number:
            yield (
                f"{method} leaves out {number} combination{'s' * (number > 1)} of the observables "
                "that always have the same value"
            )


def _slope() -> Column:
    return Column(
        key="slope", heading="slope", show=lambda row: rounded(row["slope"], row["slope_error"])
    )


def optimal_sentences(fits: Sequence[Fit]) -> Iterator[str]:
    """How the fits went, what is left out, and why there are none.

    Args:
        fits: Of `optimal`.
    """
    for fit in fits:
        name = method_label(fit["method"])
        if fit["reason"]:
            yield f"No {name} fit: {fit['reason']}."
            continue
        left = f"; {fit['null']} more always have the same value, and are left out"
        made = f"{fit['elements']} independent combinations{left if fit['null'] else ''}"
        if fit["p_value"] is not None:
            bad = ": the model does not fit the data" if fit["p_value"] < BAD_FIT else ""
            made = (
                f"chi-square {fit['chi_square']:.1f} for {fit['degrees']} degrees of freedom, "
                f"p = {fit['p_value']:.2g}{bad}; {made}"
            )
        elif fit["status"]:
            made = f"the fit of the data ended as {fit['status']}; {made}"
        yield f"{name.capitalize()}: {made}."
