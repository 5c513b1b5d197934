"""The numbers of an audit as CSV, for a spreadsheet."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pullfactory.auditing import PairDependence
from pullfactory.numbers import finite_or_none


def write_tables(
    folder: Path, summary: Mapping[str, Any], dependence: Sequence[PairDependence]
) -> None:
    """Write all tables.

    Args:
        folder: Where to; made here.
        summary: Content of `audit.json`.
        dependence: Pairs of observables.
    """
    folder.mkdir()
    if summary["response"]:
        _write_table(folder / "response.csv", summary["response"])
    _write_table(folder / "errors.csv", summary["errors"])
    pairs = [
        {k: v for k, v in row.items() if not k.startswith("excess")}
        for row in summary["correlations"]
    ]
    _write_table(folder / "correlations.csv", pairs)
    _write_table(folder / "bin_pairs.csv", [row for pair in dependence for row in _bin_rows(pair)])
    _write_table(folder / "samples.csv", [_flat(row) for row in summary["samples"]])
    if summary["goodness"] and summary["goodness"]["rows"]:
        _write_table(
            folder / "goodness.csv",
            [
                {
                    key: value
                    for key, value in row.items()
                    if key not in ("low", "high", "histogram")
                }
                for row in summary["goodness"]["rows"]
            ],
        )
    if summary["calibration"] and summary["calibration"]["lines"]:
        _write_table(folder / "calibration.csv", summary["calibration"]["points"])
        _write_table(folder / "calibration_lines.csv", summary["calibration"]["lines"])
    sets = [{**row, "observables": " ".join(row["observables"])} for row in summary["sets"]]
    _write_table(folder / "sets.csv", sets)
    paper = [
        {"method": row["method"], "parameter_of_interest": row["parameter"], **part}
        for row in summary["paper"]
        for part in row["parts"]
    ]
    if paper:
        _write_table(folder / "paper.csv", paper)
    if summary["impacts"]:
        _write_table(folder / "impacts.csv", summary["impacts"])
    if summary.get("intervals"):
        aside = ("distances", "ratios")
        own = [{k: v for k, v in row.items() if k not in aside} for row in summary["intervals"]]
        _write_table(folder / "intervals.csv", own)
        points = [
            {"method": row["method"], "parameter": row["parameter"], "distance": x, "ratio": q}
            for row in summary["intervals"]
            for x, q in zip(row["distances"], row["ratios"], strict=True)
        ]
        _write_table(folder / "likelihood_ratio.csv", points)
    if rows := _optimal_rows(summary):
        _write_table(folder / "optimal.csv", rows)
    if rows := summary.get("flow", {}).get("rows"):
        _write_table(
            folder / "flow.csv",
            [{key: value for key, value in row.items() if key != "blinded"} for row in rows],
        )
    if summary["data"]:
        fits = [
            {"method": fit["method"], **row} for fit in summary["data"] for row in fit["estimates"]
        ]
        _write_table(folder / "data.csv", fits)


def _optimal_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Parameters of all optimal combinations; none in earlier audits."""
    return [
        {"method": fit["method"], **{k: v for k, v in row.items() if k != "blinded"}}
        for fit in summary.get("optimal", ())
        for row in fit["rows"]
    ]


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with a column for each entry of a table in it."""
    flat: dict[str, Any] = {}
    for key, value in row.items():
        entries = value if isinstance(value, Mapping) else {"": value}
        flat |= {f"{key}_{name}".rstrip("_"): entry for name, entry in entries.items()}
    return flat


def _bin_rows(pair: PairDependence) -> Iterable[dict[str, Any]]:
    for (a, b), value in np.ndenumerate(pair.excess):
        yield finite_or_none(
            {
                "first": pair.first,
                "second": pair.second,
                "first_bin": a,
                "second_bin": b,
                "excess": float(value),
                "excess_error": float(pair.excess_error[a, b]),
            }
        )


def _write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        if rows:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
