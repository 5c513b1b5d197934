"""The workspace that an audit of events built, audited again with its own events."""

from typing import Any

import numpy as np
import pytest

from pullfactory import audit, audit_workspace

EVENTS = 4000
EDGES = {"x": [60.0, 74.0, 80.0, 86.0, 100.0], "y": [160.0, 168.0, 172.0, 176.0, 190.0]}


def test_correlation_makes_the_same_factors() -> None:
    rng = np.random.default_rng(4)
    first, other = rng.standard_normal((2, EVENTS))
    table = {"x": 80.0 + 6.0 * first, "y": 172.0 + 4.0 * (0.7 * first + 0.7 * other)}
    sides: dict[str, Any] = {
        "up": {"columns": {name: f"{name} * 1.003" for name in table}},
        "down": {"columns": {name: f"{name} * 0.997" for name in table}},
    }
    config = {
        "name": "again",
        "poi": "JSF",
        "replicas": 10,
        "toys": {"n_toys": 0, "unbinned": "none"},
        "joint": {"n_bins": 0},
        "workspace": {"smooth": "none"},
        "parameter": [{"name": "JSF"}],
        "observable": [{"name": name, "edges": edges} for name, edges in EDGES.items()],
        "samples": {"nominal": {"in_memory": True, "events": 500.0}, "JSF": sides},
    }
    result = audit(config, {"nominal": table})
    (row,) = (row for row in result.rows if row.method == "binned")
    (sample,) = {s["name"] for c in result.workspace["channels"] for s in c["samples"]}
    columns = []
    for i, (name, edges) in enumerate(EDGES.items()):
        inside = (table[name] >= edges[0]) & (table[name] < edges[-1])
        place = np.searchsorted(edges, table[name], side="right") - 1
        columns.append(np.where(inside, place + 4 * i, -1))
    again = audit_workspace(
        result.workspace,
        simulated={sample: np.stack(columns, axis=1)},
        weights={sample: np.full(EVENTS, 500.0 / EVENTS)},
        n_toys=0,
    )
    assert again.rows[0].claimed_error == pytest.approx(row.claimed_error, rel=1e-9)
    assert again.rows[0].factor_counts == pytest.approx(row.inflate_by, rel=1e-9)
    assert row.inflate_by > 1.02  # or nothing would be seen of the correlation
