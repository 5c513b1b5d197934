"""Failed fits on a page: where in the truth they are, and the first of them."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from pullfactory.files import read_text
from pullfactory.numbers import plain
from pullfactory.report.page.content import Block, Text
from pullfactory.report.page.tables import FIT, paged
from pullfactory.report.palette import method_label
from pullfactory.report.tabular import Table, text

_FIRST = 10  # of each method
_SHOWN = 8  # parameters

Status = Mapping[str, Mapping[str, int]]


def failure_blocks(
    folder: Path, file: str, status: Status, drawn: Sequence[Block] = ()
) -> tuple[Block, ...]:
    """How many fits failed, where in the truth, and the first of each method; none if none did.

    Args:
        folder: Of the result.
        file: Path of the failed fits in it.
        status: Number of fits by method and status.
        drawn: Their figures.
    """
    lost = {method: _lost(counts) for method, counts in status.items()}
    if not any(lost.values()) or not (folder / file).exists():
        return ()
    told = "; ".join(
        f"{n} of {sum(status[method].values())} with {method_label(method)}"
        for method, n in lost.items()
        if n
    )
    return (
        Text(text=f"Fits that do not give all errors: {told}. In the folder: {file}."),
        *drawn,
        *_first_rows(read_text(folder / file), status),
    )


def _lost(counts: Mapping[str, int]) -> int:
    return sum(n for name, n in counts.items() if name not in ("converged", "recovered"))


def _first_rows(content: str, methods: Iterable[str]) -> tuple[Block, ...]:
    rows: list[dict[str, str]] = []
    left = dict.fromkeys(methods, _FIRST)
    try:
        for row in csv.DictReader(io.StringIO(content, newline=""), restval=""):
            left[row["method"]] -= 1
            if left[row["method"]] >= 0:
                rows.append(row)
    except csv.Error as error:
        raise ValueError(f"failures.csv: {error}") from None
    if not rows:
        return ()
    truths = list(islice((key for key in rows[0] if key.startswith("truth_")), _SHOWN))
    shown = [
        {**row, "status": row["status"].replace("_", " "), **{k: _short(row[k]) for k in truths}}
        for row in rows
    ]
    columns = (
        *(FIT, text("toy", "toy")),
        *((text("rho", "ρ"),) if any(row["rho"] for row in rows) else ()),
        text("status", "status"),
        *(text(key, f"truth of {key.removeprefix('truth_')}") for key in truths),
    )
    table = paged(
        Table(columns=columns, rows=tuple(shown)),
        name="failures",
        caption="The first failed fits of each method, and the truth of their toys.",
        headings=len(columns),
        tags=("method",),
    )
    return (table,)


def _short(number: str) -> str:
    return plain(float(f"{float(number):.4g}")) if number else ""
