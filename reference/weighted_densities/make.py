"""Weighted least squares: the maximum of the weighted likelihood of Gaussians of known widths."""

import numpy as np

from reference.cases import Value
from reference.recording import exact, measured, record
from reference.weighted_densities.inputs import tables

SEED = 13
REPLICAS = 20_000


def values() -> list[Value]:
    """Estimate, sandwich with w^2, and the bootstrap of rows."""
    found = tables()
    residuals, slopes = [], []
    for name, step in (("x", 1.0), ("y", 0.3)):
        nominal = found["nominal"][name]
        residuals.append((found["data"][name] - nominal.mean()) / nominal.std())
        slopes.append(step / nominal.std())
    z, a = np.stack(residuals, axis=1), np.array(slopes)
    w = found["data"]["w"]
    information = (a @ a) * w.sum()
    estimate = float(w @ z @ a / information)
    scores = w * ((z - a * estimate) @ a)
    sandwich = float(np.sqrt(scores @ scores) / information)
    rng = np.random.default_rng(SEED)
    drawn = np.empty(REPLICAS)
    for r in range(REPLICAS):
        often = w * rng.poisson(1.0, len(w))
        drawn[r] = often @ z @ a / ((a @ a) * often.sum())
    row = {"table": "data", "method": "unbinned", "parameter": "m"}
    spread = float(drawn.std(ddof=1))
    return [
        Value(ask="audit", row=row, key="estimate", value=estimate, scale=sandwich),
        exact("audit", "sandwich_error", sandwich, **row),
        measured("audit", "bootstrap_error", spread, spread / np.sqrt(2 * REPLICAS), **row),
    ]


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
