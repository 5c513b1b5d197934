"""Data fitted in bins: sandwich of rows, and the bootstrap of rows."""

import numpy as np

from reference.cases import Value
from reference.independent.audits import bootstrap_errors, fit_errors
from reference.recording import exact, measured, record
from reference.row_bootstrap.inputs import HISTOGRAMS, N_EVENTS, PARAMETERS, model, tables

SEED = 11
REPLICAS = 20_000


def values() -> list[Value]:
    """Estimates, claimed, sandwich and bootstrap errors."""
    data = tables()["data"]
    bins, weights = HISTOGRAMS.bins(data["x"], data["y"]), np.ones(N_EVENTS)
    rates = model(N_EVENTS)
    fit = fit_errors(rates, HISTOGRAMS, bins, weights)
    rng = np.random.default_rng(SEED)
    spread, error = bootstrap_errors(rates, HISTOGRAMS, bins, weights, replicas=REPLICAS, rng=rng)
    found = []
    for k, name in enumerate(PARAMETERS):
        row = {"table": "data", "method": "binned", "parameter": name}
        claimed = float(fit.claimed[k])
        found += [
            Value(
                ask="audit", row=row, key="estimate", value=float(fit.estimate[k]), scale=claimed
            ),
            exact("audit", "claimed_error", claimed, **row),
            exact("audit", "sandwich_error", float(fit.sandwich[k]), **row),
            measured("audit", "bootstrap_error", float(spread[k]), float(error[k]), **row),
        ]
    return found


if __name__ == "__main__":
    record(__file__, values, seed=SEED)
