"""The joint fit of an audit by a flow, for terminal and page."""

from collections.abc import Iterator, Mapping
from typing import Any

from pullfactory.inference.judgement import TOLERATED_BIAS
from pullfactory.numbers import roughly
from pullfactory.report.tabular import Table, digits, measured, named

Fit = Mapping[str, Any]
"""Content of `flow` of an audit."""

SAID = (
    "Expected errors of the fit with the learnt density, beside the actual error of the product; "
    "of data the estimate, with the claimed, the sandwich and the bootstrap error. Noise of the "
    "samples is in none of them: it is what all estimates move by if the samples are drawn again."
)


def flow_table(fit: Fit, units: Mapping[str, str]) -> Table[Mapping[str, Any]]:
    """Errors of the joint fit, and its estimates from the data.

    Args:
        fit: Of an audit; with rows.
        units: Of the parameters.
    """
    rows = tuple(fit["rows"])
    blinded = any(row.get("blinded") for row in rows)
    data = (
        digits("estimate", "estimate\n(blinded)" if blinded else "estimate"),
        digits("error", "claimed\nerror"),
        digits("sandwich_error", "sandwich\nerror"),
        measured("bootstrap_error", "bootstrap\nerror"),
    )
    columns = (
        named("parameter", "fit by a flow", units),
        *(data if any(row["estimate"] is not None for row in rows) else ()),
        digits("claimed_error", "expected\nclaimed"),
        digits("actual_error", "expected\nactual"),
        measured("width", "pull width"),
        digits("product_error", "error of\nthe product"),
        digits("sample_noise", "noise of\nthe samples"),
    )
    return Table(columns=columns, rows=rows)


def flow_sentences(fit: Fit) -> Iterator[str]:
    """What was learnt, what held-out events say of it, and what its noise is.

    Args:
        fit: Of an audit.
    """
    if fit["reason"]:
        yield f"No fit by a flow: {fit['reason']}."
        return
    events = f"{fit['events']} events of each sample or more"
    yield f"Flow: {'; '.join(fit['maps'])}; learnt from {events}."
    because = f": {fit['cause']}" if fit["cause"] else ""
    yield f"Verdict on the flow, of one half of the events by the other: {fit['answer']}{because}."
    parts = {row["parameter"]: row["sample_noise"] / row["claimed_error"] for row in fit["rows"]}
    worst = max(parts, key=lambda name: parts[name])
    if parts[worst] > TOLERATED_BIAS:
        wanted = next(r["simulated_events"] for r in fit["rows"] if r["parameter"] == worst)
        yield (
            f"Noise of the samples moves all fits by the flow, of {worst} by {parts[worst]:.2f} "
            f"errors; {roughly(wanted)} events in the nominal samples, and all others in "
            f"proportion, make it {TOLERATED_BIAS:g}."
        )
