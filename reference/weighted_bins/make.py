"""Weighted data fitted in bins: sums of w^2 in the sandwich, and the bootstrap of rows."""

import numpy as np

from reference.cases import Value
from reference.independent.audits import bootstrap_errors, fit_errors
from reference.recording import exact, measured, record
from reference.row_bootstrap.inputs import HISTOGRAMS, PARAMETERS, model
from reference.weighted_bins.inputs import CONFIG, tables

SEED = 12
REPLICAS = 20_000


def values() -> list[Value]:
    """Estimates, sandwich and bootstrap errors; the claimed error of weighted data is no error."""
    data = tables()["data"]
    bins, weights = HISTOGRAMS.bins(data["x"], data["y"]), data["w"]
    rates = model(CONFIG["samples"]["nominal"]["events"])
    fit = fit_errors(rates, HISTOGRAMS, bins, weights)
    rng = np.random.default_rng(SEED)
    spread, error = bootstrap_errors(rates, HISTOGRAMS, bins, weights, replicas=REPLICAS, rng=rng)
    found = []
    for k, name in enumerate(PARAMETERS):
        row = {"table": "data", "method": "binned", "parameter": name}
        scale = float(fit.sandwich[k])
        found += [
            Value(ask="audit", row=row, key="estimate", value=float(fit.estimate[k]), scale=scale),
            exact("audit", "sandwich_error", scale, **row),
            measured("audit", "bootstrap_error", float(spread[k]), float(error[k]), **row),
        ]
    return found


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
